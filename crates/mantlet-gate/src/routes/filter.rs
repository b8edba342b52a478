//! What leaves of an answer, piece by piece: each text of each choice has a stream of the guard's of its own, and whatever
//! pieces an answer comes in, the same leaves. Arguments of calls leave when their choice ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mantlet_guard::output::{Stopped, Stream};
use mantlet_types::{Code, Rejection, entry::Token};

use super::{
    Event,
    arguments::{Arguments, CALL, note},
    ask::Forwarded,
    prompt::Task,
    rules::{Checks, Rules},
};

/// Choices that are told apart, over what any route allows: whatever an upstream numbers beyond is no answer.
pub(super) const CHOICES_MAX: u32 = 128;

/// Calls of one choice.
const CALLS_MAX: usize = 128;

/// Bytes of a call's id, several times what any server has.
const ID_BYTES_MAX: usize = 256;

/// The filter of one answer.
pub(super) struct Filter {
    checks: Checks,
    /// Functions that the model may ask for.
    tools: BTreeSet<String>,
    /// Bytes that may still come.
    left: usize,
    choices: BTreeMap<u32, Choice>,
    choices_max: u32,
    /// Whether the protocol tells refusals from texts. Where it does not, both are read as one text, and judged as one.
    refuses: bool,
    /// What was done, by its codes.
    done: BTreeSet<&'static str>,
}

/// One choice under way.
#[derive(Default)]
struct Choice {
    text: Option<Stream>,
    refusal: Option<Stream>,
    /// Arguments of the calls that have begun, held until the choice ends.
    calls: BTreeMap<u32, String>,
    ended: bool,
}

impl Filter {
    /// For the answer to a prompt.
    ///
    /// # Errors
    /// 503 if the route's rules cannot be kept.
    pub(super) fn new(rules: &Rules, forwarded: &Forwarded) -> Result<Self, Rejection> {
        let prompt = forwarded.prompt();
        let asked =
            prompt.option("n").and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let texts = match &prompt.task {
            Task::Text { prompts, .. } => u32::try_from(prompts.len()).unwrap_or(u32::MAX),
            Task::Chat(_) | Task::Embed(_) => 1,
        };
        let checks = rules.output.checks(forwarded.system());
        Ok(Self {
            checks: checks.map_err(|error| Rejection::unavailable(error.to_string()))?,
            tools: prompt.tools.iter().map(|tool| tool.name.clone()).collect(),
            left: rules.answer_bytes_max,
            choices: BTreeMap::new(),
            choices_max: asked.unwrap_or(1).saturating_mul(texts).min(CHOICES_MAX),
            refuses: !matches!(prompt.task, Task::Text { .. }),
            done: BTreeSet::new(),
        })
    }

    /// What may leave of a piece.
    ///
    /// # Errors
    /// 400 `withheld` if nothing may any more; 503 for what is no answer to the prompt.
    pub(super) fn push(&mut self, event: Event) -> Result<Vec<Event>, Rejection> {
        let rules = Arc::clone(&self.checks.text);
        let new = || Stream::new(rules);
        let event = match event {
            Event::Refusal { choice, text } if !self.refuses => Event::Text { choice, text },
            event => event,
        };
        match event {
            Event::Text { choice, text } => {
                self.count(text.len())?;
                let said = self.choice(choice)?.text.get_or_insert_with(new).push(&text);
                let text = self.passed(said)?;
                Ok(text.map(|text| Event::Text { choice, text }).into_iter().collect())
            }
            Event::Refusal { choice, text } => {
                self.count(text.len())?;
                let said = self.choice(choice)?.refusal.get_or_insert_with(new).push(&text);
                let text = self.passed(said)?;
                Ok(text.map(|text| Event::Refusal { choice, text }).into_iter().collect())
            }
            Event::Call { choice, index, id, name, arguments } => {
                self.count(arguments.len())?;
                let begins = self.call(choice, index, id.as_deref(), name.as_deref())?;
                self.choice(choice)?.calls.entry(index).or_default().push_str(&arguments);
                let call = Event::Call { choice, index, id, name, arguments: String::new() };
                Ok(begins.then_some(call).into_iter().collect())
            }
            Event::Finish { choice, finish } => {
                let mut events = self.flush(choice)?;
                events.push(Event::Finish { choice, finish });
                Ok(events)
            }
            usage @ Event::Usage(_) => Ok(vec![usage]),
        }
    }

    /// The end of the answer. An answer whose choices have not all ended is none.
    ///
    /// # Errors
    /// 503 if it is cut off.
    pub(super) fn finish(&mut self) -> Result<(), Rejection> {
        if self.choices.is_empty() || self.choices.values().any(|choice| !choice.ended) {
            return Err(Rejection::unavailable("the upstream's answer is cut off"));
        }
        Ok(())
    }

    /// What was done to the answer.
    pub(super) fn done(&self) -> Vec<Token> {
        self.done.iter().map(|code| Token::of(code)).collect()
    }

    /// The end of a choice: what was held back of its texts.
    fn flush(&mut self, number: u32) -> Result<Vec<Event>, Rejection> {
        let choice = self.choice(number)?;
        choice.ended = true;
        let (text, refusal) = (choice.text.take(), choice.refusal.take());
        let calls = std::mem::take(&mut choice.calls);
        let mut events = Vec::new();
        if let Some(text) = self.ended(text)? {
            events.push(Event::Text { choice: number, text });
        }
        if let Some(text) = self.ended(refusal)? {
            events.push(Event::Refusal { choice: number, text });
        }
        for (index, arguments) in calls {
            let judged = Arguments { checks: &self.checks, done: &mut self.done }.judge(arguments);
            let arguments = judged.map_err(|code| self.withheld(code))?;
            if !arguments.is_empty() {
                events.push(Event::Call { choice: number, index, id: None, name: None, arguments });
            }
        }
        Ok(events)
    }

    fn ended(&mut self, stream: Option<Stream>) -> Result<Option<String>, Rejection> {
        let Some(stream) = stream else { return Ok(None) };
        match stream.finish() {
            Ok((rest, summary)) => {
                note(&summary, &mut self.done);
                Ok(Some(rest).filter(|rest| !rest.is_empty()))
            }
            Err(stopped) => Err(self.stopped(stopped)),
        }
    }

    /// A text that may leave, if any of it may yet.
    fn passed(&mut self, said: Result<String, Stopped>) -> Result<Option<String>, Rejection> {
        match said {
            Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Err(stopped) => Err(self.stopped(stopped)),
        }
    }

    fn stopped(&mut self, stopped: Stopped) -> Rejection {
        self.withheld(stopped.code)
    }

    fn withheld(&mut self, code: &'static str) -> Rejection {
        self.done.insert(code);
        Code::Withheld.into()
    }

    fn choice(&mut self, number: u32) -> Result<&mut Choice, Rejection> {
        if number >= self.choices_max {
            return Err(Rejection::unavailable("the upstream answers more than it was asked"));
        }
        let choice = self.choices.entry(number).or_default();
        if choice.ended {
            return Err(Rejection::unavailable("the upstream goes on after the end"));
        }
        Ok(choice)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Rejection> {
        let left = self.left.checked_sub(bytes);
        self.left = left
            .ok_or_else(|| Rejection::unavailable("the upstream's answer is longer than the route allows"))?;
        Ok(())
    }

    /// Whether a call begins. It must be of a function that the caller has, and named when it begins.
    fn call(
        &mut self,
        choice: u32,
        index: u32,
        id: Option<&str>,
        name: Option<&str>,
    ) -> Result<bool, Rejection> {
        let known = name.map(|name| self.tools.contains(name));
        let calls = &self.choice(choice)?.calls;
        let begins = match (calls.contains_key(&index), known) {
            (false, Some(true)) if calls.len() < CALLS_MAX => true,
            (true, None) => return Ok(false),
            _ => return Err(self.withheld(CALL)),
        };
        // An id is the upstream's word too, and leaves as it is.
        let id = id.unwrap_or_default();
        // Callers send it back, and may do so in these characters alone.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':');
        if id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
            return Err(self.withheld(CALL));
        }
        let leaks = Arguments { checks: &self.checks, done: &mut self.done }.leaks(id);
        leaks.map_err(|code| self.withheld(code))?;
        Ok(begins)
    }
}
