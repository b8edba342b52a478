//! The reviewer's desk: looking through what waits, and opening it. What is done with it is in [`super::decide`].
//!
//! Items are there for the reviewers of their project alone; to everybody else, colleagues with other roles included,
//! they do not exist. Policy keeps reviewers from their own requests (F15).

use std::sync::Arc;

use mantlet_types::{
    Action, Code, ModelName, PrincipalId, Rejection, Resource, ReviewId, Role,
    contract::Task,
    entry::{Event, Token},
    limits::REVIEWS_LISTED_MAX,
};
use serde::Serialize;

use super::{Input, Item, Opened, Queue, Said, Status, Step, row};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    policy::{self, Target},
    routes::answer::Choice,
};

/// Whether this is a reviewer of the item's project: only they may know that there is such an item.
fn is_known_to(caller: &Principal, directory: &Directory, item: &Item) -> bool {
    let PrincipalId::User(id) = caller.id() else { return false };
    directory.users.get(id).is_some_and(|user| user.is_bound(Role::Reviewer, &item.project))
}

/// An item on somebody's desk.
pub(super) struct OnDesk {
    queue: Arc<dyn Queue>,
    item: ReviewId,
}

impl OnDesk {
    pub(super) fn new(queue: &Arc<dyn Queue>, item: ReviewId) -> Self {
        Self { queue: Arc::clone(queue), item }
    }

    pub(super) fn claims(&self, action: Action, caller: &Principal, directory: &Directory) -> Claims {
        let known = self.queue.find(self.item).filter(|item| is_known_to(caller, directory, item));
        let target = known.map_or(Target::Unknown, |item| Target::ReviewItem(Box::new(item)));
        Claims::All(vec![(action, target)])
    }

    pub(super) fn subject(&self) -> Option<Token> {
        Some(Token::of(&self.item.to_string()))
    }

    /// The item as it stands.
    pub(super) fn current(&self, office: &Office<'_>) -> Result<Item, Rejection> {
        self.queue.find(self.item).map(|item| item.at(office.gate.now())).ok_or_else(|| Code::NotFound.into())
    }

    pub(super) async fn open(&self) -> Result<Option<Opened>, Rejection> {
        self.queue.open(self.item).await.map_err(|fault| Rejection::unavailable(fault.to_string()))
    }

    pub(super) async fn take(&self, office: &Office<'_>, step: Step) -> Result<(), Rejection> {
        let done = self.queue.apply(office.warrant, vec![step]).await;
        done.map_err(|fault| Rejection::unavailable(fault.to_string()))
    }
}

/// Lists what there is to decide, the oldest first.
pub struct ListReviews {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Of this model, or of the route of this name.
    pub model: Option<ModelName>,
    /// In this state; what waits for a person, if not said otherwise.
    pub status: Option<Status>,
}

/// Held rows.
#[derive(Debug, Serialize)]
pub struct Listed {
    reviews: Vec<Item>,
    /// Whether there are more than one listing has.
    more: bool,
}

impl Deed for ListReviews {
    type Reply = Listed;

    fn event(&self) -> Event {
        Event::ReviewRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Listed>, Rejection> {
        let (now, caller) = (office.gate.now(), office.caller);
        let projects = office.snapshot.directory.projects.iter().filter(|project| {
            let queue = Target::Resource(Resource::ReviewQueue((*project).clone()));
            policy::permits(caller, Action::ListReviews, &queue, now)
        });
        let projects: Vec<_> = projects.collect();
        let wanted = |item: &Item| {
            let status = item.clone().at(now).status;
            projects.contains(&&item.project)
                && self.model.as_ref().is_none_or(|model| item.is_of(model.as_str()))
                && self.status.map_or(status.is_open(), |wanted| wanted == status)
                && policy::permits(
                    caller,
                    Action::ReadReview,
                    &Target::ReviewItem(Box::new(item.clone())),
                    now,
                )
        };
        let mut reviews =
            if projects.is_empty() { Vec::new() } else { self.queue.list(&wanted, REVIEWS_LISTED_MAX + 1) };
        let more = reviews.len() > REVIEWS_LISTED_MAX;
        reviews.truncate(REVIEWS_LISTED_MAX);
        let reviews = reviews.into_iter().map(|item| item.at(now)).collect();
        Ok(Done::read(Listed { reviews, more }))
    }
}

/// Opens one held row.
pub struct ReadReview {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// The row.
    pub item: ReviewId,
}

/// A held row, opened.
#[derive(Serialize)]
pub struct Shown {
    #[serde(flatten)]
    item: Item,
    #[serde(flatten, serialize_with = "row::shown")]
    input: Option<Input>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guess: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    /// What a language model answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Vec<Choice>>,
    /// What can be decided, where that is one of several classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<Arc<str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upheld: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl ReadReview {
    fn on_desk(&self) -> OnDesk {
        OnDesk::new(&self.queue, self.item)
    }
}

impl Deed for ReadReview {
    type Reply = Shown;

    fn event(&self) -> Event {
        Event::ReviewRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn subject(&self) -> Option<Token> {
        self.on_desk().subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(self.on_desk().claims(Action::ReadReview, caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Shown>, Rejection> {
        let desk = self.on_desk();
        let item = desk.current(office)?;
        let opened = if item.status.is_kept() { desk.open().await? } else { None };
        let (contents, decision) =
            opened.map_or((None, None), |opened| (Some(opened.contents), opened.decision));
        let of = item.model.as_ref().and_then(|model| office.snapshot.model(model, item.version));
        let contract = of.map(|model| model.contract());
        let labels = contract.and_then(|contract| match &contract.task {
            Task::Classify { labels, .. } => Some(labels.iter().map(|label| label.text.clone()).collect()),
            Task::Regress { .. } | Task::Opaque => None,
        });
        let (result, upheld, reason) = decision.map_or((None, None, None), |decision| {
            (Some(decision.result), Some(decision.upheld), decision.reason)
        });
        let (input, guess, confidence, answer) = contents.map_or((None, None, None, None), |contents| {
            (Some(contents.input), contents.guess, contents.confidence, contents.answer)
        });
        let answer = answer.map(|answer| answer.choices);
        let shown = Shown { item, input, guess, confidence, answer, labels, result, upheld, reason };
        Ok(Done::read(shown))
    }
}
