//! The rows of a comparison: held against both contracts, each as for an evaluation.

use std::sync::Arc;

use mantlet_types::Rejection;

use super::exam::{Taken, remark, take};
use crate::{
    Gate,
    mediate::{Pairs, Trial},
    perimeter::{self, PairAdmission},
    record::Record,
};

/// A valid comparison: the proof that validation took place, by both contracts.
pub(crate) struct ValidPair<C> {
    admission: PairAdmission,
    live: Taken,
    beside: Taken,
    comparing: C,
}

/// A valid comparison that the screen has looked at.
pub(crate) struct ScreenedPair<C>(ValidPair<C>);

impl<C> ScreenedPair<C> {
    pub(crate) fn into_parts(self) -> (PairAdmission, Taken, Taken, C) {
        let ValidPair { admission, live, beside, comparing } = self.0;
        (admission, live, beside, comparing)
    }
}

/// Reads, decodes and checks a comparison's body, and charges for the rows in it: each is answered twice.
///
/// # Errors
/// As for an evaluation.
pub(crate) async fn validate_pair<T: Trial>(
    gate: &Gate,
    admission: PairAdmission,
    trial: T,
    record: &mut Record,
) -> Result<ValidPair<T::Comparing>, Rejection> {
    let live = Arc::clone(admission.admission.model().contract());
    let beside = Arc::clone(admission.beside.contract());
    let pairs = trial.read(&live, &beside).await?;
    let Pairs { live: live_rows, beside: beside_rows, body_bytes, comparing } = pairs;
    record.entry().input_length = u64::try_from(body_bytes).ok();
    record.entry().batch = u32::try_from(live_rows.len()).ok();
    let rows = live_rows.len().saturating_add(beside_rows.len());
    perimeter::charge_evaluation(gate, &admission.admission, rows)?;
    let (live, beside) = (take(&live, live_rows)?, take(&beside, beside_rows)?);
    Ok(ValidPair { admission, live, beside, comparing })
}

/// Looks at a valid comparison as at an evaluation, by the contract of the version that is tried.
pub(crate) fn screen_pair<C>(valid: ValidPair<C>, record: &mut Record) -> ScreenedPair<C> {
    remark(valid.admission.beside.contract(), &valid.beside, record);
    ScreenedPair(valid)
}
