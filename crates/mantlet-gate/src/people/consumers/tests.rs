use mantlet_types::{
    limits::{IDENTITIES_MAX, IDENTITIES_REMOVED_MAX},
    workload::WorkloadIdentity,
};

use super::*;
use crate::{
    administer::administer,
    identity::workload::{Holders, Trusted},
    people::keys::{CreateKey, KeyRequest},
    testing::{BEGIN, CONSUMER, Kit, MODEL, OPERATOR, PROJECT},
};

async fn done<D: Deed>(kit: &Kit, deed: D) -> Result<D::Reply, Rejection> {
    administer(kit.gate.clone(), kit.operator(), deed).await.into_parts().0
}

fn app() -> ConsumerId {
    CONSUMER.parse().unwrap()
}

async fn change(kit: &Kit, request: ConsumerRequest) -> Result<ConsumerInfo, Code> {
    done(kit, ChangeConsumer { consumer: app(), request }).await.map_err(|rejection| rejection.code)
}

fn kept(kit: &Kit) -> Consumer {
    kit.gate.snapshot().directory.consumers[CONSUMER].clone()
}

#[tokio::test]
async fn a_disabled_application_is_out_with_all_its_keys() {
    let kit = Kit::new();
    let (_, second) = kit.key(&format!("consumer:{CONSUMER}"));
    for _ in 0..2 {
        assert!(done(&kit, DisableConsumer { consumer: app() }).await.unwrap().disabled);
    }
    assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_err());
    assert!(kit.authenticate(kit.bearer(&second)).is_err());
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.event, entry.subject.unwrap().as_str()), (Event::ConsumerChange, "consumer:fraud-app"));
    let enabled = ConsumerRequest { disabled: Some(false), ..ConsumerRequest::default() };
    assert!(!change(&kit, enabled).await.unwrap().disabled);
    assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_ok());
}

#[tokio::test]
async fn a_changed_scope_is_within_the_ceiling() {
    let kit = Kit::new();
    let rate = |rate| ConsumerRequest { rate_per_minute: Some(rate), ..ConsumerRequest::default() };
    assert_eq!(change(&kit, rate(10)).await.unwrap().rate_per_minute, 10);
    assert_eq!(change(&kit, rate(600)).await.unwrap().rate_per_minute, 600);
    assert_eq!(change(&kit, rate(601)).await, Err(Code::Forbidden));
    assert_eq!(change(&kit, rate(0)).await, Err(Code::InvalidArgument));
    let models = |names: &[&str]| ConsumerRequest {
        models: Some(names.iter().map(|name| name.parse().unwrap()).collect()),
        ..ConsumerRequest::default()
    };
    assert_eq!(change(&kit, models(&["ghost"])).await, Err(Code::NotFound));
    assert_eq!(change(&kit, models(&[])).await, Err(Code::InvalidArgument));
    let monitor = ConsumerRequest { monitor: Some(true), ..ConsumerRequest::default() };
    assert_eq!(change(&kit, monitor).await, Err(Code::Forbidden));
    assert_eq!((kept(&kit).rate_per_minute, kept(&kit).models.len(), kept(&kit).monitor), (600, 1, false));
}

#[tokio::test]
async fn another_project_s_application_is_as_unknown_as_none() {
    let kit = Kit::new();
    let theirs = Consumer { project: "other".parse().unwrap(), ..kept(&kit) };
    let id = |name: &str| name.parse::<ConsumerId>().unwrap();
    kit.change(&[Change::AddProject("other".parse().unwrap()), Change::PutConsumer(id("theirs"), theirs)]);
    for name in ["theirs", "ghost"] {
        let change = ChangeConsumer { consumer: id(name), request: ConsumerRequest::default() };
        let answers = [
            done(&kit, change).await.unwrap_err(),
            done(&kit, DisableConsumer { consumer: id(name) }).await.unwrap_err(),
        ];
        for answer in answers {
            assert_eq!((answer.code, answer.detail), (Code::NotFound, None), "{name}");
        }
    }
}

fn key_for(consumer: &str) -> KeyRequest {
    let body = serde_json::json!({ "consumer": consumer, "project": PROJECT });
    serde_json::from_value(body).unwrap()
}

#[tokio::test]
async fn asking_for_a_foreign_application_s_key_tells_nothing_of_its_models() {
    let kit = Kit::new();
    let other: ProjectId = "other".parse().unwrap();
    let mut model = kit.gate.snapshot().directory.models[MODEL].clone();
    model.project = other.clone();
    let secret: ModelName = "secret".parse().unwrap();
    let theirs = Consumer { project: other.clone(), models: [secret.clone()].into(), ..kept(&kit) };
    kit.change(&[
        Change::AddProject(other),
        Change::PutModel(secret, model),
        Change::PutConsumer("theirs".parse().unwrap(), theirs),
    ]);
    let request = KeyRequest { models: [MODEL.parse().unwrap()].into(), ..key_for("theirs") };
    for request in [key_for("theirs"), request] {
        let rejection = done(&kit, CreateKey::new(request).unwrap()).await.err().unwrap();
        assert_eq!(
            (rejection.code, rejection.detail.as_deref()),
            (Code::Conflict, Some("the name `theirs` is taken"))
        );
    }
}

#[tokio::test]
async fn nobody_makes_further_keys_with_a_right_beyond_their_ceiling() {
    let kit = Kit::new();
    kit.change(&[Change::PutConsumer(app(), Consumer { monitor: true, ..kept(&kit) })]);
    let rejection = done(&kit, CreateKey::new(key_for(CONSUMER)).unwrap()).await.err().unwrap();
    assert_eq!(
        (rejection.code, rejection.detail.as_deref()),
        (Code::Forbidden, Some("`monitor` is beyond your ceiling"))
    );
    let rotation = serde_json::from_value(serde_json::json!({ "which": { "consumer": CONSUMER } })).unwrap();
    let rotate = crate::people::keys::RotateKey::new(rotation).unwrap();
    assert_eq!(done(&kit, rotate).await.err().unwrap().code, Code::Forbidden);
    let mut operator = kit.gate.snapshot().directory.users[OPERATOR].clone();
    operator.ceiling.as_mut().unwrap().roles.insert(Role::Monitor);
    kit.change(&[Change::PutUser(OPERATOR.parse().unwrap(), operator)]);
    assert!(done(&kit, CreateKey::new(key_for(CONSUMER)).unwrap()).await.is_ok());
}

fn spiffe(path: &str) -> WorkloadIdentity {
    WorkloadIdentity::Spiffe { spiffe: format!("spiffe://prod.example/{path}").parse().unwrap() }
}

/// A gate that knows a trust domain, of which a project has the names that begin like this.
fn trusting_for(project: &str, begin: &str) -> Kit {
    Kit::with(|snapshot| {
        let settings = std::sync::Arc::make_mut(&mut snapshot.settings);
        let holders = Holders::new([(project.parse().unwrap(), begin.into())]);
        settings.trust_domains = vec![Trusted { domain: "prod.example".parse().unwrap(), holders }];
    })
}

fn trusting() -> Kit {
    trusting_for(PROJECT, "/")
}

#[tokio::test]
async fn a_name_is_claimed_for_no_project_that_the_configuration_does_not_give_it_to() {
    let add = async |kit: &Kit, path: &str| {
        let added = done(kit, AddIdentity { consumer: app(), identity: spiffe(path) }).await;
        added.map(drop).map_err(|rejection| rejection.code)
    };
    let own = trusting_for(PROJECT, "/ns/red");
    assert_eq!(add(&own, "ns/red/sa/a").await, Ok(()));
    assert_eq!(add(&own, "ns/reddish/sa/a").await, Err(Code::Forbidden));
    let other = trusting_for("other", "/");
    assert_eq!(add(&other, "ns/red/sa/a").await, Err(Code::Forbidden), "also if nobody has it yet");
    assert!(kept(&other).identities.is_empty());
}

#[tokio::test]
async fn an_identity_is_added_listed_and_removed_with_a_trace() {
    let kit = trusting();
    let add = |path: &str| done(&kit, AddIdentity { consumer: app(), identity: spiffe(path) });
    let added = add("shop").await.unwrap();
    assert_eq!(add("shop").await.unwrap(), added, "adding it again changes nothing");
    assert_eq!(kept(&kit).identities.len(), 1);
    let listed = done(&kit, ListIdentities { consumer: app() }).await.unwrap();
    assert_eq!(listed.as_slice(), std::slice::from_ref(&added));
    let remove = |identity| done(&kit, RemoveIdentity { consumer: app(), identity });
    assert_eq!(remove(added.id).await.unwrap(), added);
    assert_eq!(remove(added.id).await.unwrap_err().code, Code::NotFound);
    assert!(kept(&kit).identities.is_empty());
    // The log knows it by its short form alone; the list says still which one that was.
    let listed = done(&kit, ListIdentities { consumer: app() }).await.unwrap();
    assert_eq!(listed, [IdentityInfo { removed: true, ..added.clone() }]);
    let entries = kit.ledger.take();
    let subject = format!("consumer:{CONSUMER}/{}", added.id);
    let traced = entries.iter().filter(|entry| {
        entry.event == Event::ConsumerChange
            && entry.subject.as_ref().is_some_and(|it| it.as_str() == subject)
    });
    // Two that added, one that removed, each with its intent and its outcome; one more found nothing.
    assert!(traced.count() >= 6, "{entries:?}");
    assert!(
        !serde_json::to_string(&entries).unwrap().contains("prod.example"),
        "a name from outside is in the log"
    );
}

#[tokio::test]
async fn an_identity_is_one_application_s_and_takes_the_rights_of_a_key() {
    let kit = trusting();
    let other: ConsumerId = "other-app".parse().unwrap();
    kit.change(&[Change::PutConsumer(other.clone(), kept(&kit))]);
    let add = |consumer: ConsumerId, identity| done(&kit, AddIdentity { consumer, identity });
    add(app(), spiffe("shop")).await.unwrap();
    let taken = add(other, spiffe("shop")).await.unwrap_err();
    assert_eq!(taken.code, Code::Conflict);
    assert!(!taken.to_string().contains(CONSUMER), "whose it is may be another project's matter");
    let unlisted = WorkloadIdentity::Token { issuer: "ci".parse().unwrap(), subject: "a".parse().unwrap() };
    assert_eq!(add(app(), unlisted).await.unwrap_err().code, Code::InvalidArgument);
    let elsewhere = WorkloadIdentity::Spiffe { spiffe: "spiffe://dev.example/shop".parse().unwrap() };
    assert_eq!(add(app(), elsewhere).await.unwrap_err().code, Code::InvalidArgument);
    assert_eq!(add("ghost".parse().unwrap(), spiffe("x")).await.unwrap_err().code, Code::NotFound);
    // More than the operator may give cannot be opened by an identity either.
    let wide = Consumer { rate_per_minute: 10_000, ..kept(&kit) };
    kit.change(&[Change::PutConsumer(app(), wide)]);
    assert_eq!(add(app(), spiffe("more")).await.unwrap_err().code, Code::Forbidden);
    let full = (0..IDENTITIES_MAX).map(|n| spiffe(&format!("n{n}"))).collect();
    kit.change(&[Change::PutConsumer(
        app(),
        Consumer { identities: full, rate_per_minute: 60, ..kept(&kit) },
    )]);
    assert_eq!(add(app(), spiffe("more")).await.unwrap_err().code, Code::Conflict);
    kit.change(&[Change::PutConsumer(
        app(),
        Consumer { disabled: true, identities: [].into(), ..kept(&kit) },
    )]);
    assert_eq!(add(app(), spiffe("more")).await.unwrap_err().code, Code::Conflict);
}

#[tokio::test]
async fn an_application_is_made_without_a_key() {
    let kit = Kit::new();
    let new = |name: &str, rate, days| NewConsumer {
        consumer: name.parse().unwrap(),
        project: PROJECT.parse().unwrap(),
        models: [MODEL.parse().unwrap()].into(),
        routes: Default::default(),
        rate_per_minute: rate,
        budget: Default::default(),
        monitor: false,
        expires_in_days: days,
    };
    let make = |request| done(&kit, CreateConsumer(request));
    let made = make(new("robot", None, Some(30))).await.unwrap();
    assert_eq!((made.rate_per_minute, made.expires), (60, BEGIN.plus_seconds(30 * 86_400)));
    assert_eq!(make(new("robot", None, None)).await.unwrap_err().code, Code::Conflict);
    assert_eq!(make(new("fast", Some(601), None)).await.unwrap_err().code, Code::Forbidden);
    for days in [0, 366] {
        assert_eq!(make(new("odd", None, Some(days))).await.unwrap_err().code, Code::InvalidArgument);
    }
    assert!(!kit.gate.snapshot().directory.keys.values().any(|key| key.owner.name() == "robot"));
    let longer = ConsumerRequest { expires_in_days: Some(365), ..ConsumerRequest::default() };
    let robot = ChangeConsumer { consumer: "robot".parse().unwrap(), request: longer };
    assert_eq!(done(&kit, robot).await.unwrap().expires, BEGIN.plus_seconds(365 * 86_400));
    assert_eq!(kept(&kit).identities.len(), 0);
}

#[tokio::test]
async fn whoever_could_ask_as_an_application_is_on_record() {
    let trusting = trusting();
    let keepers = |kit: &Kit, consumer: &str| -> Vec<String> {
        let consumer = kit.gate.snapshot().directory.consumers[consumer].clone();
        consumer.keepers.iter().map(ToString::to_string).collect()
    };
    assert!(keepers(&trusting, CONSUMER).is_empty());
    done(&trusting, DisableConsumer { consumer: app() }).await.unwrap();
    assert!(keepers(&trusting, CONSUMER).is_empty(), "who stops it gets hold of nothing");
    let enabled = ConsumerRequest { disabled: Some(false), ..ConsumerRequest::default() };
    change(&trusting, enabled).await.unwrap();
    assert_eq!(keepers(&trusting, CONSUMER), [OPERATOR]);
    let rotated = Kit::new();
    let which = crate::people::keys::Which::Consumer(app());
    let request = crate::people::keys::RotateRequest {
        which,
        overlap_hours: None,
        expires_in_days: Some(1), // the application lasts longer already
        env: crate::identity::key::Env::default(),
    };
    done(&rotated, crate::people::keys::RotateKey::new(request).unwrap()).await.unwrap();
    assert_eq!(keepers(&rotated, CONSUMER), [OPERATOR]);
    let added = self::trusting();
    done(&added, AddIdentity { consumer: app(), identity: spiffe("shop") }).await.unwrap();
    assert_eq!(keepers(&added, CONSUMER), [OPERATOR]);
    let made = Kit::new();
    let robot = KeyRequest { models: [MODEL.parse().unwrap()].into(), ..key_for("robot") };
    done(&made, CreateKey::new(robot).unwrap()).await.unwrap();
    assert_eq!(keepers(&made, "robot"), [OPERATOR]);
    let new = NewConsumer {
        consumer: "second".parse().unwrap(),
        project: PROJECT.parse().unwrap(),
        models: [MODEL.parse().unwrap()].into(),
        routes: Default::default(),
        rate_per_minute: None,
        budget: Default::default(),
        monitor: false,
        expires_in_days: None,
    };
    done(&made, CreateConsumer(new)).await.unwrap();
    assert_eq!(keepers(&made, "second"), [OPERATOR]);
}

#[tokio::test]
async fn an_identity_that_comes_back_was_not_taken_and_few_that_were_are_kept() {
    let kit = trusting();
    for number in 0..IDENTITIES_REMOVED_MAX + 3 {
        let identity = spiffe(&format!("n{number}"));
        let added = done(&kit, AddIdentity { consumer: app(), identity }).await.unwrap();
        done(&kit, RemoveIdentity { consumer: app(), identity: added.id }).await.unwrap();
    }
    assert_eq!(kept(&kit).removed.len(), IDENTITIES_REMOVED_MAX);
    assert_eq!(kept(&kit).removed.first(), Some(&spiffe("n3")), "the oldest go first");
    done(&kit, AddIdentity { consumer: app(), identity: spiffe("n7") }).await.unwrap();
    assert!(!kept(&kit).removed.contains(&spiffe("n7")) && kept(&kit).identities.contains(&spiffe("n7")));
}
