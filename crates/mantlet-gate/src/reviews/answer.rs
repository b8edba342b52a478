//! Holding answers of language models: whole, before any of them leaves. What was asked and what the model answered go into
//! the queue, durably; the caller is told that a person will look at it, and comes back for it by the request's id.
//!
//! An answer that should be held and cannot be, because its principal has too many waiting or it is too large, is withheld.

use mantlet_types::{Code, Rejection, RequestId, ReviewId, entry::Token, limits::REVIEW_BYTES_MAX};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::{Contents, Holding, Input, Item, Status};
use crate::{
    Gate,
    perimeter::RouteAdmission,
    record::Record,
    routes::{
        Completion, Judged,
        answer::{Choice, Usage},
        rules::HoldAnswers,
    },
};

/// What a language model answered, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldAnswer {
    /// The model, as the configuration calls it.
    pub model: Token,
    /// What it answered: alternatives, as they may leave.
    pub choices: Vec<Choice>,
    /// What that took.
    pub usage: Usage,
}

impl HeldAnswer {
    /// The same with what a person says in its place.
    pub(super) fn replaced(self, text: String) -> Self {
        let choices =
            vec![Choice { text, finish: Some(crate::routes::answer::Finish::Stop), ..Choice::default() }];
        Self { choices, ..self }
    }
}

/// Holds an answer, if a person is to look at it first.
///
/// # Errors
/// 403 `held_for_review` if it is held; 400 if it should be and cannot; 503 if the queue does not take it.
pub(crate) async fn hold_answer(
    gate: &Gate,
    judged: Judged,
    record: &mut Record,
) -> Result<Completion, Rejection> {
    let Some(asked) = judged.asked() else { return Ok(judged.released()) };
    let admission = judged.admission();
    let hold = admission.permit().route().rules.hold;
    let lot = || gate.reviews.draw(&drawn(admission, asked));
    let wanted = match hold {
        HoldAnswers::Never => false,
        HoldAnswers::Flagged => is_flagged(record),
        HoldAnswers::Sampled(share) => lot() < share,
        HoldAnswers::Always => true,
    };
    if !wanted {
        return Ok(judged.released());
    }
    let snapshot = admission.permit().principal().snapshot();
    let pending_max = snapshot.settings.reviews_pending;
    let holding = record.request_id().zip(contents(&judged, asked));
    let held = match holding {
        Some((request_id, contents)) => {
            let holding = Holding { item: item(gate, admission, request_id), contents };
            let failed = |fault: crate::ports::StoreFault| Rejection::unavailable(fault.to_string());
            gate.reviews.hold(vec![holding], pending_max).await.map_err(failed)?
        }
        None => 0,
    };
    let remark = if held > 0 { "held:1" } else { "not_held:1" };
    record.entry().screen.push(Token::of(remark));
    if held == 0 {
        tracing::warn!("an answer should wait for a person, and there is no room for it");
        return Err(Code::Withheld.into());
    }
    Err(Code::Held.into())
}

/// Whether the guard has found anything in the prompt, or anything was done to the answer.
fn is_flagged(record: &mut Record) -> bool {
    let entry = record.entry();
    entry.guard.as_ref().is_some_and(|verdict| verdict.as_str() != "clean") || !entry.sanitized.is_empty()
}

/// What the lot of an answer depends on: the route and what was asked, so that asking again is no way around.
fn drawn(admission: &RouteAdmission, asked: &Json) -> Zeroizing<Vec<u8>> {
    let route = admission.permit().route().name.as_str();
    Zeroizing::new([route.as_bytes(), b"\0", asked.to_string().as_bytes()].concat())
}

/// What is sealed; `None` if that is more than is kept.
fn contents(judged: &Judged, asked: &Json) -> Option<Zeroizing<Vec<u8>>> {
    let answer = HeldAnswer {
        model: judged.admission().permit().model().clone(),
        choices: judged.choices().to_vec(),
        usage: judged.usage(),
    };
    let contents =
        Contents { input: Input::Prompt(asked.clone()), guess: None, confidence: None, answer: Some(answer) };
    let bytes = Zeroizing::new(serde_json::to_vec(&contents).ok()?);
    (bytes.len() <= REVIEW_BYTES_MAX).then_some(bytes)
}

fn item(gate: &Gate, admission: &RouteAdmission, request_id: RequestId) -> Item {
    let (permit, now) = (admission.permit(), gate.now());
    let days = permit.principal().snapshot().settings.review_days;
    Item {
        id: ReviewId::new(gate.request_id()),
        project: permit.route().project.clone(),
        model: None,
        version: None,
        digest: None,
        route: Some(permit.route().name.clone()),
        request_id,
        row: 0,
        requester: permit.principal().id().clone(),
        held: now,
        ends: now.plus_seconds(i64::from(days) * 86_400),
        status: Status::Pending,
        assigned_to: None,
        decided_by: None,
        decided: None,
    }
}
