//! Validation: rows become tensors in the contract's order and of its types, or the request ends.
//!
//! What is wrong is said by one name: the contract's own, or a structural one where the caller made something up.
//! Nothing that a caller wrote is ever repeated.

use std::sync::Arc;

use mantlet_types::{
    Contract, Rejection, Tensor,
    limits::EVALUATIONS_MAX,
    question::{Question, Rows, Scalar},
};

use super::{Valid, tabular, tensors};
use crate::{mediate::Payload, perimeter::Admission, record::Record};

/// The rows of a request, where they carry features.
pub(super) const FEATURES: &str = "features";
/// The tensors of a request.
pub(super) const INPUTS: &str = "inputs";
/// The outputs asked for.
const OUTPUTS: &str = "outputs";
/// The options of a request.
const OPTIONS: &str = "options";
/// How many evaluations an explanation may take.
const EVALUATIONS: &str = "evaluations";

/// What a question comes to under a contract. Plain data: having one proves nothing to the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Number of rows, at least one.
    pub rows: usize,
    /// Names of the outputs asked for; empty means all.
    pub outputs: Vec<Arc<str>>,
    /// One tensor per input of the contract, in its order and of its types.
    pub tensors: Vec<Tensor>,
}

/// Reads, decodes and checks a request's body, and charges for the rows in it.
///
/// # Errors
/// 400 naming a field and nothing else; 413, 415, 408 for a body that did not arrive; 429 if the rows exceed the
/// limit.
pub(crate) async fn validate<P: Payload>(
    mut admission: Admission,
    payload: P,
    record: &mut Record,
) -> Result<Valid, Rejection> {
    let contract = Arc::clone(admission.model().contract());
    let question = payload.read(&contract).await?;
    record.entry().input_length = u64::try_from(question.body_bytes).ok();
    let Checked { rows, outputs, tensors } = check(&contract, question)?;
    record.entry().batch = u32::try_from(rows).ok();
    admission.charge(rows.saturating_sub(1))?; // the first row was charged before the body was read
    Ok(Valid { admission, rows, outputs, tensors })
}

/// Reads, decodes and checks the body of a request for one explanation: one row, and in the options how many
/// evaluations it may take.
///
/// # Errors
/// As [`validate`]; 400 also for more rows than one, since the work for each is that of a batch.
pub(crate) async fn validate_one<P: Payload>(
    admission: Admission,
    payload: P,
    record: &mut Record,
) -> Result<(Valid, Option<usize>), Rejection> {
    let contract = Arc::clone(admission.model().contract());
    let mut question = payload.read(&contract).await?;
    record.entry().input_length = u64::try_from(question.body_bytes).ok();
    let evaluations = take_evaluations(&mut question.options)?;
    let field = if matches!(question.rows, Rows::Tensors(_)) { INPUTS } else { FEATURES };
    let Checked { rows, outputs, tensors } = check(&contract, question)?;
    record.entry().batch = u32::try_from(rows).ok();
    if rows != 1 {
        return Err(Rejection::invalid(field));
    }
    Ok((Valid { admission, rows, outputs, tensors }, evaluations))
}

/// Takes the one option that is the gate's own where something is explained.
fn take_evaluations(options: &mut Vec<(Box<str>, Scalar)>) -> Result<Option<usize>, Rejection> {
    let Some(at) = options.iter().position(|(name, _)| **name == *EVALUATIONS) else { return Ok(None) };
    match options.swap_remove(at).1 {
        Scalar::Number(number)
            if number.fract() == 0.0 && (1.0..=EVALUATIONS_MAX as f64).contains(&number) =>
        {
            Ok(Some(number as usize)) // whole and in range
        }
        _ => Err(Rejection::invalid(EVALUATIONS)),
    }
}

/// Holds a question against a contract.
///
/// # Errors
/// 400 naming a field of the contract or a structural name, and nothing else; 503 if the contract contradicts
/// itself, because then it can check nothing.
pub fn check(contract: &Contract, question: Question) -> Result<Checked, Rejection> {
    check_options(contract, &question.options)?;
    check_outputs(contract, &question.outputs)?;
    let (rows, tensors) = match question.rows {
        Rows::Named(rows) => tabular::named(contract, &rows)?,
        Rows::Ordered(rows) => tabular::ordered(contract, &rows)?,
        Rows::Tensors(tensors) => tensors::arrange(contract, tensors)?,
    };
    Ok(Checked { rows, outputs: question.outputs, tensors })
}

/// Only what the contract lists, and nothing twice.
fn check_options(contract: &Contract, options: &[(Box<str>, Scalar)]) -> Result<(), Rejection> {
    let listed = |name: &str| contract.options.iter().any(|option| **option == *name);
    let fits = options.len() <= contract.options.len() && distinct(options, |(name, _)| name);
    let fits = fits && options.iter().all(|(name, _)| listed(name));
    if fits { Ok(()) } else { Err(Rejection::invalid(OPTIONS)) }
}

/// Only outputs that there are, and none twice.
fn check_outputs(contract: &Contract, outputs: &[Arc<str>]) -> Result<(), Rejection> {
    let exists = |name: &Arc<str>| contract.outputs.iter().any(|output| output.name == *name);
    let fits = outputs.len() <= contract.outputs.len() && distinct(outputs, |name| name);
    let fits = fits && outputs.iter().all(exists);
    if fits { Ok(()) } else { Err(Rejection::invalid(OUTPUTS)) }
}

/// Whether no name occurs twice. Quadratic, in a number that the contract bounds.
fn distinct<T>(items: &[T], name: impl Fn(&T) -> &str) -> bool {
    items
        .iter()
        .enumerate()
        .all(|(index, item)| items.iter().take(index).all(|other| name(other) != name(item)))
}

/// 1 to as many rows as the contract takes at once.
pub(super) fn checked_rows(
    contract: &Contract,
    rows: usize,
    field: &'static str,
) -> Result<usize, Rejection> {
    if (1..=contract.batch_rows_max).contains(&rows) { Ok(rows) } else { Err(Rejection::invalid(field)) }
}

/// The rejection for a contract that contradicts itself. The package's checks should not have let it pass.
pub(super) fn unusable() -> Rejection {
    Rejection::unavailable("the model's contract contradicts itself")
}
