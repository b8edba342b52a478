//! What a model guessed, row by row, beside what the judge would have let through: what an evaluation is made from.
//!
//! A guess that is withheld in service is still right or wrong, and an evaluation is how one finds out. So these are the
//! model's numbers before anything is withheld, rounded or cut, as doubles. They never leave the gate row by row.

use mantlet_types::{
    Contract, Tensor,
    contract::{Confidence, Label, Task},
};

use super::{
    Value, confidence,
    judge::{self, Unjudgeable},
};

/// A model's guesses and their judgment, one of each per row.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Which of the rows given each of these is about; rows that the contract refuses have no score.
    pub rows: Vec<usize>,
    /// A number for each of these: the same for rows that are the same question to the model.
    pub alike: Vec<u32>,
    /// How many rows the contract refused.
    pub refused: usize,
    /// The guesses.
    pub guesses: Guesses,
    /// Confidence as callers are told it, 0 to 1; `None` where the package has none.
    pub confidence: Vec<Option<f64>>,
    /// Whether the guess would be served at the model's threshold.
    pub served: Vec<bool>,
}

/// What a model guessed.
#[derive(Clone, Debug, PartialEq)]
pub enum Guesses {
    /// A class per row.
    Classes {
        /// As the model gives them, row-major, one per row and class.
        probabilities: Vec<f64>,
        /// Whether they are distributions over the classes; scores of other kinds only order the rows.
        are_probabilities: bool,
        /// Index of the class that is the answer.
        said: Vec<usize>,
    },
    /// A number per row.
    Numbers {
        /// The values.
        values: Vec<f64>,
        /// Half the width of the conformal interval around each, if the package has one.
        half_width: Option<f64>,
    },
}

impl Scores {
    /// No rows yet, of a contract's task; `None` for outputs without a stated meaning.
    #[must_use]
    pub fn new(contract: &Contract) -> Option<Self> {
        let guesses = match &contract.task {
            Task::Classify { .. } => {
                Guesses::Classes { probabilities: Vec::new(), are_probabilities: true, said: Vec::new() }
            }
            Task::Regress { .. } => {
                let half_width = match contract.judgment.confidence {
                    Confidence::Interval { half_width, .. } => Some(half_width),
                    Confidence::Probability { .. } | Confidence::None => None,
                };
                Guesses::Numbers { values: Vec::new(), half_width }
            }
            Task::Opaque => return None,
        };
        let (confidence, served) = (Vec::new(), Vec::new());
        Some(Self { rows: Vec::new(), alike: Vec::new(), refused: 0, guesses, confidence, served })
    }

    /// Adds what the model gave for a batch of so many rows.
    ///
    /// # Errors
    /// As [`judge::decide`]: what cannot be judged in service cannot be evaluated either.
    pub fn add(
        &mut self,
        contract: &Contract,
        rows: usize,
        mut outputs: Vec<Tensor>,
    ) -> Result<(), Unjudgeable> {
        self.guess(contract, rows, &outputs)?;
        for answer in judge::decide(contract, rows, &mut outputs)? {
            self.served.push(answer.is_served());
            self.confidence.push(answer.confidence);
        }
        Ok(())
    }

    fn guess(&mut self, contract: &Contract, rows: usize, outputs: &[Tensor]) -> Result<(), Unjudgeable> {
        match (&mut self.guesses, &contract.task) {
            (
                Guesses::Classes { probabilities, are_probabilities, said },
                Task::Classify { probabilities: scores, label, labels },
            ) => {
                let scores = outputs.get(*scores).ok_or(Unjudgeable::Shape)?;
                let label = label.map(|label| outputs.get(label).ok_or(Unjudgeable::Shape)).transpose()?;
                if scores.shape != [rows, labels.len()] {
                    return Err(Unjudgeable::Shape);
                }
                let mut row = Vec::with_capacity(labels.len());
                for index in 0..rows {
                    judge::read_row(&scores.data, index, labels.len(), &mut row)?;
                    *are_probabilities &= confidence::is_distribution(&row);
                    said.push(class(&row, label, index, labels)?);
                    probabilities.extend_from_slice(&row);
                }
                Ok(())
            }
            (Guesses::Numbers { values, .. }, Task::Regress { value }) => {
                let value = outputs.get(*value).ok_or(Unjudgeable::Shape)?;
                if value.data.len() != rows {
                    return Err(Unjudgeable::Shape);
                }
                let mut row = Vec::with_capacity(1);
                for index in 0..rows {
                    judge::read_row(&value.data, index, 1, &mut row)?;
                    values.push(row.first().copied().ok_or(Unjudgeable::Shape)?);
                }
                Ok(())
            }
            _ => Err(Unjudgeable::Rule),
        }
    }
}

/// What the model says of each row, before anything is withheld; `None` for outputs without a stated meaning.
///
/// # Errors
/// As [`judge::decide`].
pub(super) fn guessed(
    contract: &Contract,
    rows: usize,
    outputs: &[Tensor],
) -> Result<Vec<Option<Value>>, Unjudgeable> {
    let Some(mut scores) = Scores::new(contract) else { return Ok(vec![None; rows]) };
    scores.guess(contract, rows, outputs)?;
    Ok(match (scores.guesses, &contract.task) {
        (Guesses::Classes { said, .. }, Task::Classify { labels, .. }) => {
            let label = |class: usize| labels.get(class).map(|label| Value::Label(label.text.clone()));
            said.into_iter().map(label).collect()
        }
        (Guesses::Classes { .. }, _) => return Err(Unjudgeable::Rule),
        (Guesses::Numbers { values, .. }, _) => {
            values.into_iter().map(|value| Some(Value::Number(value))).collect()
        }
    })
}

/// The class that is the answer: the model's own label where it has one, else that of the greatest score.
fn class(row: &[f64], label: Option<&Tensor>, index: usize, labels: &[Label]) -> Result<usize, Unjudgeable> {
    match label {
        Some(label) => judge::labeled(&label.data, index, labels).ok_or(Unjudgeable::Label),
        None => confidence::largest(row).map(|(class, _)| class).ok_or(Unjudgeable::Distribution),
    }
}
