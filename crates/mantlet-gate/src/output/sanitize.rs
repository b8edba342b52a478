//! Sanitizing: what leaves is shaped by the contract's disclosure, after the decision.

use super::{Answer, Verdict};

/// Shapes what leaves.
pub(crate) fn sanitize(verdict: Verdict) -> Answer {
    let admission = verdict.inference.admission;
    Answer {
        contract: std::sync::Arc::clone(admission.model().contract()),
        rows: verdict.rows,
        outputs: verdict.inference.raw.0,
        candidate: admission.permit().is_candidate(),
        standing: admission.standing(),
    }
}
