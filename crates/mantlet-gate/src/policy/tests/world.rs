//! Facts as entities, and every fact worth asking about for each action.

use std::collections::BTreeSet;

use cedar_policy::{Context, Entity, EntityUid, RestrictedExpression as Value};
use mantlet_types::{Action, Role};

use super::{
    super::{
        entities::{NEVER, datetime},
        names,
        sample::{self, Person, Samples},
        testing::NOW,
    },
    oracle::{self, Fact, Flags, Grant, Pending, State, Who},
};

pub(super) const HERE: Samples = Samples { project: "here" };

/// Features, the sensitive one of each pair second.
const FEATURES: [&str; 6] = ["plain", "plain-2", "readable", "readable-2", "attributable", "attributable-2"];

/// One thing to ask about, with `context.model` where the action wants one.
pub(super) struct Case {
    pub(super) fact: Fact,
    pub(super) resource: Entity,
    pub(super) model: Option<EntityUid>,
    /// All that must be loaded beside the principal.
    pub(super) entities: Vec<Entity>,
}

fn name(who: Who) -> &'static str {
    match who {
        Who::Me => "me",
        Who::Author => "author",
        Who::DataAuthor => "data-author",
        Who::Requester => "requester",
        Who::Subject => "subject",
        Who::Approver => "approver",
    }
}

/// One person's name as the list that entities take.
fn names_of(who: Who) -> &'static [&'static str] {
    match who {
        Who::Me => &["me"],
        Who::Author => &["author"],
        Who::DataAuthor => &["data-author"],
        Who::Requester => &["requester"],
        Who::Subject => &["subject"],
        Who::Approver => &["approver"],
    }
}

fn list(who: Option<Who>) -> &'static [&'static str] {
    who.map_or(&[], names_of)
}

/// `me`, bound to these roles in `bound_in`, with every kind of grant for the things made by `things`.
pub(super) fn me(
    roles: &BTreeSet<Role>,
    things: Samples,
    bound_in: &[&'static str],
    projects: &[&'static str],
) -> Entity {
    Person {
        id: "me",
        roles,
        bound_in,
        projects,
        routes: vec![things.uid(&names::ROUTE, "granted")],
        read_features: FEATURES[2..4].iter().map(|name| things.uid(&names::FEATURE, name)).collect(),
        attribute_features: FEATURES[4..].iter().map(|name| things.uid(&names::FEATURE, name)).collect(),
        datasets: vec![("held", NEVER), ("ended", NOW)],
        ceiling: Some((Role::ALL.to_vec(), 60)),
    }
    .entity()
    .unwrap()
}

pub(super) fn context(flags: Flags, model: Option<&EntityUid>) -> Context {
    let mut pairs = vec![
        ("now", datetime(NOW)),
        ("authn", Value::new_string("api_key".to_owned())),
        ("ip", Value::new_ip("192.0.2.1")),
        ("mfa", Value::new_bool(flags.mfa)),
        ("protected", Value::new_bool(flags.protected)),
        ("single_person", Value::new_bool(flags.single_person)),
    ];
    pairs.extend(model.map(|model| ("model", Value::new_entity_uid(model.clone()))));
    Context::from_pairs(pairs.into_iter().map(|(name, value)| (name.to_owned(), value))).unwrap()
}

/// Every case of an action, the things made by `things`.
pub(super) fn cases(action: Action, things: Samples) -> Vec<Case> {
    facts(action)
        .into_iter()
        .enumerate()
        .map(|(number, fact)| {
            let model = match fact {
                Fact::Feature { of_model, model_live, .. } if action != Action::ReadFeature => {
                    let features: &[&str] = if of_model { &FEATURES } else { &[] };
                    let name = format!("{}{}", if model_live { "l" } else { "r" }, features.len());
                    Some(things.model(&name, model_live, features).unwrap())
                }
                _ => None,
            };
            let resource = resource(action, fact, things, &format!("{action}-{number}"));
            let entities = [Some(resource.clone()), model.clone()].into_iter().flatten().collect();
            Case { fact, resource, model: model.map(|model| model.uid()), entities }
        })
        .collect()
}

fn resource(action: Action, fact: Fact, things: Samples, id: &str) -> Entity {
    match fact {
        Fact::Plain => match action {
            Action::CreateDataset | Action::ManageUsers | Action::ManageConsumers => things.project(),
            Action::ManageSecret => things.secret(id),
            Action::DefineFeature => things.plain(&names::FEATURE_GROUP, id),
            Action::ListReviews => things.plain(&names::REVIEW_QUEUE, id),
            Action::Monitor | Action::AcknowledgeAlert => things.plain(&names::STATISTICS, id),
            _ => things.plain(&names::AUDIT_LOG, id),
        },
        Fact::Model { live } => things.model(id, live, &[]),
        Fact::Version { author, data_author } => things.version(id, name(author), names_of(data_author)),
        Fact::Way {
            author,
            data_author,
            requester,
            approver,
            approval_ended,
            state,
            was_live,
            withdrawn,
        } => {
            let way = sample::Way {
                author: name(author),
                data_authors: list(data_author),
                requested_by: name(requester),
                approved_by: list(approver),
                approval_ends: if approval_ended { NOW } else { NEVER },
                state: if state == State::Requested { "requested" } else { "approved" },
                was_live,
                withdrawn,
            };
            things.deployment(id, way)
        }
        Fact::SignedUrl { user, used, expired } => {
            things.signed_url(id, name(user), if expired { NOW } else { NEVER }, used)
        }
        Fact::Dataset { encrypted, grant } => {
            let key = match grant {
                Grant::None => "foreign",
                Grant::Ended => "ended",
                Grant::Holds => "held",
            };
            things.dataset(id, key, encrypted)
        }
        Fact::Feature { sensitivity, readable, attributable, .. } => {
            let pair = if readable { 2 } else { 4 * usize::from(attributable) };
            things.feature(FEATURES[pair + usize::from(sensitivity > 1)], sensitivity)
        }
        Fact::Route { granted } => things.plain(&names::ROUTE, if granted { "granted" } else { "foreign" }),
        Fact::Item { user, subject, keeper } => {
            things.review_item(id, [name(user), name(subject)], list(keeper))
        }
        Fact::Grant { duty, within_ceiling, pending } => {
            let role = if duty { Role::Admin } else { Role::Reader };
            things.grant(id, role, if within_ceiling { 60 } else { 61 }, acts(pending))
        }
        Fact::Change { break_glass, pending } => {
            things.change(id, if break_glass { "break_glass" } else { "policy" }, acts(pending))
        }
    }
    .unwrap()
}

fn acts(pending: Pending) -> sample::Pending {
    sample::Pending {
        beneficiary: Some(name(pending.beneficiary)),
        proposed_by: name(pending.proposer),
        approved_by: list(pending.approver),
        expires: if pending.ended { NOW } else { NEVER },
    }
}

const BOTH: [bool; 2] = [true, false];

/// Every fact worth asking about.
fn facts(action: Action) -> Vec<Fact> {
    match action {
        Action::Predict
        | Action::Explain
        | Action::Evaluate
        | Action::InspectFeatures
        | Action::RegisterVersion
        | Action::DisableModel => BOTH.map(|live| Fact::Model { live }).to_vec(),
        Action::ViewWeights
        | Action::Export
        | Action::TryCandidate
        | Action::WriteArtifact
        | Action::RequestDeployment => {
            [(Who::Author, Who::DataAuthor), (Who::Me, Who::DataAuthor), (Who::Author, Who::Me)]
                .map(|(author, data_author)| Fact::Version { author, data_author })
                .to_vec()
        }
        Action::ApproveDeployment | Action::ActivateDeployment | Action::UpdateModel | Action::Rollback => {
            ways()
        }
        Action::RedeemUrl => product([Who::Me, Who::Author], BOTH)
            .flat_map(|(user, used)| BOTH.map(|expired| Fact::SignedUrl { user, used, expired }))
            .collect(),
        Action::WriteDataset | Action::RunPipeline | Action::ReadDataset => {
            product(BOTH, [Grant::None, Grant::Ended, Grant::Holds])
                .map(|(encrypted, grant)| Fact::Dataset { encrypted, grant })
                .collect()
        }
        Action::UseFeature | Action::AttributeFeature | Action::ReadFeature => features(),
        Action::Complete | Action::Scan | Action::ConfigureRoute => {
            BOTH.map(|granted| Fact::Route { granted }).to_vec()
        }
        Action::ReadReview | Action::DecideReview | Action::ReadHeld => {
            [(Who::Requester, Who::Subject), (Who::Me, Who::Subject), (Who::Requester, Who::Me)]
                .into_iter()
                .flat_map(|(user, subject)| {
                    [None, Some(Who::Author), Some(Who::Me)].map(|keeper| Fact::Item {
                        user,
                        subject,
                        keeper,
                    })
                })
                .collect()
        }
        Action::Grant => grants(),
        Action::ProposeChange | Action::ApproveChange => [grants(), changes()].concat(),
        Action::ApplyChange => changes(),
        _ => vec![Fact::Plain],
    }
}

fn ways() -> Vec<Fact> {
    let usual = (Who::Author, Some(Who::DataAuthor), Who::Requester, Some(Who::Approver));
    let people = [
        usual,
        (Who::Me, usual.1, usual.2, usual.3),
        (usual.0, Some(Who::Me), usual.2, usual.3),
        (usual.0, None, usual.2, usual.3),
        (usual.0, usual.1, Who::Me, usual.3),
        (usual.0, usual.1, Who::Author, usual.3),
        (usual.0, usual.1, Who::DataAuthor, usual.3),
        (usual.0, usual.1, usual.2, None),
        (usual.0, usual.1, usual.2, Some(Who::Me)),
        (usual.0, usual.1, usual.2, Some(Who::Author)),
        (usual.0, usual.1, usual.2, Some(Who::DataAuthor)),
        (usual.0, usual.1, usual.2, Some(Who::Requester)),
    ];
    let stages = [
        (State::Approved, false, true, false),
        (State::Approved, true, false, false),
        (State::Requested, false, true, true),
        (State::Requested, false, false, false),
    ];
    product(people, stages)
        .map(|((author, data_author, requester, approver), (state, approval_ended, was_live, withdrawn))| {
            Fact::Way { author, data_author, requester, approver, approval_ended, state, was_live, withdrawn }
        })
        .collect()
}

fn features() -> Vec<Fact> {
    let grants = [(false, false), (true, false), (false, true)];
    product(product([1, 2], BOTH), product(BOTH, grants))
        .map(|((sensitivity, of_model), (model_live, (readable, attributable)))| Fact::Feature {
            sensitivity,
            of_model,
            model_live,
            readable,
            attributable,
        })
        .collect()
}

fn pendings() -> Vec<Pending> {
    let usual = Pending {
        proposer: Who::Requester,
        beneficiary: Who::Subject,
        approver: Some(Who::Approver),
        ended: false,
    };
    vec![
        usual,
        Pending { ended: true, ..usual },
        Pending { proposer: Who::Me, ..usual },
        Pending { beneficiary: Who::Me, ..usual },
        Pending { approver: None, ..usual },
        Pending { approver: Some(Who::Me), ..usual },
        Pending { approver: Some(Who::Requester), ..usual },
        Pending { approver: Some(Who::Subject), ..usual },
    ]
}

fn grants() -> Vec<Fact> {
    product(product(BOTH, BOTH), pendings())
        .map(|((duty, within_ceiling), pending)| Fact::Grant { duty, within_ceiling, pending })
        .collect()
}

fn changes() -> Vec<Fact> {
    product(BOTH, pendings()).map(|(break_glass, pending)| Fact::Change { break_glass, pending }).collect()
}

fn product<A: Clone, B: Clone>(
    left: impl IntoIterator<Item = A>,
    right: impl IntoIterator<Item = B>,
) -> impl Iterator<Item = (A, B)> {
    let right: Vec<B> = right.into_iter().collect();
    left.into_iter().flat_map(move |left| right.clone().into_iter().map(move |right| (left.clone(), right)))
}

/// Every set of roles.
pub(super) fn role_sets() -> impl Iterator<Item = BTreeSet<Role>> {
    (0_u32..1 << Role::ALL.len()).map(|bits| {
        Role::ALL
            .into_iter()
            .enumerate()
            .filter(|(i, _)| bits & (1 << i) != 0)
            .map(|(_, role)| role)
            .collect()
    })
}

/// Every action that a person can ask for.
pub(super) fn actions() -> impl Iterator<Item = Action> {
    let internal = [Action::LoadArtifact, Action::AppendAudit, Action::ReadSecret];
    Action::ALL.iter().copied().filter(move |action| !internal.contains(action))
}

/// All combinations of what a request carries.
pub(super) fn flags() -> [Flags; 8] {
    std::array::from_fn(|bits| Flags {
        mfa: bits & 1 == 0,
        protected: bits & 2 == 0,
        single_person: bits & 4 != 0,
    })
}

pub(super) fn expect(roles: &BTreeSet<Role>, action: Action, case: &Case, flags: Flags) -> bool {
    oracle::allows(roles, action, case.fact, flags)
}
