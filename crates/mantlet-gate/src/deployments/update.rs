//! Deeds about a version that was compared with the live one: asked for with what the comparison said, or made live in the
//! live one's place (policy F06: approved, or by the one person who holds all duties).
//!
//! A comparison counts for the two versions that it was made with: should another be live by now, nothing happens.

use std::collections::BTreeSet;

use mantlet_types::{
    Action, Code, Rejection, Timestamp, Version,
    entry::{Event, Token},
};

use super::{RequestDeployment, Stage, Way, check_fit, conflict, user};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Attached, Change, Deployment, DeploymentState, Directory, ModelRecord},
    identity::Principal,
    policy::Target,
    releases::facts::{Milestone, taken},
};

/// An approval in a one-person home is given and used in one breath.
const OWN_SECONDS: i64 = 60;

/// A comparison as somebody brings it along. Whether this server has made it, of these versions, is for the log to say.
pub trait Exhibit: Send + 'static {
    /// What the comparison says, once it is known to be one of this version.
    ///
    /// # Errors
    /// If it is none, or says something that does not do.
    fn attested(
        self,
        office: &Office<'_>,
        way: &Way,
    ) -> impl Future<Output = Result<Attached, Rejection>> + Send;
}

/// Asks that a version go live, with what was found out about it, if anything was.
#[derive(Clone, Debug)]
pub struct RequestCompared<E> {
    /// The version.
    pub way: Way,
    /// Its comparison with the live version.
    pub exhibit: Option<E>,
}

/// Makes a version live in the place of the one that it was compared with.
#[derive(Clone, Debug)]
pub struct UpdateModel<E> {
    /// The version.
    pub way: Way,
    /// Its comparison with the live version.
    pub exhibit: E,
    /// When it was asked for.
    pub began: Timestamp,
}

impl<E: Exhibit> Deed for RequestCompared<E> {
    type Reply = Stage;

    fn event(&self) -> Event {
        Event::ModelRequest
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.way.subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        RequestDeployment(self.way.clone()).claims(caller, directory)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Stage>, Rejection> {
        let Self { way, exhibit } = self;
        let compared = match exhibit {
            Some(exhibit) => Some(attested(exhibit, office, &way).await?),
            None => None,
        };
        let version = way.version;
        let mut done = RequestDeployment(way).act(office).await?;
        for change in &mut done.changes {
            let Change::PutModel(_, model) = change else { continue };
            let promotion = model.versions.get_mut(&version).and_then(|record| record.promotion.as_mut());
            if let Some(promotion) = promotion {
                promotion.compared.clone_from(&compared);
            }
        }
        Ok(done)
    }
}

impl<E> UpdateModel<E> {
    /// The deployment by which the one person of a home requests, approves and activates in one step: lawful only where
    /// policy lets duties meet (`context.single_person`).
    fn own(&self, caller: &Principal, directory: &Directory) -> Option<Deployment> {
        if !caller.snapshot().settings.single_person {
            return None;
        }
        let model = directory.models.get(&self.way.model)?;
        let record = model.versions.get(&self.way.version)?;
        let caller = user(caller).ok()?;
        Some(Deployment {
            model: self.way.model.clone(),
            version: self.way.version,
            project: model.project.clone(),
            author: record.author.clone(),
            data_authors: record.data_authors.clone(),
            requested_by: caller.clone(),
            approved_by: BTreeSet::from([caller]),
            approval_ends: self.began.plus_seconds(OWN_SECONDS),
            state: DeploymentState::Approved,
            was_live: record.was_live,
            retired: record.facts.retired.is_some(),
        })
    }
}

impl<E: Exhibit> Deed for UpdateModel<E> {
    type Reply = Stage;

    fn event(&self) -> Event {
        Event::ModelActivate
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.way.subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(match self.own(caller, directory) {
            Some(own) => Claims::All(vec![(Action::UpdateModel, Target::Deployment(Box::new(own)))]),
            None => self.way.claims(Action::UpdateModel, self.way.deployment(), caller, directory),
        })
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Stage>, Rejection> {
        let Self { way, exhibit, began: _ } = self;
        attested(exhibit, office, &way).await?;
        let Way { model: name, version } = &way;
        let (model, record) = way.records(&office.snapshot.directory)?;
        check_fit(office, name, *version, record)?;
        let mut next = model.clone();
        next.put_live(*version, &taken(office, Milestone::Live)?);
        let then = format!("should it not do: mantlet model rollback {name}");
        let reply = Stage::live(name, *version, record.digest, model.live, then);
        Ok(Done::changed(reply, vec![Change::PutModel(name.clone(), next)]))
    }
}

/// What the comparison says, if it is with what is live now.
async fn attested<E: Exhibit>(exhibit: E, office: &Office<'_>, way: &Way) -> Result<Attached, Rejection> {
    let (model, _) = way.records(&office.snapshot.directory)?;
    if model.live == Some(way.version) {
        return Err(conflict(format!("version {} of `{}` is live", way.version, way.model)));
    }
    let compared = exhibit.attested(office, way).await?;
    check_live(model, way, compared.with)?;
    Ok(compared)
}

/// What was compared with a version that is live no more says nothing of what callers would notice.
fn check_live(model: &ModelRecord, Way { model: name, .. }: &Way, with: Version) -> Result<(), Rejection> {
    match model.live {
        Some(live) if live == with => Ok(()),
        Some(live) => Err(conflict(format!(
            "version {live} of `{name}` is live by now, and the comparison is with version {with}; compare again"
        ))),
        None => Err(Rejection::new(Code::NotFound).detailed(format!("no version of `{name}` is live"))),
    }
}

#[cfg(test)]
mod tests;
