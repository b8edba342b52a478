//! Coming back for what was decided: by whoever asked, with the id of the request.

use std::sync::Arc;

use mantlet_types::{
    Action, Code, ModelName, Rejection, RequestId,
    entry::{Event, Token},
};
use serde::Serialize;

use super::{Queue, Said, Status};
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
    /// The model that was asked.
    pub model: ModelName,
    /// The request.
    pub request: RequestId,
}

/// How they stand.
#[derive(Serialize)]
pub struct Held {
    request_id: RequestId,
    model: ModelName,
    rows: Vec<HeldRow>,
}

#[derive(Serialize)]
struct HeldRow {
    /// Which row of the request, from 0.
    row: u32,
    /// Whether somebody is at it is nobody's business but the reviewers'.
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Said>,
}

impl PollHeld {
    fn items(&self) -> Vec<super::Item> {
        let mut items = self.queue.of_request(self.request);
        items.retain(|item| item.model == self.model);
        items
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
            let result = opened.and_then(|opened| opened.decision).map(|decision| decision.result);
            let status = if item.status.is_open() { Status::Pending } else { item.status };
            rows.push(HeldRow { row: item.row, status, result });
        }
        Ok(Done::read(Held { request_id: self.request, model: self.model, rows }))
    }
}
