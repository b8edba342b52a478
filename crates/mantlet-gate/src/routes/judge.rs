//! Whether an answer may leave, and what of it: by the same filter whether it comes whole or in pieces.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use mantlet_types::{Code, Rejection, Sha256};
use serde_json::Value;

use super::{
    Event,
    answer::{Answer, Choice, Usage, Vector},
    ask::Completing,
    charge::Charge,
    filter::Filter,
    prompt::{Call, Task},
};
use crate::{
    Gate,
    budget::{Reservation, Tokens},
    perimeter::RouteAdmission,
    record::Record,
};

/// An answer that may leave: the proof of judgment.
#[derive(Debug)]
pub struct Completion {
    answer: Answer,
}

impl Completion {
    /// The answer.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        self.answer
    }
}

/// A whole answer that may leave, unless a person is to look at it first. Only this module makes one.
pub(crate) struct Judged {
    admission: RouteAdmission,
    completion: Completion,
    asked: Option<Value>,
}

impl Judged {
    pub(crate) fn admission(&self) -> &RouteAdmission {
        &self.admission
    }

    /// What was asked, where a person may have to look at it.
    pub(crate) fn asked(&self) -> Option<&Value> {
        self.asked.as_ref()
    }

    pub(crate) fn choices(&self) -> &[Choice] {
        &self.completion.answer.choices
    }

    pub(crate) fn usage(&self) -> Usage {
        self.completion.answer.usage.unwrap_or_default()
    }

    /// What may leave now.
    pub(crate) fn released(self) -> Completion {
        self.completion
    }
}

impl Completion {
    /// The answer as the pieces that it could have come in, for whoever has asked for pieces.
    pub(crate) fn into_pieces(self) -> (Vec<Event>, Usage) {
        let usage = self.answer.usage.unwrap_or_default();
        (all_pieces(Answer { usage: None, ..self.answer }), usage)
    }
}

/// Judges a whole answer.
///
/// # Errors
/// 400 `withheld` if it must not leave; 503 for what is no answer to the prompt.
pub(crate) fn judge(gate: &Gate, completing: Completing, record: &mut Record) -> Result<Judged, Rejection> {
    let Completing { admission, forwarded, answer } = completing;
    let rules = &admission.permit().route().rules;
    if let Task::Embed(inputs) = &forwarded.prompt().task {
        // Vectors say nothing that a person could read.
        let completion = vectors(answer, inputs.len(), admission.reservation())?;
        return Ok(Judged { admission, completion, asked: None });
    }
    let mut filter = Filter::new(rules, &forwarded)?;
    let (mut tally, mut charge) = (Tally::new(), Charge::new(admission.reservation()));
    let events = all_pieces(answer);
    // All of it was made, whatever of it may leave.
    events.iter().for_each(|event| charge.came(event));
    let judged = filtered(&mut filter, &mut tally, events, charge.usage());
    record.entry().sanitized = filter.done();
    let answer = judged?;
    tally.tell(gate, record);
    let (completion, asked) = (Completion { answer }, forwarded.into_asked());
    Ok(Judged { admission, completion, asked })
}

/// Passes a whole answer through the filter that pieces pass through.
fn filtered(
    filter: &mut Filter,
    tally: &mut Tally,
    events: Vec<Event>,
    usage: Usage,
) -> Result<Answer, Rejection> {
    let mut whole = Whole::default();
    for event in events {
        for event in filter.push(event)? {
            tally.add(&event);
            whole.add(event);
        }
    }
    filter.finish()?;
    let choices = whole.choices.into_values().collect();
    Ok(Answer { choices, vectors: Vec::new(), usage: Some(usage) })
}

/// An answer as the pieces that it could have come in.
fn all_pieces(answer: Answer) -> Vec<Event> {
    let usage = answer.usage.map(Event::Usage);
    answer.choices.into_iter().flat_map(pieces).chain(usage).collect()
}

/// A choice as the pieces that it could have come in.
fn pieces(choice: Choice) -> Vec<Event> {
    let Choice { index, text, refusal, calls, finish } = choice;
    let mut events = Vec::with_capacity(3 + calls.len());
    if !text.is_empty() {
        events.push(Event::Text { choice: index, text });
    }
    events.extend(refusal.map(|text| Event::Refusal { choice: index, text }));
    events.extend(calls.into_iter().zip(0..).map(|(Call { id, name, arguments }, at)| Event::Call {
        choice: index,
        index: at,
        id: Some(id),
        name: Some(name),
        arguments,
    }));
    events.extend(finish.map(|finish| Event::Finish { choice: index, finish }));
    events
}

/// What the pieces that left make together.
#[derive(Default)]
struct Whole {
    choices: BTreeMap<u32, Choice>,
    /// Places of calls by choice and number.
    calls: BTreeMap<(u32, u32), usize>,
}

impl Whole {
    fn of(&mut self, index: u32) -> &mut Choice {
        self.choices.entry(index).or_insert_with(|| Choice { index, ..Choice::default() })
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Text { choice, text } => self.of(choice).text.push_str(&text),
            Event::Refusal { choice, text } => {
                self.of(choice).refusal.get_or_insert_default().push_str(&text);
            }
            Event::Call { choice, index, id, name, arguments } => {
                let next = self.of(choice).calls.len();
                let place = *self.calls.entry((choice, index)).or_insert(next);
                let calls = &mut self.of(choice).calls;
                match calls.get_mut(place) {
                    Some(call) => call.arguments.push_str(&arguments),
                    None => calls.push(Call {
                        id: id.unwrap_or_default(),
                        name: name.unwrap_or_default(),
                        arguments,
                    }),
                }
            }
            Event::Finish { choice, finish } => self.of(choice).finish = Some(finish),
            Event::Usage(_) => {}
        }
    }
}

/// Vectors say nothing in words; there must be as many as texts.
fn vectors(mut answer: Answer, asked: usize, reservation: &Reservation) -> Result<Completion, Rejection> {
    let plausible = |input: &u64| reservation.is_plausible(Tokens { input: *input, output: 0 });
    let told = answer.usage.map(|usage| usage.input).filter(|input| *input > 0).filter(plausible);
    let input = told.unwrap_or(reservation.estimate().input);
    reservation.used(Tokens { input, output: 0 });
    let sound = |vector: &Vector| match vector {
        Vector::Numbers(numbers) => !numbers.is_empty() && numbers.iter().all(|number| number.is_finite()),
        Vector::Base64(text) => !text.is_empty(),
    };
    if answer.vectors.len() != asked || !answer.vectors.iter().all(sound) {
        return Err(
            Rejection::new(Code::Unavailable).because("the upstream gives other vectors than were asked for")
        );
    }
    answer.usage = Some(Usage { input, output: 0 });
    Ok(Completion { answer })
}

/// The digest of what leaves of an answer.
pub(super) struct Tally {
    digest: digest::Context,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { digest: digest::Context::new(&digest::SHA256) }
    }

    /// Counts a piece that leaves.
    pub(super) fn add(&mut self, event: &Event) {
        let text = match event {
            Event::Text { text, .. } | Event::Refusal { text, .. } => text,
            Event::Call { arguments, .. } => arguments,
            Event::Finish { .. } | Event::Usage(_) => return,
        };
        self.digest.update(text.as_bytes());
    }

    /// Writes it down.
    pub(super) fn tell(self, gate: &Gate, record: &mut Record) {
        let mut plain = [0; 32];
        plain.iter_mut().zip(self.digest.finish().as_ref()).for_each(|(byte, digest)| *byte = *digest);
        record.entry().output_digest = gate.pseudonyms.as_ref().map(|names| names.digest(&Sha256(plain)));
    }
}
