//! The rows of an evaluation: held against the contract in batches, as if each were a request.
//!
//! A row that the contract refuses would be refused in service too, so it is counted and left out, and the others are
//! evaluated. Only where every row is refused is the evaluation: then it is the table that does not fit the model.

use std::sync::Arc;

use mantlet_types::{
    Code, Contract, Rejection, Tensor,
    contract::Task,
    limits::{ELEMENTS_MAX, EVALUATED_BATCH_ROWS, EVALUATED_ROWS_MAX},
    question::{Question, Rows, Scalar},
};

use super::{Checked, alike::Seen, check, screen::remarks};
use crate::{
    Gate,
    mediate::{Exam, Paper},
    perimeter::{self, Admission},
    record::Record,
};

/// Rows of an evaluation that a contract takes. Plain data: having them proves nothing to the gate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// Tensors of at most [`EVALUATED_BATCH_ROWS`] rows each, in the contract's input order.
    pub batches: Vec<Vec<Tensor>>,
    /// Which of the given rows each row of the batches is, through all batches.
    pub rows: Vec<usize>,
    /// A number for each of these: the same for rows that are the same question to the model.
    pub alike: Vec<u32>,
    /// How many rows the contract refuses.
    pub refused: usize,
}

/// A valid evaluation: the proof that validation took place.
pub(crate) struct ValidExam<M> {
    admission: Admission,
    taken: Taken,
    marking: M,
}

/// A valid evaluation that the screen has looked at.
pub(crate) struct ScreenedExam<M>(ValidExam<M>);

impl<M> ScreenedExam<M> {
    pub(crate) fn into_parts(self) -> (Admission, Taken, M) {
        let ValidExam { admission, taken, marking } = self.0;
        (admission, taken, marking)
    }
}

/// Reads, decodes and checks an evaluation's body, and charges for the rows in it.
///
/// # Errors
/// As for a question; 413 for more rows than one evaluation may have, or more rows times classes than are held at once.
pub(crate) async fn validate_exam<E: Exam>(
    gate: &Gate,
    admission: Admission,
    exam: E,
    record: &mut Record,
) -> Result<ValidExam<E::Marking>, Rejection> {
    let contract = Arc::clone(admission.model().contract());
    let Paper { rows, body_bytes, marking } = exam.read(&contract).await?;
    record.entry().input_length = u64::try_from(body_bytes).ok();
    record.entry().batch = u32::try_from(rows.len()).ok();
    perimeter::charge_evaluation(gate, &admission, rows.len())?;
    let taken = take(&contract, rows)?;
    Ok(ValidExam { admission, taken, marking })
}

/// Holds rows against a contract, batch by batch, and row by row where a batch does not fit.
///
/// # Errors
/// 413 for too many rows; the first row's rejection if all are refused; 400 for outputs without a stated meaning.
pub fn take(contract: &Contract, rows: Vec<Vec<Scalar>>) -> Result<Taken, Rejection> {
    let scores = match &contract.task {
        Task::Classify { labels, .. } => labels.len(),
        Task::Regress { .. } => 1,
        Task::Opaque => return Err(Rejection::argument("the model's outputs have no stated meaning")),
    };
    let held = rows.len().checked_mul(scores).is_some_and(|held| held <= ELEMENTS_MAX);
    if rows.len() > EVALUATED_ROWS_MAX || !held {
        return Err(Rejection::new(Code::TooLarge).detailed("more rows than one evaluation may have"));
    }
    let batch_rows = EVALUATED_BATCH_ROWS.min(contract.batch_rows_max).max(1);
    let (mut taken, mut seen) = (Taken::default(), Seen::default());
    let mut first = None;
    let mut rows = rows.into_iter().enumerate();
    loop {
        let batch: Vec<(usize, Vec<Scalar>)> = rows.by_ref().take(batch_rows).collect();
        if batch.is_empty() {
            break;
        }
        if let Err(rejection) = taken.add(contract, batch, &mut seen) {
            first.get_or_insert(rejection);
        }
    }
    match first {
        _ if !taken.rows.is_empty() => Ok(taken),
        Some(rejection) => Err(rejection),
        None => Err(Rejection::invalid("rows")),
    }
}

impl Taken {
    /// Adds a batch, or those of its rows that fit; gives the first rejection.
    fn add(
        &mut self,
        contract: &Contract,
        batch: Vec<(usize, Vec<Scalar>)>,
        seen: &mut Seen,
    ) -> Result<(), Rejection> {
        let (numbers, rows): (Vec<usize>, Vec<Vec<Scalar>>) = batch.into_iter().unzip();
        let rejection = match checked(contract, rows.clone()) {
            Ok(tensors) => {
                self.push(tensors, numbers, seen);
                return Ok(());
            }
            Err(rejection) => rejection,
        };
        if rejection.code != Code::InvalidInput {
            return Err(rejection);
        }
        let fits = |row: &Vec<Scalar>| checked(contract, vec![row.clone()]).is_ok();
        let (mut kept, mut kept_numbers) = (Vec::new(), Vec::new());
        for (number, row) in numbers.into_iter().zip(rows) {
            if fits(&row) {
                kept.push(row);
                kept_numbers.push(number);
            } else {
                self.refused += 1;
            }
        }
        if !kept.is_empty() {
            self.push(checked(contract, kept)?, kept_numbers, seen);
        }
        Err(rejection)
    }

    fn push(&mut self, tensors: Vec<Tensor>, numbers: Vec<usize>, seen: &mut Seen) {
        self.alike.extend(seen.number(&tensors, numbers.len()));
        self.batches.push(tensors);
        self.rows.extend(numbers);
    }
}

fn checked(contract: &Contract, rows: Vec<Vec<Scalar>>) -> Result<Vec<Tensor>, Rejection> {
    let question = Question { rows: Rows::Ordered(rows), ..Question::default() };
    check(contract, question).map(|Checked { tensors, .. }| tensors)
}

/// Looks at a valid evaluation.
pub(crate) fn screen_exam<M>(valid: ValidExam<M>, record: &mut Record) -> ScreenedExam<M> {
    remark(valid.admission.model().contract(), &valid.taken, record);
    ScreenedExam(valid)
}

/// Looks at rows: how many of their batches are odd in which feature would say little, so the remarks are those of all
/// rows, each once.
pub(super) fn remark(contract: &Contract, taken: &Taken, record: &mut Record) {
    for batch in &taken.batches {
        for remark in remarks(contract, batch) {
            let screen = &mut record.entry().screen;
            if screen.len() < REMARKS_MAX && !screen.contains(&remark) {
                screen.push(remark);
            }
        }
    }
}

/// Remarks in one entry: an entry is metadata, not a copy of the input's shape.
const REMARKS_MAX: usize = 16;
