//! The end of an evaluation: every batch is judged, and all of them together are marked.

use std::sync::Arc;

use mantlet_types::{Contract, Rejection, Sha256, entry::Token, quota::Standing};

use super::Scores;
use crate::{
    Gate,
    infer::{self, Asked, Sitting},
    mediate::Marking,
    perimeter::Admission,
    ports::RawOutput,
    record::Record,
    releases::attach::EVALUATION,
};

/// A judged evaluation: the proof that the confidence rule was applied to every row.
pub(crate) struct JudgedExam<M> {
    admission: Admission,
    scores: Scores,
    marking: M,
}

/// What a caller gets of an evaluation.
#[derive(Debug)]
pub struct Marked<R> {
    /// What answered.
    pub contract: Arc<Contract>,
    /// What is to be said of its answers.
    pub report: R,
    /// The same as the document that leaves.
    pub document: String,
    /// The document's SHA-256, which the entry names.
    pub digest: Sha256,
    /// Whether the version that answered is not live.
    pub candidate: bool,
    /// How the caller's limit of predictions stands.
    pub standing: Standing,
}

/// Applies the contract's confidence rule to every row.
///
/// # Errors
/// 503 if the outputs are not what the rule speaks of.
pub(crate) fn judge_exam<M>(sitting: Sitting<M>) -> Result<JudgedExam<M>, Rejection> {
    let Sitting { admission, asked, batches, marking } = sitting;
    let scores = scored(admission.model().contract(), asked, batches)?;
    Ok(JudgedExam { admission, scores, marking })
}

/// What a model guessed, batch by batch, beside what its contract's confidence rule makes of that.
pub(super) fn scored(
    contract: &Contract,
    Asked { rows, alike, refused }: Asked,
    batches: Vec<RawOutput>,
) -> Result<Scores, Rejection> {
    let unmarkable = || Rejection::unavailable("the model's outputs have no stated meaning");
    let mut scores = Scores { rows, alike, refused, ..Scores::new(contract).ok_or_else(unmarkable)? };
    for batch in batches {
        let count = batch.0.first().and_then(|tensor| tensor.shape.first()).copied().unwrap_or(0);
        let unjudgeable = |error: super::Unjudgeable| Rejection::unavailable(error.to_string());
        scores.add(contract, count, batch.0).map_err(unjudgeable)?;
    }
    Ok(scores)
}

/// Has the answers marked, in the pool: the statistics of many rows take as long as a model does. Writes down what of the
/// report can be told: its digest.
///
/// # Errors
/// As [`Marking::mark`].
pub(crate) async fn mark<M: Marking>(
    gate: &Gate,
    judged: JudgedExam<M>,
    record: &mut Record,
) -> Result<Marked<M::Report>, Rejection> {
    let JudgedExam { admission, scores, marking } = judged;
    let contract = Arc::clone(admission.model().contract());
    let own = Arc::clone(&contract);
    let (candidate, standing) = (admission.permit().is_candidate(), admission.standing());
    let work = move || {
        let report = marking.mark(&own, scores)?;
        let document = M::document(&report, candidate)?;
        let digest = sha256(document.as_bytes())?;
        Ok((report, document, digest))
    };
    let (report, document, digest) = infer::work(gate, admission.place(), work).await?;
    record.entry().subject = Some(Token::of(&format!("{EVALUATION}{digest}")));
    Ok(Marked { contract, report, document, digest, candidate, standing })
}

/// What an entry names a document by.
pub(super) fn sha256(bytes: &[u8]) -> Result<Sha256, Rejection> {
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let sum = <[u8; 32]>::try_from(sum.as_ref());
    sum.map(Sha256).map_err(|_| Rejection::unavailable("a digest of another length"))
}
