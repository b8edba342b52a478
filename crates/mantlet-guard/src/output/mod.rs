//! What answers may carry: leaks, markup, links, schemas, tool calls, personal data and secrets.
//!
//! There is one implementation: [`Stream`]. A whole text is a stream of one chunk, and [`redact`] is the same pass with
//! nothing but redaction in its rules. Decisions and output are the same for every way to cut a text into chunks.

mod html;
mod leak;
mod links;
mod pseudonym;
mod redact;
mod rules;
mod scan;
mod schema;
mod stream;
mod window;

pub use leak::Secrets;
pub use pseudonym::{BadMark, Pseudonyms};
pub use redact::{Found, Kind, Kinds, Redacted, UnknownKind, redact, redact_kinds};
pub use rules::{BadRule, Html, Rules};
pub use schema::{BadSchema, DEPTH_MAX, JSON_BYTES_MAX, SCHEMA_BYTES_MAX, Schema, Tools, Unfit, strict};
pub use stream::{HELD_BYTES_MAX, Stopped, Stream, Summary};
