//! How a prompt is written down for models that take a string, and for those that take messages.
//!
//! The tokens of a template are written here and nowhere else: no message has any, because each was
//! [neutralized](super::neutralize) for all families.

use std::str::FromStr;

use serde_json::json;

use super::{
    boundary::Boundary,
    prompt::{Message, Role},
};

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Template {
    /// A JSON array of messages, for chat completions of OpenAI's API.
    OpenAi,
    /// `<|im_start|>`: OpenAI's first chat models, Qwen, Yi, InternLM, many fine-tuned models.
    ChatMl,
    /// `<|start_header_id|>`: Llama 3.
    Llama,
    /// `[INST]`, `[SYSTEM_PROMPT]`: Mistral's seventh tokenizer version, which has a place for the system prompt of its own;
    /// earlier ones had it in the user's turn.
    Mistral,
    /// Headings with the boundary's id, for models without a template.
    Plain,
}

/// No template of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such template; there are `openai`, `chatml`, `llama`, `mistral` and `plain`")]
pub struct UnknownTemplate;

impl FromStr for Template {
    type Err = UnknownTemplate;

    fn from_str(name: &str) -> Result<Self, UnknownTemplate> {
        match name {
            "openai" => Ok(Self::OpenAi),
            "chatml" => Ok(Self::ChatMl),
            "llama" => Ok(Self::Llama),
            "mistral" => Ok(Self::Mistral),
            "plain" => Ok(Self::Plain),
            _ => Err(UnknownTemplate),
        }
    }
}

impl Role {
    /// Its name in OpenAI's API and in most templates.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

impl Template {
    /// Writes messages down, up to where the model is to go on.
    #[must_use]
    pub fn render(self, messages: &[Message], boundary: &Boundary) -> String {
        let turns = messages.iter();
        match self {
            Self::OpenAi => {
                let messages: Vec<_> =
                    turns.map(|turn| json!({ "role": turn.role.name(), "content": turn.content })).collect();
                serde_json::Value::from(messages).to_string()
            }
            Self::ChatMl => {
                let turn = |role, content| format!("<|im_start|>{role}\n{content}<|im_end|>\n");
                let turns: String =
                    turns.map(|message| turn(message.role.name(), &message.content)).collect();
                turns + "<|im_start|>assistant\n"
            }
            Self::Llama => {
                let head = |role| format!("<|start_header_id|>{role}<|end_header_id|>\n\n");
                let turns: String = turns
                    .map(|message| head(llama(message.role)) + &message.content + "<|eot_id|>")
                    .collect();
                format!("<|begin_of_text|>{turns}{}", head("assistant"))
            }
            Self::Mistral => "<s>".to_owned() + &turns.map(mistral).collect::<String>(),
            Self::Plain => {
                let head = |role: Role| format!("=== {} {} ===\n", role.name(), boundary.id());
                let turns: String =
                    turns.map(|message| head(message.role) + &message.content + "\n\n").collect();
                turns + &head(Role::Assistant)
            }
        }
    }
}

/// Llama 3 calls tools by the first one that it had.
fn llama(role: Role) -> &'static str {
    if role == Role::Tool { "ipython" } else { role.name() }
}

fn mistral(message: &Message) -> String {
    let content = &message.content;
    match message.role {
        Role::System => format!("[SYSTEM_PROMPT]{content}[/SYSTEM_PROMPT]"),
        Role::User => format!("[INST]{content}[/INST]"),
        Role::Assistant => format!("{content}</s>"),
        Role::Tool => format!("[TOOL_RESULTS]{content}[/TOOL_RESULTS]"),
    }
}
