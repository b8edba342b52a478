//! Validation: rows become tensors in the contract's order and of its types, or the request ends.

use mantlet_types::{Rejection, question::Question};

use super::Valid;
use crate::{mediate::Payload, perimeter::Admission, record::Record};

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
    let contract = std::sync::Arc::clone(admission.model().contract());
    let question: Question = payload.read(&contract).await?;
    record.entry().input_length = u64::try_from(question.body_bytes).ok();
    admission.charge(0)?;
    Err(Rejection::invalid("inputs"))
}
