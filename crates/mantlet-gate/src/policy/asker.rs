//! Who asks, as far as it decides, and the way from there to the engine's verdict: what is remembered of it, what it is
//! taken in, and what may be known of it.

use std::net::IpAddr;

use cedar_policy::{Context, Entity, RestrictedExpression as Value};
use mantlet_types::{
    Action, Code, Kid, ModelName, PrincipalId, ProjectId, Rejection, Resource, Timestamp,
    entry::{Authn, Decision, Token},
};

use super::{
    Target,
    cache::Key,
    engine::{Question, Verdict},
    entities::{self, Asked, Asking},
};
use crate::{Snapshot, identity::Principal, record::Record, urls::UrlTerms};

/// Why a user without any binding is denied everything, as audit entries say it.
pub(super) const NO_ROLE: &str = "no_role_assigned";

/// Why a key that is confined to being replaced is denied everything else, as audit entries say it.
const HANDED_OVER: &str = "key_handed_over";

/// Any one of these makes a model visible to a principal.
const SEES_MODEL: [Action; 6] = [
    Action::Predict,
    Action::Explain,
    Action::Evaluate,
    Action::InspectFeatures,
    Action::RegisterVersion,
    Action::DisableModel,
];

/// How long a decision is remembered where custom policies may look at the clock in ways of their own.
const CUSTOM_SECONDS_MAX: i64 = 1;

/// What of a principal decides.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) id: &'a PrincipalId,
    pub(super) authn: Authn,
    pub(super) ip: IpAddr,
    pub(super) mfa: bool,
    pub(super) protected: bool,
    /// A key that is good for nothing but being replaced.
    pub(super) confined: Option<Kid>,
    /// A signed URL, which is good for what it says alone.
    pub(super) url: Option<&'a UrlTerms>,
    pub(super) snapshot: &'a Snapshot,
}

impl<'a> From<&'a Principal> for Asker<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self {
            id: principal.id(),
            authn: principal.authn(),
            ip: principal.ip(),
            mfa: principal.mfa(),
            protected: principal.protected(),
            confined: principal.confined(),
            url: principal.url(),
            snapshot: principal.snapshot(),
        }
    }
}

impl Asker<'_> {
    /// Decides on a resource of the directory, or recalls the decision.
    pub(super) fn decide(self, action: Action, resource: &Resource, now: Timestamp) -> Verdict {
        self.decide_made(action, resource, now, || {
            let single_person = self.snapshot.settings.single_person;
            Some((entities::resource(&self.snapshot.directory, resource, single_person)?, None))
        })
    }

    /// Decides on a model as far as it is about a version that is not live. Not remembered: decisions on the model itself
    /// are, and are about what is live.
    pub(super) fn decide_unlive(
        self,
        action: Action,
        model: &ModelName,
        project: &ProjectId,
        now: Timestamp,
    ) -> Verdict {
        let target = Target::NewModel { project: project.clone(), model: model.clone() };
        self.decide_target(action, &target, now).0
    }

    /// Everything that a decision depends on, but the time.
    pub(super) fn key<'k>(
        &'k self,
        action: Action,
        resource: &'k Resource,
    ) -> Key<&'k PrincipalId, &'k Resource> {
        Key {
            principal: self.id,
            action,
            resource,
            authn: self.authn,
            ip: self.ip,
            mfa: self.mfa,
            protected: self.protected,
        }
    }

    /// Decides on what is made only if the decision is not remembered: the resource, and `context.model` for actions
    /// that have it.
    pub(super) fn decide_made(
        self,
        action: Action,
        resource: &Resource,
        now: Timestamp,
        make: impl FnOnce() -> Option<(Asked, Option<Entity>)>,
    ) -> Verdict {
        if self.confined.is_some() || !self.is_of_url(action, Some(resource)) {
            return Verdict::denied();
        }
        let policy = &self.snapshot.policy;
        let key = self.key(action, resource);
        if let Some(verdict) = policy.cache.recall(&key, now) {
            return verdict;
        }
        let Some((asked, model)) = make() else {
            return Verdict::denied();
        };
        let (verdict, ends) = self.evaluate(action, asked, model, now);
        if verdict.decision != Decision::Error {
            policy.cache.remember(&key, verdict.clone(), ends);
        }
        verdict
    }

    /// Decides on a resource, or on what would come to be one; with its project, if that exists.
    pub(super) fn decide_target(
        self,
        action: Action,
        target: &Target,
        now: Timestamp,
    ) -> (Verdict, Option<ProjectId>) {
        if !self.is_of_url(action, target.resource().as_ref()) {
            return (Verdict::denied(), None);
        }
        if let Target::Resource(resource) = target {
            let project = entities::project_of(&self.snapshot.directory, resource).cloned();
            let verdict = match project {
                Some(_) => self.decide(action, resource, now),
                None => Verdict::denied(),
            };
            return (verdict, project);
        }
        let single_person = self.snapshot.settings.single_person;
        let Some(asked) = entities::target(&self.snapshot.directory, target, single_person) else {
            return (Verdict::denied(), None);
        };
        let project = asked.project.clone();
        (self.evaluate(action, asked, None, now).0, Some(project))
    }

    /// INVARIANT (confined-url): a signed URL is good for being redeemed, and for the export of its version, which is
    /// decided again when it is; for everything else its bearer is nobody.
    fn is_of_url(self, action: Action, resource: Option<&Resource>) -> bool {
        let Some(UrlTerms { model, version, id, .. }) = self.url else { return true };
        match (action, resource) {
            (Action::RedeemUrl, Some(Resource::SignedUrl(of, number, asked))) => {
                (of, number, asked) == (model, version, id)
            }
            (Action::Export, Some(Resource::ModelVersion(of, number))) => (of, number) == (model, version),
            _ => false,
        }
    }

    /// Asks the engine; also tells when time alone may change the answer.
    fn evaluate(
        self,
        action: Action,
        asked: Asked,
        model: Option<Entity>,
        now: Timestamp,
    ) -> (Verdict, Option<Timestamp>) {
        if self.confined.is_some() {
            return (Verdict::denied(), None);
        }
        let Some(asking) = entities::principal(&self.snapshot.directory, self.id) else {
            return (Verdict::undecided("the principal is not in the directory"), None);
        };
        let Some(context) = self.context(now, model.as_ref()) else {
            return (Verdict::undecided("the context cannot be built"), None);
        };
        let engine = &self.snapshot.policy.engine;
        let Asking { kind, entity: principal, ends: asking_ends } = asking;
        let custom_ends = engine.is_customized().then(|| now.plus_seconds(CUSTOM_SECONDS_MAX));
        // Only ends ahead matter: what has expired does not expire again.
        let ends =
            [asking_ends, asked.ends, custom_ends].into_iter().flatten().filter(|ends| *ends > now).min();
        let verdict = engine.decide(Question {
            asker: kind,
            principal: principal.uid(),
            action,
            resource: asked.entity.uid(),
            context,
            entities: [principal, asked.entity].into_iter().chain(model).collect(),
        });
        (verdict, ends)
    }

    fn context(self, now: Timestamp, model: Option<&Entity>) -> Option<Context> {
        let single_person = self.snapshot.settings.single_person;
        context(now, (self.authn, self.ip), [self.mfa, self.protected, single_person], model)
    }

    /// Whether this principal may know that the model exists.
    pub(super) fn sees(self, model: &ModelName, now: Timestamp) -> bool {
        let model = Resource::Model(model.clone());
        let applicable = |action: &&Action| {
            matches!(self.id, PrincipalId::User(_)) || matches!(action, Action::Predict | Action::Explain)
        };
        SEES_MODEL.iter().filter(applicable).any(|action| self.decide(*action, &model, now).is_allowed())
    }

    /// Whether this is a person with a role in the project, who may know what there is in it.
    pub(super) fn belongs_to(self, project: &ProjectId) -> bool {
        let PrincipalId::User(id) = self.id else { return false };
        let user = self.snapshot.directory.users.get(id).filter(|user| !user.disabled);
        user.is_some_and(|user| {
            user.projects.contains(project) && user.bindings.values().any(|bound| bound.contains(project))
        })
    }

    fn is_without_role(self) -> bool {
        let PrincipalId::User(id) = self.id else { return false };
        let user = self.snapshot.directory.users.get(id);
        user.is_some_and(|user| user.bindings.values().all(std::collections::BTreeSet::is_empty))
    }

    /// What a denied principal learns, and what the record says of it.
    pub(super) fn denied(self, verdict: &Verdict, visible: bool, record: &mut Record) -> Rejection {
        if let Some(kid) = self.confined {
            // The same whatever was asked for, too.
            record.entry().policy_ids.push(Token::of(HANDED_OVER));
            return Rejection::new(Code::Forbidden).detailed(handed_over(kid));
        }
        let mut rejection = Rejection::new(if visible { Code::Forbidden } else { Code::NotFound });
        if let Some(cause) = &verdict.cause {
            rejection = rejection.because(format!("no decision: {cause}"));
        }
        if self.url.is_none() && self.is_without_role() {
            // The same whatever was asked for, so it tells nothing of what there is.
            record.entry().policy_ids.push(Token::of(NO_ROLE));
            rejection = rejection.detailed("no role assigned").because("no role assigned");
        }
        rejection
    }
}

/// What decisions are taken in: when, how and from where somebody asks, with what flags (`mfa`, `protected`,
/// `single_person`), and about which model, for actions on features.
pub(super) fn context(
    now: Timestamp,
    (authn, ip): (Authn, IpAddr),
    [mfa, protected, single_person]: [bool; 3],
    model: Option<&Entity>,
) -> Option<Context> {
    let mut pairs = vec![
        ("now", entities::datetime(now)),
        ("authn", Value::new_string(authn.as_str().to_owned())),
        ("ip", Value::new_ip(ip.to_string())),
        ("mfa", Value::new_bool(mfa)),
        ("protected", Value::new_bool(protected)),
        ("single_person", Value::new_bool(single_person)),
    ];
    pairs.extend(model.map(|model| ("model", Value::new_entity_uid(model.uid()))));
    Context::from_pairs(pairs.into_iter().map(|(name, value)| (name.to_owned(), value))).ok()
}

/// What to do about a key that somebody else has seen.
pub(crate) fn handed_over(kid: Kid) -> String {
    format!(
        "key `{kid}` is known to whoever handed it over; its owner replaces it first: `mantlet --as DIR key rotate {kid}`"
    )
}
