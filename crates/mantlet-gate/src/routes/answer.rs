//! What a language model answers, whatever protocol it comes in: whole, or as events.

use serde::{Deserialize, Serialize};

use super::prompt::Call;

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Alternatives, in the order of their numbers.
    pub choices: Vec<Choice>,
    /// Vectors, in the order of the texts.
    pub vectors: Vec<Vector>,
    /// What it cost, as the upstream counts.
    pub usage: Option<Usage>,
}

/// One of several answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Its number.
    pub index: u32,
    /// What it says.
    pub text: String,
    /// What it says in place of an answer that the model would not give.
    pub refusal: Option<String>,
    /// Functions that it asks for.
    pub calls: Vec<Call>,
    /// Why it ended.
    pub finish: Option<Finish>,
}

/// A vector, in the form that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Vector {
    /// Numbers.
    Numbers(Vec<f64>),
    /// Little-endian 32-bit floats in base64.
    Base64(String),
}

/// Tokens that an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It is complete.
    Stop,
    /// It may not be longer.
    Length,
    /// It asks for functions.
    Calls,
    /// Somebody's filter ended it.
    Filter,
}

impl Finish {
    /// The word of the protocol.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Calls => "tool_calls",
            Self::Filter => "content_filter",
        }
    }

    /// What a word of the protocol means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "stop" => Some(Self::Stop),
            "length" => Some(Self::Length),
            "tool_calls" | "function_call" => Some(Self::Calls),
            "content_filter" => Some(Self::Filter),
            _ => None,
        }
    }
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// More text of a choice.
    Text {
        /// Which choice.
        choice: u32,
        /// The text.
        text: String,
    },
    /// More of a refusal.
    Refusal {
        /// Which choice.
        choice: u32,
        /// The text.
        text: String,
    },
    /// The beginning of a call, or more of its arguments.
    Call {
        /// Which choice.
        choice: u32,
        /// Which of its calls.
        index: u32,
        /// At its beginning: its id.
        id: Option<String>,
        /// At its beginning: the function's name.
        name: Option<String>,
        /// More of its arguments.
        arguments: String,
    },
    /// The end of a choice.
    Finish {
        /// Which choice.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// What all of it took.
    Usage(Usage),
}
