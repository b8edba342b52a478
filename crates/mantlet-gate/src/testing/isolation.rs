//! Two projects of one home, at the doors: what is in one does not exist for whoever belongs to the other.

use std::sync::Arc;

use mantlet_types::{Code, Contract, ModelName, PrincipalId, ProjectId, Rejection, Role, Sha256, UserId};

use super::{BEGIN, CONSUMER, FakeModel, FakePayload, Kit, MODEL, OPERATOR, PROJECT, ask, coin_contract};
use crate::{
    administer::{Deed, administer},
    approvals::{Approve, Item},
    directory::{Change, Consumer, ModelRecord, User},
    identity::{Arrival, Certificate, Channel},
    mediate::{Ask, mediate},
    people::{
        consumers::{ChangeConsumer, ConsumerRequest, DisableConsumer},
        keys::{CreateKey, KeyRequest, ListKeys, RevokeKey, RotateKey, RotateRequest, Which},
        projects::CreateProject,
        roles::{ApplyGrant, AssignRole, Assigned, Assignment, ListRoles, RevokeRole},
        users::{AddCertificate, DisableUser, EnableUser, InviteUser, ListUsers, WithdrawCertificate},
    },
};

const RED_CERTIFICATE: Sha256 = Sha256([0x4E; 32]);

/// The home of the kit, and beside it project `red` with an operator `rita`, a reader `rob`, an application `red-app`
/// and a model `red-coin`.
async fn two_projects() -> Kit {
    let kit = Kit::with(|snapshot| {
        let contract = Contract { model: model("red-coin"), project: project("red"), ..coin_contract() };
        let served = snapshot.models[MODEL].clone();
        snapshot.models.insert(model("red-coin"), served);
        let versions = &mut snapshot.models.get_mut("red-coin").unwrap().versions;
        let compute = |tensors: Vec<_>| Ok(vec![super::fakes::coin(&tensors)]);
        versions.insert(contract.version, Arc::new(FakeModel::new(contract, compute)));
    });
    let made = CreateProject { project: project("red") };
    let _ = administer(Arc::clone(&kit.gate), kit.operator(), made).await.into_parts().0.unwrap();
    let snapshot = kit.gate.snapshot();
    let directory = &snapshot.directory;
    let bound = |role| User {
        projects: [project("red")].into(),
        bindings: [(role, [project("red")].into())].into(),
        ceiling: directory.users[OPERATOR].ceiling.clone().filter(|_| role == Role::Operator),
        ..User::default()
    };
    let rita = User { certificates: [RED_CERTIFICATE].into(), ..bound(Role::Operator) };
    let red_app = Consumer {
        routes: Default::default(),
        project: project("red"),
        models: [model("red-coin")].into(),
        ..directory.consumers[CONSUMER].clone()
    };
    let red_coin = ModelRecord { project: project("red"), ..directory.models[MODEL].clone() };
    kit.change(&[
        Change::PutUser(person("rita"), rita),
        Change::PutUser(person("rob"), bound(Role::Reader)),
        Change::PutConsumer("red-app".parse().unwrap(), red_app),
        Change::PutModel(model("red-coin"), red_coin),
    ]);
    // The project is rita's now: whoever made it has no part in it any more.
    let role = Assignment { user: person(OPERATOR), role: "operator".into(), project: project("red") };
    let mut olga = kit.gate.snapshot().directory.users[OPERATOR].clone();
    kit.done(&kit.rita(), RevokeRole(role)).await.unwrap();
    olga.projects.remove("red");
    olga.bindings = [(Role::Operator, [project(PROJECT)].into())].into();
    kit.change(&[Change::PutUser(person(OPERATOR), olga)]);
    kit
}

fn project(name: &str) -> ProjectId {
    name.parse().unwrap()
}

fn model(name: &str) -> ModelName {
    name.parse().unwrap()
}

fn person(name: &str) -> UserId {
    name.parse().unwrap()
}

/// Somebody's key, with a certificate if they have one.
type Somebody = (String, Option<Certificate>);

impl Kit {
    fn rita(&self) -> Somebody {
        let expires = BEGIN.plus_seconds(86_400);
        let certificate = Certificate { digest: RED_CERTIFICATE, user: person("rita"), expires };
        (self.key("user:rita").1, Some(certificate))
    }

    fn by(&self, (key, certificate): &Somebody) -> Arrival {
        Arrival { channel: Channel::Tls(certificate.clone()), ..self.bearer(key) }
    }

    async fn done<D: Deed>(&self, who: &Somebody, deed: D) -> Result<D::Reply, Rejection> {
        administer(Arc::clone(&self.gate), self.by(who), deed).await.into_parts().0
    }

    /// What asking this model comes to.
    async fn asked(&self, who: &Somebody, name: &str) -> Result<(), (Code, Option<String>)> {
        let ask = Ask { model: model(name), ..ask() };
        let answer = mediate(Arc::clone(&self.gate), self.by(who), ask, FakePayload::rows(1)).await;
        answer
            .into_parts()
            .0
            .map(drop)
            .map_err(|rejection| (rejection.code, rejection.detail.map(String::from)))
    }
}

#[tokio::test]
async fn a_question_to_the_other_project_s_model_is_one_to_none() {
    let kit = two_projects().await;
    let home = [(kit.consumer_key.clone(), None), (kit.operator_key.clone(), None)];
    let red = [(kit.key("consumer:red-app").1, None), (kit.key("user:rob").1, None), kit.rita()];
    assert!(kit.asked(&home[0], MODEL).await.is_ok() && kit.asked(&red[0], "red-coin").await.is_ok());
    assert!(kit.asked(&red[1], "red-coin").await.is_ok());
    for (people, theirs) in [(&home[..], "red-coin"), (&red[..], MODEL)] {
        for who in people {
            let answer = kit.asked(who, theirs).await;
            assert_eq!(answer, kit.asked(who, "no-model").await, "{theirs}");
            assert_eq!(answer, Err((Code::NotFound, None)), "{theirs}");
        }
    }
}

/// Everything that `rita` may do in her project, tried on what is in another.
async fn try_everything(
    kit: &Kit,
    app: &str,
    user: &str,
    at: &ProjectId,
    kid: &str,
) -> Vec<(Code, Option<String>)> {
    let rita = kit.rita();
    let mut said = Vec::new();
    let mut hear = |outcome: Result<(), Rejection>| {
        let rejection = outcome.expect_err("must be refused");
        said.push((rejection.code, rejection.detail.map(String::from)));
    };
    let consumer = || app.parse().unwrap();
    let key = KeyRequest {
        routes: Default::default(),
        consumer: "new-app".parse().unwrap(),
        project: at.clone(),
        models: [model(MODEL)].into(),
        rate_per_minute: None,
        budget: Default::default(),
        expires_in_days: None,
        networks: Vec::new(),
        monitor: false,
        env: Default::default(),
    };
    let rotation =
        |which| RotateRequest { which, overlap_hours: None, expires_in_days: None, env: Default::default() };
    let role = || Assignment { user: person(user), role: "reader".into(), project: at.clone() };
    let invitation = serde_json::json!({ "user": "newcomer", "project": at });
    let invitation = serde_json::from_value(invitation).unwrap();
    let kid = || kid.parse().unwrap();
    let digest = Sha256([9; 32]);
    hear(kit.done(&rita, CreateKey::new(key).unwrap()).await.map(drop));
    hear(kit.done(&rita, RevokeKey { kid: kid() }).await.map(drop));
    hear(kit.done(&rita, RotateKey::new(rotation(Which::Kid(kid()))).unwrap()).await.map(drop));
    hear(kit.done(&rita, RotateKey::new(rotation(Which::Consumer(consumer()))).unwrap()).await.map(drop));
    hear(kit.done(&rita, DisableConsumer { consumer: consumer() }).await.map(drop));
    let request = ConsumerRequest { rate_per_minute: Some(1), ..ConsumerRequest::default() };
    hear(kit.done(&rita, ChangeConsumer { consumer: consumer(), request }).await.map(drop));
    hear(kit.done(&rita, InviteUser::new(invitation).unwrap()).await.map(drop));
    hear(kit.done(&rita, DisableUser { user: person(user) }).await);
    hear(kit.done(&rita, EnableUser { user: person(user) }).await);
    hear(kit.done(&rita, AddCertificate { user: person(user), digest }).await.map(drop));
    hear(kit.done(&rita, WithdrawCertificate { user: person(user), digest }).await.map(drop));
    hear(kit.done(&rita, AssignRole(role())).await.map(drop));
    hear(kit.done(&rita, RevokeRole(role())).await.map(drop));
    // And joining somebody from there to the own project.
    let here = Assignment { project: project("red"), ..role() };
    hear(kit.done(&rita, AssignRole(here)).await.map(drop));
    said
}

#[tokio::test]
async fn what_an_operator_does_to_the_other_project_is_done_to_nothing() {
    let kit = two_projects().await;
    let (kid, _) = kit.key(&format!("consumer:{CONSUMER}"));
    let before = kit.gate.snapshot().generation;
    let theirs = try_everything(&kit, CONSUMER, "ada", &project(PROJECT), kid.as_str()).await;
    let none = try_everything(&kit, "no-app", "nobody", &project("nowhere"), "000000000000").await;
    assert_eq!(theirs, none, "what is there and what is not answer alike");
    assert!(theirs.iter().all(|(code, _)| *code == Code::NotFound), "{theirs:?}");
    // Two keys were made for `rita` herself, past the doors; the doors changed nothing.
    assert_eq!(kit.gate.snapshot().generation, before + 2);
    assert!(
        kit.store.changes.lock().unwrap().iter().all(|change| !matches!(change, Change::PutConsumer(..)))
    );
}

#[tokio::test]
async fn lists_end_where_the_project_ends() {
    let kit = two_projects().await;
    let (rita, olga) = (kit.rita(), (kit.operator_key.clone(), None));
    let _ = kit.key("consumer:red-app");
    kit.change(&[Change::PutUser(person("ann"), super::user(&[]))]);
    let owners = async |who: &Somebody| {
        let listed = kit.done(who, ListKeys::default()).await.unwrap();
        listed.into_iter().map(|info| info.owner).collect::<std::collections::BTreeSet<PrincipalId>>()
    };
    let (of_rita, of_olga) = (owners(&rita).await, owners(&olga).await);
    assert!(of_rita.contains(&"consumer:red-app".parse().unwrap()));
    assert!(of_rita.is_disjoint(&of_olga), "{of_rita:?} {of_olga:?}");
    let people = kit.done(&rita, ListUsers::default()).await.unwrap();
    assert!(people.iter().all(|info| info.projects == [project("red")].into()), "{people:?}");
    let roles = kit.done(&rita, ListRoles).await.unwrap();
    assert!(
        !roles.bindings.is_empty() && roles.bindings.iter().all(|binding| binding.project == project("red"))
    );
}

#[tokio::test]
async fn a_grant_waits_in_its_own_project() {
    let kit = two_projects().await;
    let security = User { certificates: [super::CERTIFICATE].into(), ..super::user(&[Role::Security]) };
    let mut olga = kit.gate.snapshot().directory.users[OPERATOR].clone();
    olga.ceiling.as_mut().unwrap().roles = Role::ALL.into_iter().collect();
    let newcomer = super::user(&[]);
    kit.change(&[
        Change::PutUser(person("sue"), security),
        Change::PutUser(person(OPERATOR), olga),
        Change::PutUser(person("ann"), newcomer),
    ]);
    let role = Assignment { user: person("ann"), role: "admin".into(), project: project(PROJECT) };
    let proposed =
        administer(Arc::clone(&kit.gate), kit.operator(), AssignRole(role)).await.into_parts().0.unwrap();
    let Assigned::Pending { grant: number, .. } = proposed else { panic!("{proposed:?}") };
    for number in [number, number ^ 1] {
        let answers = [
            kit.done(&kit.rita(), Approve { item: Item::Grant(number), signed: None }).await.err().unwrap(),
            kit.done(&kit.rita(), ApplyGrant { number }).await.err().unwrap(),
        ];
        assert!(answers.iter().all(|answer| (answer.code, &answer.detail) == (Code::NotFound, &None)));
    }
}
