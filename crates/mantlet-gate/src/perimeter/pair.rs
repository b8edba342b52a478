//! The limit of a comparison: that of the model, which both versions are versions of.

use std::sync::Arc;

use mantlet_types::Rejection;

use super::{Admission, limit};
use crate::{Gate, policy::PairPermit, ports::Model};

/// Leave to use a share of the model, by two of its versions.
pub(crate) struct PairAdmission {
    pub(crate) admission: Admission,
    pub(crate) beside: Arc<dyn Model>,
}

/// Charges one prediction, as for an evaluation; rows are charged once their number is known.
///
/// # Errors
/// As [`limit`].
pub(crate) fn limit_pair(gate: &Gate, pair: PairPermit) -> Result<PairAdmission, Rejection> {
    let (permit, beside) = pair.into_parts();
    Ok(PairAdmission { admission: limit(gate, permit)?, beside })
}
