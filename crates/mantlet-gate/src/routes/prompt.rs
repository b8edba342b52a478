//! A prompt, whatever protocol it came in: texts with their authors, tools, and options by name.

use mantlet_types::Sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is asked of a language model.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// The model, as the caller calls it.
    pub model: Box<str>,
    /// What of it.
    pub task: Task,
    /// Functions of the caller's that the model may ask to be called.
    pub tools: Vec<Tool>,
    /// Options by their names in the protocol of the upstream. Each is a word of the protocol.
    pub options: Vec<(&'static str, Value)>,
    /// Whether the answer is to leave as it comes.
    pub stream: bool,
    /// What the caller calls the person for whom it asks, and the text by which it wants caches shared.
    pub salted: Vec<(&'static str, String)>,
    /// Tools that the upstream would run by itself, by their type.
    pub hosted: Vec<Value>,
    /// Length of the body as received, in bytes.
    pub body_bytes: usize,
    /// SHA-256 of the body.
    pub body_digest: Sha256,
}

/// What a language model is to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Take the next turn of a conversation.
    Chat(Vec<Turn>),
    /// Go on with texts.
    Text {
        /// The texts.
        prompts: Vec<String>,
        /// What is to come after what is made up.
        suffix: Option<String>,
    },
    /// Turn texts into vectors.
    Embed(Vec<String>),
}

/// One turn of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Whose.
    pub role: Role,
    /// What the caller calls whoever speaks.
    pub name: Option<String>,
    /// What is said.
    pub parts: Vec<Content>,
    /// Functions that the model has asked for in this turn.
    pub calls: Vec<Call>,
    /// For a tool's turn: which call it answers.
    pub answers: Option<String>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The application, above everybody.
    System,
    /// The application, where the upstream tells it from its own operator.
    Developer,
    /// The user.
    #[default]
    User,
    /// The model, as the caller reports it.
    Assistant,
    /// A tool.
    Tool,
}

impl Role {
    /// The word of the protocol.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A part of a turn.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text of the turn's author.
    Text(String),
    /// A text that the author hands on.
    Document {
        /// What it is called.
        title: Option<String>,
        /// What it says.
        text: String,
    },
    /// An image, in the prompt itself or elsewhere.
    Image {
        /// A `data:` URL, or where it is.
        url: String,
        /// How closely to look.
        detail: Option<&'static str>,
    },
}

/// A function that the model has asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// By which its answer refers to it.
    pub id: String,
    /// Which.
    pub name: String,
    /// With what, as JSON.
    pub arguments: String,
}

/// A function of the caller's.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The schema of its arguments.
    pub parameters: Option<Value>,
    /// Whether arguments must fit the schema exactly.
    pub strict: Option<bool>,
}

impl Prompt {
    /// Turns of a conversation; texts, where it is none.
    #[must_use]
    pub fn turns(&self) -> usize {
        match &self.task {
            Task::Chat(turns) => turns.len(),
            Task::Text { prompts, .. } => prompts.len(),
            Task::Embed(inputs) => inputs.len(),
        }
    }

    /// An option's value.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&Value> {
        self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl Prompt {
    /// What is asked, for a person to read: turns with their authors, or texts. Images are only said to be there.
    #[must_use]
    pub fn shown(&self) -> Value {
        match &self.task {
            Task::Chat(turns) => turns.iter().map(Turn::shown).collect(),
            Task::Text { prompts, .. } => json!(prompts),
            Task::Embed(inputs) => json!(inputs),
        }
    }
}

impl Turn {
    fn shown(&self) -> Value {
        let part = |part: &Content| match part {
            Content::Text(text) => json!(text),
            Content::Document { title, text } => json!({ "title": title, "document": text }),
            Content::Image { .. } => json!({ "image": true }),
        };
        let mut shown = json!({ "role": self.role.as_str() });
        shown["content"] = match self.parts.as_slice() {
            [one] => part(one),
            parts => parts.iter().map(part).collect(),
        };
        if let Some(name) = &self.name {
            shown["name"] = json!(name);
        }
        if !self.calls.is_empty() {
            shown["calls"] = json!(self.calls);
        }
        shown
    }
}
