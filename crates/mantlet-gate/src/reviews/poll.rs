//! Coming back for what was decided: by whoever asked, with the id of the request.

use std::sync::Arc;

use mantlet_types::{
    Action, Code, ModelName, Rejection, RequestId, Timestamp,
    entry::{Event, Token},
};
use serde::Serialize;

use super::{Decision, HeldAnswer, Opened, Queue, Said, Status};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    policy::Target,
};

/// Looks how the held rows of one's own request stand. To everybody else, reviewers included, there is no such request.
pub struct PollHeld {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// The model that was asked, or the route that was taken.
    pub model: ModelName,
    /// The request.
    pub request: RequestId,
}

/// How they stand.
#[derive(Serialize)]
pub struct Held {
    /// The request.
    pub request_id: RequestId,
    /// The model that was asked, or the route that was taken.
    pub model: ModelName,
    /// Its rows; a language model's answer is one.
    pub rows: Vec<HeldRow>,
}

/// How one stands.
#[derive(Serialize)]
pub struct HeldRow {
    /// Which row of the request, from 0.
    pub row: u32,
    /// Whether somebody is at it is nobody's business but the reviewers'.
    pub status: Status,
    /// When it was held.
    #[serde(skip)]
    pub held: Timestamp,
    /// What is the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Said>,
    /// What a language model answered, or a person in its place; its protocol knows how to write it.
    #[serde(skip)]
    pub answer: Option<HeldAnswer>,
}

impl PollHeld {
    fn items(&self) -> Vec<super::Item> {
        let mut items = self.queue.of_request(self.request);
        items.retain(|item| item.is_of(self.model.as_str()));
        items
    }
}

/// What is told of a decided row: the result, or the answer, as it was or as a person has put it.
fn told(opened: Opened) -> (Option<Said>, Option<HeldAnswer>) {
    let Opened { contents, decision } = opened;
    match (contents.answer, decision) {
        (Some(answer), Some(Decision { upheld: true, .. })) => (None, Some(answer)),
        (Some(answer), Some(Decision { result: Said::Label(text), .. })) => {
            (None, Some(answer.replaced(text)))
        }
        (Some(_), _) => (None, None),
        (None, decision) => (decision.map(|decision| decision.result), None),
    }
}

impl Deed for PollHeld {
    type Reply = Held;

    fn event(&self) -> Event {
        Event::ReviewPoll
    }

    fn changes(&self) -> bool {
        false
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&self.request.to_string()))
    }

    fn claims(&self, caller: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        // All rows of a request have one requester, so that one decision is for all.
        let own = self.items().into_iter().next().filter(|item| item.requester == *caller.id());
        let target = own.map_or(Target::Unknown, |item| Target::ReviewItem(Box::new(item)));
        Ok(Claims::All(vec![(Action::ReadHeld, target)]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Held>, Rejection> {
        let now = office.gate.now();
        let mut rows = Vec::new();
        for item in self.items().into_iter().map(|item| item.at(now)) {
            if item.requester != *office.caller.id() {
                return Err(Code::NotFound.into());
            }
            let failed = |fault: crate::ports::StoreFault| Rejection::unavailable(fault.to_string());
            let opened = match item.status {
                Status::Decided => self.queue.open(item.id).await.map_err(failed)?,
                _ => None,
            };
            let (result, answer) = opened.map_or((None, None), told);
            let status = if item.status.is_open() { Status::Pending } else { item.status };
            rows.push(HeldRow { row: item.row, status, held: item.held, result, answer });
        }
        Ok(Done::read(Held { request_id: self.request, model: self.model, rows }))
    }
}
