//! Judges what language models are told and what they answer.
//!
//! Texts go in, decisions come out: this crate does no I/O, knows no protocol, no route and no principal. A text comes
//! with its [`Channel`], because the same words are a request when a user types them and an attack when a document
//! carries them.

pub mod detect;
pub mod encoder;
pub mod normalize;
pub mod output;
pub mod structure;

use serde::{Deserialize, Serialize};

/// Who wrote a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The user, typing to the model.
    User,
    /// Retrieved text: a file, a page, a mail.
    Document,
    /// What a tool answered.
    Tool,
}

/// A range of bytes of the original text; both ends lie on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}
