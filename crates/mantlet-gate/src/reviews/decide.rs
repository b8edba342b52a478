//! What reviewers do with a held row: take it on, decide it, have it forgotten.

use std::sync::Arc;

use mantlet_types::{
    Action, Code, Contract, PrincipalId, Rejection, ReviewId, Role, UserId,
    contract::{Label, Task},
    entry::{Event, Token},
    limits::{CATEGORY_BYTES_MAX, REVIEW_BYTES_MAX, REVIEW_REASON_CHARS_MAX},
};
use serde::Deserialize;

use super::{Decision, Item, Queue, Said, Step, desk::OnDesk, item::conflict};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    people,
};

fn person(caller: &Principal) -> Result<UserId, Rejection> {
    match caller.id() {
        PrincipalId::User(user) => Ok(user.clone()),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => Err(Code::Forbidden.into()),
    }
}

/// Who is to decide.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Somebody else who reviews in the project; oneself, if not said.
    #[serde(default)]
    pub to: Option<UserId>,
    /// Also if it is another's already.
    #[serde(default)]
    pub take_over: bool,
}

/// Takes a held row on, or gives it to somebody.
pub struct AssignReview {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// The row.
    pub item: ReviewId,
    /// To whom.
    pub assignment: Assignment,
}

impl AssignReview {
    fn on_desk(&self) -> OnDesk {
        OnDesk::new(&self.queue, self.item)
    }
}

/// Nobody is given what they could not decide: policy would refuse them later.
fn check_reviewer(office: &Office<'_>, item: &Item, to: &UserId) -> Result<(), Rejection> {
    let user = office.snapshot.directory.users.get(to).filter(|user| !user.disabled);
    if !user.is_some_and(|user| user.is_bound(Role::Reviewer, &item.project)) {
        return Err(Rejection::argument("`to` is no reviewer of this project"));
    }
    if office.snapshot.settings.single_person {
        return Ok(());
    }
    let own = match &item.requester {
        PrincipalId::User(user) => user == to,
        PrincipalId::Consumer(id) => {
            let consumer = office.snapshot.directory.consumers.get(id);
            consumer.is_some_and(|consumer| consumer.keepers.contains(to))
        }
        PrincipalId::Component(_) => false,
    };
    if own {
        return Err(Rejection::argument("`to` is who asked, or keeps the application that did"));
    }
    if user.is_some_and(|user| people::roles::barring(user, Role::Reviewer, &item.project).is_some()) {
        return Err(Rejection::argument("`to` has a part in the project that keeps them from reviewing"));
    }
    Ok(())
}

impl Deed for AssignReview {
    type Reply = Item;

    fn event(&self) -> Event {
        Event::ReviewAssign
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.on_desk().subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(self.on_desk().claims(Action::DecideReview, caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Item>, Rejection> {
        let desk = self.on_desk();
        let item = desk.current(office)?;
        let to = match self.assignment.to {
            Some(to) => to,
            None => person(office.caller)?,
        };
        check_reviewer(office, &item, &to)?;
        let item = item.assigned(to, self.assignment.take_over)?;
        desk.take(office, Step::Put(item.clone())).await?;
        Ok(Done::read(item))
    }
}

/// What is decided: a result, or that the model was right.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// What is the case: one of the model's labels, or a number.
    #[serde(default)]
    pub result: Option<Said>,
    /// What the model said is the case.
    #[serde(default)]
    pub uphold: bool,
    /// Why; must be said with a result.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Decides a held row.
pub struct DecideReview {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// The row.
    pub item: ReviewId,
    /// What.
    pub ruling: Ruling,
}

impl DecideReview {
    fn on_desk(&self) -> OnDesk {
        OnDesk::new(&self.queue, self.item)
    }
}

/// A reason as it is kept.
fn trimmed(reason: Option<String>) -> Result<Option<String>, Rejection> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REVIEW_REASON_CHARS_MAX) {
        let detail = format!("`reason` has at most {REVIEW_REASON_CHARS_MAX} characters");
        return Err(Rejection::argument(detail));
    }
    Ok(reason)
}

impl Ruling {
    /// What comes of it, for what a language model answered: that leaves, or a text of the person's in its place.
    fn on_answer(self) -> Result<Decision, Rejection> {
        let reason = trimmed(self.reason)?;
        match (self.result, self.uphold) {
            (None, true) => Ok(Decision { result: Said::Label(String::new()), upheld: true, reason }),
            (Some(_), false) if reason.is_none() => Err(Rejection::argument("`reason` is missing")),
            (Some(Said::Label(text)), false) if text.len() <= REVIEW_BYTES_MAX / 2 => {
                Ok(Decision { result: Said::Label(text), upheld: false, reason })
            }
            (Some(_), false) => {
                let detail = format!("`result` is a text of at most {} bytes", REVIEW_BYTES_MAX / 2);
                Err(Rejection::argument(detail))
            }
            _ => Err(Rejection::argument("either `result`, or `uphold` as true")),
        }
    }

    /// What comes of it, for a model that has guessed this.
    fn decision(self, contract: &Contract, guess: Option<Said>) -> Result<Decision, Rejection> {
        let reason = trimmed(self.reason)?;
        match (self.result, self.uphold) {
            (None, true) => {
                let result = guess.ok_or_else(|| conflict("the model said nothing that could be upheld"))?;
                Ok(Decision { result, upheld: true, reason })
            }
            (Some(_), false) if reason.is_none() => Err(Rejection::argument("`reason` is missing")),
            (Some(result), false) => {
                let result = checked(contract, result)?;
                let upheld = guess.is_some_and(|guess| guess == result);
                Ok(Decision { result, upheld, reason })
            }
            _ => Err(Rejection::argument("either `result`, or `uphold` as true")),
        }
    }
}

fn number_wanted() -> Rejection {
    Rejection::argument("`result` is a number")
}

/// A result that the model could have given. A label may be named by its text, and by its number where it is one.
fn checked(contract: &Contract, result: Said) -> Result<Said, Rejection> {
    match (&contract.task, result) {
        (Task::Classify { labels, .. }, said) => {
            let is_it = |label: &&Label| match &said {
                Said::Label(text) => *label.text == **text,
                Said::Number(number) => *label.text == *number.to_string(),
            };
            let label = labels.iter().find(is_it);
            let label = label.ok_or_else(|| Rejection::argument("`result` is none of the model's labels"))?;
            Ok(Said::Label(label.text.as_ref().to_owned()))
        }
        (Task::Regress { .. }, Said::Number(number)) if number.is_finite() => Ok(Said::Number(number)),
        (Task::Regress { .. }, Said::Label(text)) => {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Said::Number).ok_or_else(number_wanted)
        }
        (Task::Regress { .. }, Said::Number(_)) => Err(number_wanted()),
        (Task::Opaque, Said::Label(text)) if text.len() > CATEGORY_BYTES_MAX => {
            Err(Rejection::argument(format!("`result` has at most {CATEGORY_BYTES_MAX} bytes")))
        }
        (Task::Opaque, said) => Ok(said),
    }
}

/// What comes of a ruling.
#[cfg(test)]
pub(super) fn decision_for_test(
    contract: &Contract,
    guess: Option<Said>,
    ruling: Ruling,
) -> Result<Decision, Rejection> {
    ruling.decision(contract, guess)
}

impl Deed for DecideReview {
    type Reply = Item;

    fn event(&self) -> Event {
        Event::ReviewDecide
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.on_desk().subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(self.on_desk().claims(Action::DecideReview, caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Item>, Rejection> {
        let desk = self.on_desk();
        let item = desk.current(office)?.decided(person(office.caller)?, office.gate.now())?;
        let opened = desk.open().await?.ok_or_else(|| conflict("what was asked is gone"))?;
        let decision = match &item.model {
            None => self.ruling.on_answer()?,
            Some(name) => {
                let model = office.snapshot.model(name, item.version);
                let model =
                    model.ok_or_else(|| Rejection::unavailable("the version that answered is not loaded"))?;
                self.ruling.decision(model.contract(), opened.contents.guess)?
            }
        };
        desk.take(office, Step::Decide(item.clone(), Box::new(decision))).await?;
        Ok(Done::read(item))
    }
}

/// Has a held row forgotten: its key is destroyed, and with it what was asked and decided.
pub struct EraseReview {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// The row.
    pub item: ReviewId,
}

impl EraseReview {
    fn on_desk(&self) -> OnDesk {
        OnDesk::new(&self.queue, self.item)
    }
}

impl Deed for EraseReview {
    type Reply = Item;

    fn event(&self) -> Event {
        Event::ReviewErase
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.on_desk().subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(self.on_desk().claims(Action::DecideReview, caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Item>, Rejection> {
        let desk = self.on_desk();
        let item = desk.current(office)?.erased(&person(office.caller)?)?;
        desk.take(office, Step::End(item.clone())).await?;
        Ok(Done::read(item))
    }
}
