//! The end of a comparison: both versions' answers are judged, each by its own contract, and held against each other.

use std::sync::Arc;

use mantlet_types::{Contract, Rejection, entry::Token};

use super::mark::{scored, sha256};
use crate::{
    Gate,
    infer::{self, Answered, PairSitting},
    mediate::{COMPARISON, Compared, Comparing, Side},
    perimeter::PairAdmission,
    record::Record,
};

/// A judged comparison: the proof that each contract's confidence rule was applied to every row.
pub(crate) struct JudgedPair<C> {
    admission: PairAdmission,
    live: Side,
    beside: Side,
    comparing: C,
}

/// Applies each contract's confidence rule to every row.
///
/// # Errors
/// 503 if outputs are not what a rule speaks of.
pub(crate) fn judge_pair<C>(sitting: PairSitting<C>) -> Result<JudgedPair<C>, Rejection> {
    let PairSitting { admission, live, beside, comparing } = sitting;
    let live = side(admission.admission.model().contract(), live)?;
    let beside = side(admission.beside.contract(), beside)?;
    Ok(JudgedPair { admission, live, beside, comparing })
}

fn side(contract: &Arc<Contract>, answered: Answered) -> Result<Side, Rejection> {
    let Answered { asked, batches, us_per_row } = answered;
    let scores = scored(contract, asked, batches)?;
    Ok(Side { contract: Arc::clone(contract), scores, us_per_row })
}

/// Has the answers compared, in the pool, and writes down what of the document can be told: its digest.
///
/// # Errors
/// As [`Comparing::compare`].
pub(crate) async fn compare<C: Comparing>(
    gate: &Gate,
    judged: JudgedPair<C>,
    record: &mut Record,
) -> Result<Compared, Rejection> {
    let JudgedPair { admission, live, beside, comparing } = judged;
    let admission = admission.admission;
    let work = move || {
        let document = comparing.compare(live, beside)?;
        let digest = sha256(document.as_bytes())?;
        Ok((document, digest))
    };
    let (document, digest) = infer::work(gate, admission.place(), work).await?;
    record.entry().subject = Some(Token::of(&format!("{COMPARISON}{digest}")));
    Ok(Compared { document, digest, standing: admission.standing() })
}
