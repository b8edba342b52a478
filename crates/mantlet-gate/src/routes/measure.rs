//! What a prompt is estimated to take before it is asked, from above: see [`crate::budget::estimate`] for what that means of a
//! text. What the gate adds on the way (its own system prompt, lines and marks around what is handed on) counts too.

use serde_json::Value;

use super::{
    Prompt, Rules,
    prompt::{Content, Role, Task, Tool, Turn},
    rules::System,
};
use crate::budget::{CALL_TOKENS, IMAGE_TOKENS, MESSAGE_TOKENS, estimate};

/// Tokens of the two lines around a text that is handed on, and of what is said of them to the model.
const BOUNDARY_TOKENS: u64 = 64;

/// What a prompt is estimated to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Tokens of it.
    pub(crate) input: u64,
    /// Of the answers to it.
    pub(crate) output: Length,
}

/// How long the answers to a prompt may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// All of them together, in tokens.
    AtMost(u64),
    /// Nobody has said; so many there are.
    Open(u64),
    /// All of them together, in tokens, by a word that not every upstream knows; and so many there are.
    Hinted(u64, u64),
}

impl Length {
    /// Tokens to reserve, where so many are reserved for one answer of unknown length.
    pub(crate) const fn tokens(self, each: u64) -> u64 {
        match self {
            Self::AtMost(tokens) => tokens,
            Self::Open(answers) => answers.saturating_mul(each),
            Self::Hinted(tokens, answers) => {
                let each = answers.saturating_mul(each);
                if tokens > each { tokens } else { each }
            }
        }
    }

    /// Tokens to reserve even where less is left; of an answer of unknown length, one.
    pub(crate) const fn least(self) -> u64 {
        match self {
            Self::AtMost(tokens) | Self::Hinted(tokens, _) => tokens,
            Self::Open(_) => 1,
        }
    }

    /// What the answers cannot take more than, if that is known.
    pub(crate) const fn bound(self) -> Option<u64> {
        match self {
            Self::AtMost(tokens) => Some(tokens),
            Self::Open(_) | Self::Hinted(..) => None,
        }
    }
}

impl Prompt {
    /// What it is estimated to take on a route with these rules. It has not been validated: an option that is no number
    /// counts as absent, and has the prompt rejected later.
    pub(crate) fn measured(&self, rules: &Rules) -> Measured {
        let texts = |texts: &[String]| texts.iter().map(|text| estimate(text)).fold(0, u64::saturating_add);
        let (input, texts) = match &self.task {
            Task::Chat(turns) => (chat(turns, &rules.system), 1),
            // What comes before an answer is told once for each text.
            Task::Text { prompts, suffix } => {
                let suffix = suffix.as_deref().map_or(0, estimate).saturating_mul(prompts.len() as u64);
                (texts(prompts).saturating_add(suffix), prompts.len() as u64)
            }
            Task::Embed(inputs) => (texts(inputs), 0),
        };
        let beside = self.tools.iter().map(tool).chain(self.hosted.iter().map(value));
        let options = self.options.iter().filter(|(name, _)| *name == "response_format");
        let beside = beside.chain(options.map(|(_, format)| value(format)));
        let input = beside.fold(input, u64::saturating_add);
        let number = |name: &str| self.option(name).and_then(Value::as_u64);
        let answers = number("n").unwrap_or(1).max(1).saturating_mul(texts);
        let all = |tokens: u64| tokens.saturating_mul(answers);
        // Every server knows the older word. One that passes the newer one over makes answers as long as it likes.
        let output = match (number("max_tokens"), number("max_completion_tokens")) {
            _ if texts == 0 => Length::AtMost(0),
            (Some(older), newer) => Length::AtMost(all(older.max(newer.unwrap_or(0)))),
            (None, Some(newer)) => Length::Hinted(all(newer), answers),
            (None, None) => Length::Open(answers),
        };
        Measured { input, output }
    }
}

fn chat(turns: &[Turn], system: &System) -> u64 {
    let own = match system {
        System::Route(text) => estimate(text).saturating_add(MESSAGE_TOKENS),
        System::Caller => 0,
    };
    turns.iter().map(turn).fold(own, u64::saturating_add)
}

fn turn(turn: &Turn) -> u64 {
    let parts = turn.parts.iter().map(|part| match part {
        Content::Text(text) if turn.role == Role::Tool => handed_on(text),
        Content::Text(text) => estimate(text),
        Content::Document { title, text } => {
            handed_on(text).saturating_add(title.as_deref().map_or(0, handed_on))
        }
        Content::Image { .. } => IMAGE_TOKENS,
    });
    let calls = turn.calls.iter().map(|call| {
        CALL_TOKENS.saturating_add(estimate(&call.name)).saturating_add(estimate(&call.arguments))
    });
    let name = turn.name.as_deref().map_or(0, estimate);
    parts.chain(calls).fold(MESSAGE_TOKENS.saturating_add(name), u64::saturating_add)
}

/// A text that gets lines around it, and a mark in the place of each space.
fn handed_on(text: &str) -> u64 {
    let marks = text.chars().filter(|character| character.is_whitespace()).count() as u64;
    estimate(text).saturating_add(marks.saturating_mul(3)).saturating_add(BOUNDARY_TOKENS)
}

fn tool(tool: &Tool) -> u64 {
    let description = tool.description.as_deref().map_or(0, estimate);
    let schema = tool.parameters.as_ref().map_or(0, value);
    [estimate(&tool.name), description, schema].into_iter().fold(CALL_TOKENS, u64::saturating_add)
}

fn value(value: &Value) -> u64 {
    estimate(&value.to_string())
}

#[cfg(test)]
mod tests {
    use mantlet_types::Sha256;
    use serde_json::json;

    use super::*;
    use crate::routes::{prompt::Call, tests::rules};

    fn prompt(task: Task, options: Vec<(&'static str, Value)>) -> Prompt {
        Prompt {
            model: "small".into(),
            task,
            tools: Vec::new(),
            options,
            stream: false,
            salted: Vec::new(),
            hosted: Vec::new(),
            body_bytes: 0,
            body_digest: Sha256([0; 32]),
        }
    }

    fn said(text: &str) -> Task {
        Task::Chat(vec![Turn { parts: vec![Content::Text(text.to_owned())], ..Turn::default() }])
    }

    #[test]
    fn every_text_of_a_prompt_counts() {
        let (rules, text) = (rules(), "word ".repeat(50));
        let least = prompt(said(""), Vec::new()).measured(&rules).input;
        let counts = |changed: Prompt| {
            let more = changed.measured(&rules).input - least;
            assert!(more >= 50, "{more}");
        };
        counts(prompt(said(&text), Vec::new()));
        let document = Content::Document { title: None, text: text.clone() };
        counts(prompt(Task::Chat(vec![Turn { parts: vec![document], ..Turn::default() }]), Vec::new()));
        let call = Call { arguments: text.clone(), ..Call::default() };
        counts(prompt(Task::Chat(vec![Turn { calls: vec![call], ..Turn::default() }]), Vec::new()));
        let tool = Tool { name: "f".into(), description: Some(text.clone()), parameters: None, strict: None };
        counts(Prompt { tools: vec![tool], ..prompt(said(""), Vec::new()) });
        counts(prompt(said(""), vec![("response_format", json!({ "a": text }))]));
        let own = Rules { system: System::Route(text.clone()), ..rules.clone() };
        assert!(prompt(said(""), Vec::new()).measured(&own).input >= least + 50);
    }

    #[test]
    fn answers_are_as_many_and_as_long_as_is_asked() {
        let texts = Task::Text { prompts: vec!["a".into(), "b".into()], suffix: None };
        for (task, options, expect) in [
            (said("a"), vec![], Length::Open(1)),
            (said("a"), vec![("n", json!(3))], Length::Open(3)),
            (said("a"), vec![("max_tokens", json!(5))], Length::AtMost(5)),
            (said("a"), vec![("max_completion_tokens", json!(7)), ("n", json!(3))], Length::Hinted(21, 3)),
            (
                said("a"),
                vec![("max_tokens", json!(7)), ("max_completion_tokens", json!(9))],
                Length::AtMost(9),
            ),
            (said("a"), vec![("max_tokens", json!(u64::MAX)), ("n", json!(9))], Length::AtMost(u64::MAX)),
            (texts, vec![("n", json!(2)), ("max_tokens", json!(5))], Length::AtMost(20)),
            (Task::Embed(vec!["a".into()]), vec![], Length::AtMost(0)),
        ] {
            assert_eq!(prompt(task, options).measured(&rules()).output, expect);
        }
    }

    #[test]
    fn a_word_that_an_upstream_may_not_know_bounds_no_answer() {
        for (length, tokens, least, bound) in [
            (Length::AtMost(5), 5, 5, Some(5)),
            (Length::Open(2), 200, 1, None),
            (Length::Hinted(5, 1), 100, 5, None),
            (Length::Hinted(500, 2), 500, 500, None),
        ] {
            assert_eq!((length.tokens(100), length.least(), length.bound()), (tokens, least, bound));
        }
    }
}
