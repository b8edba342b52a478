//! What an answer takes while it comes: what the upstream says of it, and where it says nothing, what is counted here of
//! everything that came, whether or not it may leave.

use super::{Event, answer::Usage};
use crate::budget::{CALL_TOKENS, Counter, Reservation, Tokens};

/// The charge for one answer.
pub(super) struct Charge {
    reservation: Reservation,
    /// What the upstream has said.
    told: Option<Usage>,
    /// What has come since it said so.
    since: Counter,
    /// Tokens of texts that have ended, since then.
    ended: u64,
    /// Whose text is being counted.
    choice: Option<u32>,
}

impl Charge {
    /// For the answer to a prompt that somebody has taken.
    pub(super) fn new(reservation: &Reservation) -> Self {
        let reservation = reservation.clone();
        Self { reservation, told: None, since: Counter::default(), ended: 0, choice: None }
    }

    /// A piece has come.
    pub(super) fn came(&mut self, event: &Event) {
        match event {
            Event::Text { choice, text } | Event::Refusal { choice, text } => self.text(*choice, text),
            Event::Call { choice, name, arguments, .. } => {
                self.text(*choice, arguments);
                if let Some(name) = name {
                    self.text(*choice, name);
                    self.ended = self.ended.saturating_add(CALL_TOKENS);
                }
            }
            Event::Finish { .. } => return,
            Event::Usage(usage) => {
                let (counted, Usage { input, output }) = (self.counted(), *usage);
                if !self.reservation.is_plausible(Tokens { input, output }) {
                    tracing::warn!(
                        input,
                        output,
                        "an upstream says of an answer that it took what it cannot have"
                    );
                    return;
                }
                // Who says that an answer took nothing has not counted it.
                let heard = |told: u64, counted: u64| if told == 0 { counted } else { told };
                let output = heard(usage.output, counted.output);
                self.told = Some(Usage { input: heard(usage.input, counted.input), output });
                (self.since, self.ended, self.choice) = (Counter::default(), 0, None);
            }
        }
        self.reservation.used(self.counted());
    }

    /// It has ended before it was whole. Unless somebody has said what it took, more of it may have been made than came here,
    /// so that at least what was reserved is charged: otherwise who hangs up in time would have a model think for nothing.
    pub(super) fn cut_off(&mut self) {
        if self.told.is_none() {
            let (counted, estimate) = (self.counted(), self.reservation.estimate());
            let (input, output) = (counted.input.max(estimate.input), counted.output.max(estimate.output));
            self.reservation.used(Tokens { input, output });
        }
    }

    /// What it took, for whoever asked.
    pub(super) fn usage(&self) -> Usage {
        let Tokens { input, output } = self.counted();
        Usage { input, output }
    }

    fn text(&mut self, choice: u32, text: &str) {
        if self.choice.replace(choice) != Some(choice) {
            self.ended = self.ended.saturating_add(std::mem::take(&mut self.since).tokens());
        }
        self.since.push(text);
    }

    fn counted(&self) -> Tokens {
        let since = self.ended.saturating_add(self.since.tokens());
        match self.told {
            Some(told) => Tokens { input: told.input, output: told.output.saturating_add(since) },
            None => Tokens { input: self.reservation.estimate().input, output: since },
        }
    }
}
