//! Attaching an evaluation to the version that it is of: a fact for whoever approves, and for the conditions of going live.
//!
//! The server keeps no reports. Whoever evaluated has the document and the receipt of the answer that it was; that this
//! server has made it, of this version, is for the log to say (as with comparisons, [`crate::deployments::update`]). So it
//! matters little who attaches: it has to be somebody who may evaluate the model, or make versions of it.

use mantlet_types::{
    Action, Code, PrincipalId, Rejection, Resource, Role, Sha256,
    entry::{Event, Token},
};
use serde::Serialize;

use super::facts::{EVALUATIONS_MAX, Evaluated, Milestone, taken};
use crate::{
    administer::{Claims, Deed, Done, Office},
    deployments::Way,
    directory::{Change, Directory},
    identity::Principal,
};

/// How an entry's subject begins that names an evaluation's report, by its SHA-256 in hexadecimal.
pub const EVALUATION: &str = "evaluation:";

/// An evaluation as somebody brings it along.
pub trait Report: Send + 'static {
    /// What it says, once it is known to be one of this version.
    ///
    /// # Errors
    /// If it is none.
    fn attested(
        self,
        office: &Office<'_>,
        way: &Way,
    ) -> impl Future<Output = Result<Evaluated, Rejection>> + Send;
}

/// Attaches an evaluation to a version.
#[derive(Clone, Debug)]
pub struct AttachEvaluation<R> {
    /// The version.
    pub way: Way,
    /// The evaluation.
    pub report: R,
}

/// An attached evaluation, and what the version lacks yet.
#[derive(Clone, Debug, Serialize)]
pub struct AttachedEvaluation {
    /// The version's model.
    pub model: mantlet_types::ModelName,
    /// The version.
    pub version: mantlet_types::Version,
    /// Digest of the signed manifest.
    pub digest: Sha256,
    /// What was attached.
    pub evaluation: Evaluated,
    /// Conditions for going live that it does not meet.
    pub unmet: Vec<String>,
}

impl<R: Report> Deed for AttachEvaluation<R> {
    type Reply = AttachedEvaluation;

    fn event(&self) -> Event {
        Event::ModelEvaluate
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.way.subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let PrincipalId::User(id) = caller.id() else { return Err(Code::NotFound.into()) };
        let model = directory.models.get(&self.way.model);
        let makes = model
            .zip(directory.users.get(id))
            .is_some_and(|(model, user)| user.is_bound(Role::DataScientist, &model.project));
        // Who makes models may not look at what a live one answers (F19), and attaches all the same.
        let action = if makes { Action::RegisterVersion } else { Action::Evaluate };
        let exists = model.is_some_and(|model| model.versions.contains_key(&self.way.version));
        if !exists {
            return Err(Code::NotFound.into());
        }
        Ok(self.way.claims(action, Resource::Model(self.way.model.clone()), caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<AttachedEvaluation>, Rejection> {
        let Self { way, report } = self;
        let conflict = |detail: String| Rejection::new(Code::Conflict).detailed(detail);
        let (_, record) = way.records(&office.snapshot.directory)?;
        if record.facts.retired.is_some() {
            return Err(conflict(format!("version {} of `{}` is retired", way.version, way.model)));
        }
        if record.facts.evaluations.len() >= EVALUATIONS_MAX {
            return Err(conflict(format!("a version has at most {EVALUATIONS_MAX} evaluations")));
        }
        let evaluated = report.attested(office, &way).await?;
        let (model, record) = way.records(&office.snapshot.directory)?;
        if record.facts.evaluations.iter().any(|known| known.report == evaluated.report) {
            return Err(conflict("this evaluation is attached already".to_owned()));
        }
        let step = taken(office, Milestone::Evaluated)?;
        let mut next = model.clone();
        let mut unmet = Vec::new();
        if let Some(record) = next.versions.get_mut(&way.version) {
            record.facts.evaluations.push(evaluated.clone());
            record.facts.took(step);
            unmet = super::conditions::in_force(office, &way.model).unmet(record);
        }
        let reply = AttachedEvaluation {
            model: way.model.clone(),
            version: way.version,
            digest: record.digest,
            evaluation: evaluated.told(),
            unmet,
        };
        Ok(Done::changed(reply, vec![Change::PutModel(way.model, next)]))
    }
}
