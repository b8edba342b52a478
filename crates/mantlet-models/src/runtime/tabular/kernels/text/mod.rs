//! Operators on texts: what comes before the numbers of a model that reads words.
//!
//! `StringNormalizer` and `TfIdfVectorizer` of `ai.onnx`, and the `Tokenizer` of `com.microsoft` that scikit-learn's
//! exporter puts between them.

mod case;
mod class;
mod grams;
mod machine;
mod pattern;
#[cfg(test)]
mod tests;
mod tokens;

pub(super) use case::normalizer;
pub(super) use grams::vectorizer;
pub(super) use tokens::tokenizer;

/// What a text takes beside its characters, in elements of four bytes: its place in the list and its own allocation.
const TEXT_ELEMENTS: usize = 16;

/// Texts are worked through character by character, each some nanoseconds; more than should keep a thread that serves
/// connections.
const TEXT_WORK: u64 = 100_000;
