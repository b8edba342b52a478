//! A prompt in which everybody keeps to their place.

use std::borrow::Cow;

use super::{
    boundary::Boundary,
    form::Form,
    mark::{disarm, mark},
    reserved::neutralize,
    truncate::truncate,
};
use crate::Channel;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator's instructions.
    System,
    /// The user, with the documents that the question is about.
    User,
    /// The model, in earlier turns. Callers send these back, so they are believed as little as the rest.
    Assistant,
    /// A tool that the model called.
    Tool,
}

/// A piece of a turn, by who wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Who wrote it.
    pub channel: Channel,
    /// What.
    pub text: &'a str,
}

/// What is to be put before a model.
#[derive(Debug, Clone, Default)]
pub struct Prompt<'a> {
    /// The operator's instructions.
    pub system: &'a str,
    /// Turns in their order. A turn of the role `System` is a part of the instructions, and only its [`Channel::User`] parts
    /// are taken.
    pub turns: Vec<(Role, Vec<Part<'a>>)>,
}

/// How long texts may be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// One part.
    pub part_bytes_max: usize,
    /// All parts together.
    pub prompt_bytes_max: usize,
}

impl Default for Bounds {
    /// 256 KiB and 1 MiB: some 64,000 and 256,000 tokens of English, about what models take.
    fn default() -> Self {
        Self { part_bytes_max: 256 << 10, prompt_bytes_max: 1 << 20 }
    }
}

/// One message, ready for a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose.
    pub role: Role,
    /// Without a reserved token of any model in it.
    pub content: String,
}

/// A prompt that is safe to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The system's first, then each turn.
    pub messages: Vec<Message>,
    /// Parts in which reserved tokens were found.
    pub neutralized: usize,
    /// Bytes that are missing for their length; each text says so where it ends.
    pub bytes_left_out: usize,
}

impl Prompt<'_> {
    /// Neutralizes, bounds, encloses and marks. Nothing of a turn gets into the system's message, and no two turns into one.
    #[must_use]
    pub fn make(&self, boundary: &Boundary, bounds: &Bounds) -> Made {
        let mut maker =
            Maker { boundary, bounds, left: bounds.prompt_bytes_max, enclosed: [0; 2], made: (0, 0) };
        let instructions = boundary.instructions();
        let system = maker.own(self.system);
        let content = if system.is_empty() { instructions } else { format!("{system}\n\n{instructions}") };
        let mut messages = vec![Message { role: Role::System, content }];
        for (role, parts) in &self.turns {
            let parts: Vec<String> = parts.iter().filter_map(|part| maker.part(*role, *part)).collect();
            messages.push(Message { role: *role, content: parts.join("\n\n") });
        }
        let (neutralized, bytes_left_out) = maker.made;
        Made { messages, neutralized, bytes_left_out }
    }
}

struct Maker<'a> {
    boundary: &'a Boundary,
    bounds: &'a Bounds,
    /// Bytes that may still come.
    left: usize,
    /// Documents and tool answers so far.
    enclosed: [usize; 2],
    /// Parts neutralized, bytes left out.
    made: (usize, usize),
}

impl Maker<'_> {
    fn part(&mut self, role: Role, part: Part<'_>) -> Option<String> {
        match (role, part.channel) {
            (Role::System, Channel::Document | Channel::Tool) => None,
            (Role::Tool, _) | (_, Channel::Tool) => Some(self.enclose("tool answer", 1, part.text)),
            (_, Channel::Document) => Some(self.enclose("document", 0, part.text)),
            (_, Channel::User) => Some(self.own(part.text)),
        }
    }

    /// A text of the conversation itself.
    fn own(&mut self, text: &str) -> String {
        let text = self.bounded(text);
        disarm(&text, self.boundary).into_owned()
    }

    /// A text from outside, between its lines.
    fn enclose(&mut self, kind: &str, counter: usize, text: &str) -> String {
        let number = self.enclosed.get_mut(counter).map_or(0, |count| {
            *count += 1;
            *count
        });
        let what = format!("{kind} {number}");
        let text = self.bounded(text);
        let marked = mark(&text, Form::of(&text), self.boundary);
        format!("{}\n{marked}\n{}", self.boundary.opening(&what), self.boundary.closing(&what))
    }

    fn bounded<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        let room = self.bounds.part_bytes_max.min(self.left);
        // Before looking into it, so that the work is bounded too; and after, since a token's brackets are three bytes each.
        let (text, cut) = truncate(text, room);
        let text = match neutralize(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(neutral) => {
                self.made.0 += 1;
                let (short, more) = truncate(&neutral, room);
                self.made.1 += more;
                Cow::Owned(short.into_owned())
            }
        };
        self.made.1 += cut;
        self.left = self.left.saturating_sub(text.len());
        text
    }
}
