//! Structure: what keeps texts apart by who wrote them, whether or not a detector found anything in them.
//!
//! A language model reads one stream of text and learned by example alone which part of it commands. So a prompt made here
//! never has untrusted text where it could pass for something else:
//!
//! - [`neutralize`] takes the meaning from chat-template tokens that stand in a text, so that it cannot end its own turn;
//! - a [`Boundary`] encloses each document and tool answer by a line that its author could not have known;
//! - prose inside is [marked](mark) between its words ("spotlighting"), which the instructions explain to the model;
//! - [`Prompt`] keeps roles apart, never puts such text beside the system prompt, and bounds what it is given, visibly;
//! - [`Template`] writes it down for models that take a string.
//!
//! Everything here is linear in its input and keeps a small multiple of it in memory.

mod boundary;
mod fold;
mod form;
mod mark;
mod names;
mod prompt;
mod reserved;
mod template;
mod truncate;

pub use self::{
    boundary::{Boundary, TenantKey, WeakKey},
    form::Form,
    mark::{disarm, mark, unmark},
    prompt::{Bounds, Made, Message, Part, Prompt, Role},
    reserved::{neutralize, reserved},
    template::{Template, UnknownTemplate},
    truncate::{NOTE_BYTES_MAX, truncate},
};

#[cfg(test)]
mod tests;
