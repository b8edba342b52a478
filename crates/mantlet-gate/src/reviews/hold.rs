//! The step of door 1 between judging and sanitizing: what a person is to decide is taken out of the answer, and is
//! durable before the answer leaves.
//!
//! A row that should be held and cannot be, because its principal has too many waiting or it is too large, leaves as the
//! fallback: it is not answered, and the record says that nobody will look at it. If the queue fails, nothing is answered.

use std::sync::Arc;

use mantlet_types::{
    Contract, Rejection, ReviewId, Tensor,
    entry::Token,
    limits::{HELD_INLINE_ELEMENTS_MAX, REVIEW_BYTES_MAX},
};
use zeroize::Zeroizing;

use super::{Contents, Hold, Input, Item, Queue, Said, Status};
use crate::{
    Gate, infer,
    output::{Outcome, Rounding, RowAnswer, Value, Verdict},
    perimeter::Admission,
    record::Record,
};

/// A verdict of which whatever a person is to decide is in the queue: the proof that holding took place.
pub struct Settled(Verdict);

impl Settled {
    pub(crate) fn verdict(&self) -> &Verdict {
        &self.0
    }

    pub(crate) fn into_verdict(self) -> Verdict {
        self.0
    }
}

/// What was asked of a model whose answers may be held, until it is known whether they are.
pub(crate) struct Kept {
    tensors: Vec<Tensor>,
    hold: Hold,
}

/// Keeps what is asked, where the answer may be held. What a candidate says to its author is never held.
pub(crate) fn keep(admission: &Admission, tensors: &[Tensor]) -> Option<Kept> {
    let holds = &admission.principal().snapshot().settings.holds;
    let hold = *holds.get(&admission.model().contract().model)?;
    let held = hold != Hold::Never && !admission.permit().is_candidate();
    held.then(|| Kept { tensors: tensors.to_vec(), hold })
}

/// A row on its way into the queue, or an answer. Only this module and the one for answers make them.
pub struct Holding {
    pub(super) item: Item,
    pub(super) contents: Zeroizing<Vec<u8>>,
}

impl Holding {
    /// What is known of it, and what is inside: [`Contents`] in JSON, to be sealed.
    #[must_use]
    pub fn into_parts(self) -> (Item, Zeroizing<Vec<u8>>) {
        (self.item, self.contents)
    }
}

/// Holds those rows that a person is to decide.
///
/// # Errors
/// 503 if the queue does not take them.
pub(crate) async fn hold(
    gate: &Gate,
    mut verdict: Verdict,
    record: &mut Record,
) -> Result<Settled, Rejection> {
    let Some((kept, guesses)) = verdict.take_kept() else { return Ok(Settled(verdict)) };
    let pending_max = verdict.admission().principal().snapshot().settings.reviews_pending;
    let choice = Choice {
        reviews: Arc::clone(gate.reviews()),
        room: gate.reviews.room(verdict.admission().principal().id(), pending_max),
        contract: Arc::clone(verdict.admission().model().contract()),
        kept,
        guesses,
    };
    let (mut verdict, chosen) = if choice.elements() <= HELD_INLINE_ELEMENTS_MAX {
        let chosen = choice.make(verdict.rows());
        (verdict, chosen)
    } else {
        let place = Arc::clone(verdict.admission().place());
        let work = move || {
            let chosen = choice.make(verdict.rows());
            Ok((verdict, chosen))
        };
        infer::work(gate, &place, work).await?
    };
    let Chosen { mut withheld, contents } = chosen;
    if withheld.is_empty() {
        return Ok(Settled(verdict));
    }
    let rows: Vec<usize> = contents.iter().map(|(row, _)| *row).collect();
    let holdings = holdings(gate, &verdict, contents, record);
    let taken = match holdings.is_empty() {
        true => 0,
        false => {
            let failed = |fault: crate::ports::StoreFault| Rejection::unavailable(fault.to_string());
            gate.reviews.hold(holdings, pending_max).await.map_err(failed)?
        }
    };
    let held = rows.get(..taken).unwrap_or(&rows);
    for (row, outcome) in &mut withheld {
        if held.contains(row) {
            *outcome = Outcome::Review;
        }
    }
    remark(record, held.len(), withheld.len() - held.len());
    verdict.withhold(&withheld, record);
    Ok(Settled(verdict))
}

/// What it takes to choose the rows that are held: written out as JSON, so that a large batch is work for the pool.
struct Choice {
    reviews: Arc<dyn Queue>,
    /// How many more rows of the principal fit.
    room: usize,
    contract: Arc<Contract>,
    kept: Kept,
    guesses: Vec<Option<Value>>,
}

/// The rows that do not leave as the model answered them, and what is sealed of those that a person gets to see.
struct Chosen {
    withheld: Vec<(usize, Outcome)>,
    contents: Vec<(usize, Zeroizing<Vec<u8>>)>,
}

impl Choice {
    fn elements(&self) -> usize {
        self.kept.tensors.iter().map(|tensor| tensor.data.len()).fold(0, usize::saturating_add)
    }

    fn make(&self, answers: &[RowAnswer]) -> Chosen {
        let Self { reviews, contract, kept, guesses, .. } = self;
        let mut room = self.room;
        let mut chosen = Chosen { withheld: Vec::new(), contents: Vec::new() };
        for (index, answer) in answers.iter().enumerate() {
            let wanted = match kept.hold {
                Hold::Never => false,
                Hold::Always => true,
                Hold::BelowThreshold => !answer.is_served(),
                Hold::Sampled(share) => reviews.draw(&drawn(contract, kept, index)) < share,
            };
            if !wanted {
                continue;
            }
            chosen.withheld.push((index, Outcome::Fallback));
            if room == 0 {
                continue;
            }
            let Some(contents) = contents(contract, kept, guesses, index, answer) else { continue };
            room -= 1;
            chosen.contents.push((index, contents));
        }
        chosen
    }
}

/// The chosen rows as items of the queue; none for what is no request, which nobody could come back to.
fn holdings(
    gate: &Gate,
    verdict: &Verdict,
    contents: Vec<(usize, Zeroizing<Vec<u8>>)>,
    record: &Record,
) -> Vec<Holding> {
    let Some(request_id) = record.request_id() else { return Vec::new() };
    let admission = verdict.admission();
    let (principal, contract) = (admission.principal(), admission.model().contract());
    let now = gate.now();
    let ends = now.plus_seconds(i64::from(principal.snapshot().settings.review_days) * 86_400);
    let holding = |(index, contents)| {
        let item = Item {
            id: ReviewId::new(gate.request_id()),
            project: contract.project.clone(),
            model: Some(contract.model.clone()),
            version: Some(contract.version),
            digest: Some(contract.digest),
            route: None,
            request_id,
            row: u32::try_from(index).unwrap_or(u32::MAX), // rows are bounded far below
            requester: principal.id().clone(),
            held: now,
            ends,
            status: Status::Pending,
            assigned_to: None,
            decided_by: None,
            decided: None,
        };
        Holding { item, contents }
    };
    contents.into_iter().map(holding).collect()
}

/// What is sealed of a row; `None` if that is more than is kept of one.
fn contents(
    contract: &Contract,
    kept: &Kept,
    guesses: &[Option<Value>],
    row: usize,
    answer: &RowAnswer,
) -> Option<Zeroizing<Vec<u8>>> {
    // An element takes two bytes at least: what cannot fit is not even written.
    let elements = |tensor: &Tensor| {
        tensor.data.len().checked_div(tensor.shape.first().copied().unwrap_or(0)).unwrap_or(0)
    };
    if kept.tensors.iter().map(elements).fold(0, usize::saturating_add) > REVIEW_BYTES_MAX / 2 {
        return None;
    }
    let rounding = Rounding::to(contract.disclosure.decimals);
    let contents = Contents {
        input: Input::of(contract, &kept.tensors, row),
        // What is upheld is told to whoever asked, and as finely as any answer.
        guess: guesses.get(row).and_then(Option::as_ref).and_then(Said::of).map(|guess| match guess {
            Said::Number(number) => Said::Number(rounding.round(number)),
            label @ Said::Label(_) => label,
        }),
        confidence: answer.confidence,
        answer: None,
    };
    let bytes = Zeroizing::new(serde_json::to_vec(&contents).ok()?);
    (bytes.len() <= REVIEW_BYTES_MAX).then_some(bytes)
}

/// What the lot of a row depends on: the model and the row, and nothing that changes when it is asked again.
fn drawn(contract: &Contract, kept: &Kept, row: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(contract.model.as_str().as_bytes().to_vec());
    bytes.push(0); // no model's name has one
    let input = serde_json::to_vec(&Input::of(contract, &kept.tensors, row));
    bytes.extend_from_slice(&Zeroizing::new(input.unwrap_or_default()));
    bytes
}

/// What the entry says: how many rows wait for a person, and how many should have but do not.
fn remark(record: &mut Record, held: usize, not_held: usize) {
    let screen = &mut record.entry().screen;
    for (name, count) in [("held", held), ("not_held", not_held)] {
        if count > 0 {
            screen.push(Token::of(&format!("{name}:{count}")));
        }
    }
    if not_held > 0 {
        tracing::warn!(rows = not_held, "rows should wait for a person, and there is no room for them");
    }
}
