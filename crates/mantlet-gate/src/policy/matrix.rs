//! The role matrix: what each role may do, found out by asking the policies, and which policy decided.
//!
//! Each cell is evaluated for a person with that one role in the thing's project, in a team's home, with a second
//! factor, a protected connection, datasets granted and a ceiling given. Where the answer depends on the thing, the
//! cell says for which things it is allowed.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use cedar_policy::{Context, Entity, RestrictedExpression as Value};
use mantlet_types::{
    Action, Role, Timestamp,
    entry::{Authn, Decision},
};
use serde::Serialize;

use super::{
    engine::{Engine, Question, Verdict},
    entities::{NEVER, datetime},
    names::{self, PrincipalType},
    sample::{Pending, Person, Samples, Way},
};

/// One cell of the role matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The role's name; `none` for a user without any.
    pub role: &'static str,
    /// The action.
    pub action: Action,
    /// The kind of thing that it is done to.
    pub resource: &'static str,
    /// What policy says; `allow` where it allows under [`Cell::condition`].
    pub decision: Decision,
    /// The policies that decided, joined by `, `; `default` where none permits, which is a denial.
    pub policy: String,
    /// When it is allowed, if not always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<&'static str>,
}

/// Actions of Mantlet's own parts, which no role has.
const INTERNAL: [Action; 3] = [Action::LoadArtifact, Action::AppendAudit, Action::ReadSecret];

/// The person who asks.
const CALLER: &str = "caller";
const SAMPLES: Samples = Samples { project: "sample" };

/// The moment at which the matrix is computed: any will do, since nothing in it ends.
const MOMENT: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A thing to ask about, and when a permission for it holds.
struct Case {
    resource: Option<Entity>,
    /// `context.model`, for actions on features.
    model: Option<Entity>,
    condition: &'static str,
}

/// Every cell, by action and then role.
pub(super) fn matrix(engine: &Engine) -> Vec<Cell> {
    let roles = || Role::ALL.into_iter().map(Some).chain([None]);
    let actions = Action::ALL.iter().filter(|action| !INTERNAL.contains(action));
    actions
        .flat_map(|action| {
            let (kind, cases) = cases(*action);
            roles().map(move |role| {
                let verdict = |case: &Case| (case.condition, decide(engine, role, *action, case));
                cell(role, *action, kind, &cases.iter().map(verdict).collect::<Vec<_>>())
            })
        })
        .collect()
}

/// The cell for what was decided case by case.
fn cell(
    role: Option<Role>,
    action: Action,
    resource: &'static str,
    verdicts: &[(&'static str, Verdict)],
) -> Cell {
    let always = verdicts.iter().all(|(_, verdict)| verdict.is_allowed());
    let allowed = verdicts.iter().find(|(_, verdict)| verdict.is_allowed());
    let condition = allowed.filter(|_| !always).map(|(condition, _)| *condition);
    let (decision, policies) = match allowed.or(verdicts.first()) {
        Some((_, verdict)) => (verdict.decision, verdict.policies.iter().map(|id| id.as_str()).collect()),
        None => (Decision::Error, Vec::new()),
    };
    let policy = if policies.is_empty() { "default".to_owned() } else { policies.join(", ") };
    Cell { role: role.map_or("none", Role::as_str), action, resource, decision, policy, condition }
}

fn decide(engine: &Engine, role: Option<Role>, action: Action, case: &Case) -> Verdict {
    let (Some(caller), Some(context)) = (caller(role), context(case.model.as_ref())) else {
        return Verdict::undecided("the sample cannot be built");
    };
    let Some(resource) = case.resource.clone() else {
        return Verdict::undecided("the sample cannot be built");
    };
    engine.decide(Question {
        asker: PrincipalType::User,
        principal: caller.uid(),
        action,
        resource: resource.uid(),
        context,
        entities: [Some(caller), Some(resource), case.model.clone()].into_iter().flatten().collect(),
    })
}

/// A person with one role, and every grant that goes with a role.
fn caller(role: Option<Role>) -> Option<Entity> {
    let roles: BTreeSet<Role> = role.into_iter().collect();
    Person {
        id: CALLER,
        roles: &roles,
        bound_in: &[SAMPLES.project],
        projects: &[SAMPLES.project],
        routes: Vec::new(),
        read_features: Vec::new(),
        attribute_features: Vec::new(),
        datasets: vec![("granted", NEVER)],
        ceiling: Some((Role::ALL.to_vec(), 60)),
    }
    .entity()
}

fn context(model: Option<&Entity>) -> Option<Context> {
    let mut pairs = vec![
        ("now", datetime(MOMENT)),
        ("authn", Value::new_string(Authn::ApiKeyAndCertificate.as_str().to_owned())),
        ("ip", Value::new_ip(IpAddr::V4(Ipv4Addr::LOCALHOST).to_string())),
        ("mfa", Value::new_bool(true)),
        ("protected", Value::new_bool(true)),
        ("single_person", Value::new_bool(false)),
    ];
    pairs.extend(model.map(|model| ("model", Value::new_entity_uid(model.uid()))));
    Context::from_pairs(pairs.into_iter().map(|(name, value)| (name.to_owned(), value))).ok()
}

/// What an action is asked about, the best case first.
fn cases(action: Action) -> (&'static str, Vec<Case>) {
    let of = |resource, condition| Case { resource, model: None, condition };
    let one = |resource| vec![of(resource, "")];
    match action {
        Action::Predict
        | Action::Explain
        | Action::Evaluate
        | Action::InspectFeatures
        | Action::RegisterVersion
        | Action::DisableModel => {
            let live = of(SAMPLES.model("live", true, &[]), "the model is live");
            let other = of(SAMPLES.model("other", false, &[]), "the model is not live");
            ("Model", vec![live, other])
        }
        Action::ViewWeights
        | Action::Export
        | Action::TryCandidate
        | Action::WriteArtifact
        | Action::LoadArtifact
        | Action::RequestDeployment => {
            ("ModelVersion", one(SAMPLES.version("other", "author", &["data-author"])))
        }
        Action::ApproveDeployment | Action::ActivateDeployment | Action::UpdateModel | Action::Rollback => {
            ("Deployment", deployments(action))
        }
        Action::RedeemUrl => ("SignedUrl", one(SAMPLES.signed_url("other", "author", NEVER, false))),
        Action::WriteDataset | Action::RunPipeline | Action::ReadDataset => {
            ("Dataset", one(SAMPLES.dataset("data", "granted", true)))
        }
        Action::DefineFeature => ("FeatureGroup", one(SAMPLES.plain(&names::FEATURE_GROUP, "group"))),
        Action::UseFeature | Action::AttributeFeature | Action::ReadFeature => ("Feature", features(action)),
        Action::Complete | Action::Scan | Action::ConfigureRoute => {
            ("Route", one(SAMPLES.plain(&names::ROUTE, "route")))
        }
        Action::ListReviews => ("ReviewQueue", one(SAMPLES.plain(&names::REVIEW_QUEUE, "queue"))),
        Action::ReadReview | Action::DecideReview | Action::ReadHeld => {
            ("ReviewItem", one(SAMPLES.review_item("other", ["requester", "subject"], &["keeper"])))
        }
        Action::Monitor | Action::AcknowledgeAlert => {
            ("Statistics", one(SAMPLES.plain(&names::STATISTICS, "statistics")))
        }
        Action::ReadAudit
        | Action::ExportAudit
        | Action::VerifyAudit
        | Action::ProveAudit
        | Action::AppendAudit
        | Action::DeleteAudit => ("AuditLog", one(SAMPLES.plain(&names::AUDIT_LOG, "log"))),
        Action::CreateDataset | Action::ManageUsers | Action::ManageConsumers => {
            ("Project", one(SAMPLES.project()))
        }
        Action::ManageSecret | Action::ReadSecret => ("Secret", one(SAMPLES.secret("secret"))),
        Action::Grant => ("Grant", one(SAMPLES.grant("grant", Role::Admin, 60, Pending::APPROVED))),
        Action::ProposeChange | Action::ApproveChange | Action::ApplyChange => ("Change", changes()),
    }
}

fn deployments(action: Action) -> Vec<Case> {
    let of = |name, way, condition| Case { resource: SAMPLES.deployment(name, way), model: None, condition };
    match action {
        Action::ApproveDeployment => vec![
            of("requested", Way::REQUESTED, "requested, made and fed by other people"),
            of("own", Way { requested_by: CALLER, ..Way::REQUESTED }, "requested by oneself"),
        ],
        Action::Rollback => vec![
            of("live", Way { was_live: true, ..Way::APPROVED }, "the version was live and is not withdrawn"),
            of("never", Way::APPROVED, "the version was never live"),
        ],
        _ => vec![
            of("approved", Way::APPROVED, "approved, made and fed by other people"),
            of("requested", Way::REQUESTED, "not approved"),
        ],
    }
}

fn features(action: Action) -> Vec<Case> {
    let of = |sensitivity, live, condition| Case {
        resource: SAMPLES.feature("feature", sensitivity),
        model: (action != Action::ReadFeature).then(|| SAMPLES.model("model", live, &["feature"])).flatten(),
        condition,
    };
    match action {
        Action::AttributeFeature => vec![
            of(1, true, "the feature is not sensitive"),
            of(1, false, "the model is not live, and the feature is not sensitive"),
            of(2, true, "the feature is sensitive"),
        ],
        Action::UseFeature => {
            vec![of(1, true, "the model is live"), of(1, false, "the model is not live")]
        }
        _ => vec![of(1, true, "")],
    }
}

fn changes() -> Vec<Case> {
    let of = |kind, condition| Case {
        resource: SAMPLES.change(kind, kind, Pending::APPROVED),
        model: None,
        condition,
    };
    vec![of("break_glass", "the change is break-glass"), of("policy", "the change is one of policy")]
}
