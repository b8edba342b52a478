//! Output: an answer is given only if it is confident enough, and no more of it than the contract discloses.

mod confidence;
mod judge;
mod mark;
mod pair;
mod sanitize;
mod score;
mod withhold;

use std::sync::Arc;

use mantlet_types::{Contract, Tensor, quota::Standing};

pub(crate) use judge::judge;
pub use judge::{Unjudgeable, decide};
pub use mark::Marked;
pub(crate) use mark::{judge_exam, mark};
pub(crate) use pair::{compare, judge_pair};
pub(crate) use sanitize::Rounding;
pub(crate) use sanitize::sanitize;
pub use sanitize::shape;
pub use score::{Guesses, Scores};

use crate::{infer::Inference, perimeter::Admission, record::Record, reviews::Kept};

/// A judged inference: the proof that the confidence rule was applied.
pub struct Verdict {
    inference: Inference,
    rows: Vec<RowAnswer>,
    /// What the model said of each row, where that may have to be shown to a person; otherwise empty.
    guesses: Vec<Option<Value>>,
}

impl Verdict {
    /// The rows' answers.
    pub(crate) fn rows(&self) -> &[RowAnswer] {
        &self.rows
    }

    /// What was admitted.
    pub(crate) fn admission(&self) -> &Admission {
        &self.inference.admission
    }

    /// What was asked, with when it is to be held for a person and what the model said of each row; `None` where nothing
    /// is. Takes it out.
    pub(crate) fn take_kept(&mut self) -> Option<(Kept, Vec<Option<Value>>)> {
        Some((self.inference.kept.take()?, std::mem::take(&mut self.guesses)))
    }

    /// Puts the fallback in the place of these rows' answers, in all outputs, and has the record say no more of them than
    /// of others that are withheld.
    pub(crate) fn withhold(&mut self, withheld: &[(usize, Outcome)], record: &mut Record) {
        let contract = Arc::clone(self.admission().model().contract());
        for (index, outcome) in withheld {
            if let Some(row) = self.rows.get_mut(*index) {
                row.outcome = *outcome;
                row.result = Value::Label(Arc::clone(&contract.judgment.fallback.result));
                row.interval = None; // its middle is the guess
            }
        }
        withhold::withhold(&contract, &mut self.inference.raw.0, &self.rows);
        record.entry().output_class = judge::output_class(&contract, &self.rows);
    }

    /// The rows' answers, rounded as disclosed.
    pub(crate) fn into_rows(self) -> Vec<RowAnswer> {
        let rounding = Rounding::to(self.admission().model().contract().disclosure.decimals);
        let mut rows = self.rows;
        rows.iter_mut().for_each(|row| rounding.row(row));
        rows
    }
}

/// What a caller gets, in no particular protocol. Withheld rows carry the fallback everywhere.
#[derive(Debug)]
pub struct Answer {
    /// What answered.
    pub contract: Arc<Contract>,
    /// One per row.
    pub rows: Vec<RowAnswer>,
    /// The outputs asked for, in the contract's order (all, if none was named), rounded and cut as disclosed.
    pub outputs: Vec<Tensor>,
    /// Whether the version that answered is not live.
    pub candidate: bool,
    /// How the caller's limit stands.
    pub standing: Standing,
}

/// One row's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct RowAnswer {
    /// Whether the answer is given.
    pub outcome: Outcome,
    /// The answer, or the fallback.
    pub result: Value,
    /// Its confidence, 0 to 1; absent where the package says that it has none.
    pub confidence: Option<f64>,
    /// For a regression: the interval that the confidence speaks of.
    pub interval: Option<(f64, f64)>,
}

impl RowAnswer {
    /// Whether the answer is given, and not something in its stead.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.outcome == Outcome::Served
    }
}

/// Whether an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Served,
    /// The fallback stands in its place.
    Fallback,
    /// A person will decide.
    Review,
}

impl Outcome {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Fallback => "fallback",
            Self::Review => "review",
        }
    }
}

/// A row's result.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A class, or the fallback's text.
    Label(Arc<str>),
    /// A number.
    Number(f64),
    /// The outputs speak for themselves.
    Opaque,
}

#[cfg(test)]
mod tests;
