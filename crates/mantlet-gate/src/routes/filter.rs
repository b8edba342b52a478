//! What leaves of an answer, piece by piece: each choice has a filter of its own, and whatever pieces an answer comes in, the
//! same leaves.

use std::collections::{BTreeMap, BTreeSet};

use mantlet_types::{Code, Rejection, entry::Token};

use super::{Event, ask::Forwarded, prompt::Task, rules::Rules};

/// Choices that are told apart, over what any route allows: whatever an upstream numbers beyond is no answer.
const CHOICES_MAX: usize = 128;

/// Calls of one choice.
const CALLS_MAX: usize = 128;

/// The filter of one answer.
pub(super) struct Filter {
    /// Functions that the model may ask for.
    tools: BTreeSet<String>,
    /// Bytes that may still leave.
    left: usize,
    choices: BTreeMap<u32, Choice>,
    /// What was done, by its codes.
    done: BTreeSet<&'static str>,
    choices_max: u32,
}

/// One choice under way.
#[derive(Default)]
struct Choice {
    /// Calls that have begun.
    calls: BTreeSet<u32>,
    ended: bool,
}

impl Filter {
    /// For the answer to a prompt.
    pub(super) fn new(rules: &Rules, forwarded: &Forwarded) -> Self {
        let prompt = forwarded.prompt();
        let asked =
            prompt.option("n").and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let texts = match &prompt.task {
            Task::Text { prompts, .. } => u32::try_from(prompts.len()).unwrap_or(u32::MAX),
            Task::Chat(_) | Task::Embed(_) => 1,
        };
        Self {
            tools: prompt.tools.iter().map(|tool| tool.name.clone()).collect(),
            left: rules.answer_bytes_max,
            choices: BTreeMap::new(),
            done: BTreeSet::new(),
            choices_max: asked.unwrap_or(1).saturating_mul(texts),
        }
    }

    /// What may leave of a piece.
    ///
    /// # Errors
    /// 400 `withheld` if nothing may any more; 503 for what is no answer to the prompt.
    pub(super) fn push(&mut self, event: Event) -> Result<Vec<Event>, Rejection> {
        match event {
            Event::Text { choice, text } => {
                self.choice(choice)?;
                self.count(text.len())?;
                Ok(vec![Event::Text { choice, text }])
            }
            Event::Refusal { choice, text } => {
                self.choice(choice)?;
                self.count(text.len())?;
                Ok(vec![Event::Refusal { choice, text }])
            }
            Event::Call { choice, index, id, name, arguments } => {
                self.count(arguments.len())?;
                self.call(choice, index, name.as_deref())?;
                Ok(vec![Event::Call { choice, index, id, name, arguments }])
            }
            Event::Finish { choice, finish } => {
                self.choice(choice)?.ended = true;
                Ok(vec![Event::Finish { choice, finish }])
            }
            usage @ Event::Usage(_) => Ok(vec![usage]),
        }
    }

    /// The end of the answer. An answer whose choices have not all ended is none.
    ///
    /// # Errors
    /// 503 if it is cut off.
    pub(super) fn finish(&mut self) -> Result<Vec<Event>, Rejection> {
        if self.choices.is_empty() || self.choices.values().any(|choice| !choice.ended) {
            return Err(Rejection::unavailable("the upstream's answer is cut off"));
        }
        Ok(Vec::new())
    }

    /// What was done to the answer.
    pub(super) fn done(&self) -> Vec<Token> {
        self.done.iter().map(|code| Token::of(code)).collect()
    }

    fn choice(&mut self, number: u32) -> Result<&mut Choice, Rejection> {
        if number >= self.choices_max || (number as usize) >= CHOICES_MAX {
            return Err(Rejection::unavailable("the upstream answers more than it was asked"));
        }
        let choice = self.choices.entry(number).or_default();
        if choice.ended {
            return Err(Rejection::unavailable("the upstream goes on after the end"));
        }
        Ok(choice)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| Rejection::unavailable("the upstream's answer is longer than the route allows"))?;
        Ok(())
    }

    /// A call must be of a function that the caller has, named when the call begins.
    fn call(&mut self, choice: u32, index: u32, name: Option<&str>) -> Result<(), Rejection> {
        let known = name.map(|name| self.tools.contains(name));
        let calls = &mut self.choice(choice)?.calls;
        let begins = !calls.contains(&index);
        match (begins, known) {
            (true, Some(true)) if calls.len() < CALLS_MAX => drop(calls.insert(index)),
            (false, None) => {}
            _ => {
                self.done.insert("tool-call");
                return Err(Code::Withheld.into());
            }
        }
        Ok(())
    }
}
