use std::collections::BTreeSet;

use mantlet_types::{
    Code, ConsumerId, Kid, Role, Sha256, Timestamp,
    entry::{Event, Phase},
};

use super::*;
use crate::{
    administer::{Deed, administer},
    directory::{Ceiling, Change, KeyState},
    identity::{Arrival, Certificate, Channel},
    mediate::mediate,
    people::{
        issue::IssuedKey,
        users::{DisableUser, InviteUser},
    },
    testing::{BEGIN, CONSUMER, FakePayload, Kit, MODEL, OPERATOR, PROJECT, ask, user},
};

const DAY: i64 = 86_400;

async fn done<D: Deed>(kit: &Kit, arrival: Arrival, deed: D) -> Result<D::Reply, Rejection> {
    administer(kit.gate.clone(), arrival, deed).await.into_parts().0
}

fn request() -> KeyRequest {
    KeyRequest {
        consumer: "new-app".parse().unwrap(),
        project: PROJECT.parse().unwrap(),
        models: BTreeSet::from([MODEL.parse().unwrap()]),
        routes: BTreeSet::new(),
        rate_per_minute: None,
        budget: Default::default(),
        expires_in_days: None,
        networks: Vec::new(),
        monitor: false,
        env: Default::default(),
    }
}

async fn create(kit: &Kit, request: KeyRequest) -> Result<IssuedKey, Rejection> {
    done(kit, kit.operator(), CreateKey::new(request).unwrap()).await
}

fn rotation(which: Which) -> RotateRequest {
    RotateRequest { which, overlap_hours: None, expires_in_days: None, env: Default::default() }
}

fn fraud_app() -> Which {
    Which::Consumer(CONSUMER.parse().unwrap())
}

fn kid_of(key: &str) -> Kid {
    key[9..21].parse().unwrap()
}

#[track_caller]
fn check_refused<T>(outcome: Result<T, Rejection>, code: Code, detail: &str) {
    let rejection = outcome.err().expect("must be refused");
    assert_eq!(rejection.code, code, "{rejection:?}");
    let said = rejection.detail.as_deref().unwrap_or_default();
    assert!(said.contains(detail), "{said}");
}

#[tokio::test]
async fn a_created_key_opens_the_gate_and_is_shown_once() {
    let kit = Kit::new();
    let issued = create(&kit, request()).await.unwrap();
    assert_eq!(issued.expires, BEGIN.plus_seconds(90 * DAY));
    let kid = issued.kid;
    let document = serde_json::to_value(issued.into_document()).unwrap();
    let text = document["key"].as_str().unwrap().to_owned();
    assert_eq!(document["kid"], kid.as_str());
    let principal = kit.authenticate(kit.bearer(&text)).ok().unwrap();
    assert_eq!(principal.id().to_string(), "consumer:new-app");
    // Durable, and nowhere the secret.
    let stored = format!("{:?}", kit.store.changes.lock().unwrap());
    assert!(stored.contains("new-app") && !stored.contains(&text[22..65]));
    let kept = serde_json::to_string(&kit.kept(kid)).unwrap();
    assert!(!kept.contains(&text[22..65]));
    let entries = kit.ledger.take();
    assert!(!format!("{entries:?}").contains(&text[22..65]));
    let phases: Vec<_> = entries.iter().map(|e| (e.event, e.phase, e.status)).collect();
    let key_create = Event::KeyCreate;
    assert_eq!(phases, [(key_create, Phase::Intent, None), (key_create, Phase::Outcome, Some(200))]);
    for entry in &entries {
        assert_eq!(entry.subject.as_ref().unwrap().as_str(), format!("consumer:new-app/{kid}"));
        assert_eq!(entry.principal.as_ref().unwrap().to_string(), format!("user:{OPERATOR}"));
    }
}

#[tokio::test]
async fn wrong_requests_for_keys() {
    let kit = Kit::new();
    let argument = Code::InvalidArgument;
    for days in [0, 366, u32::MAX] {
        check_refused(
            create(&kit, KeyRequest { expires_in_days: Some(days), ..request() }).await,
            argument,
            "365",
        );
    }
    let nothing = KeyRequest { models: BTreeSet::new(), ..request() };
    check_refused(create(&kit, nothing).await, argument, "opens nothing");
    check_refused(create(&kit, KeyRequest { rate_per_minute: Some(0), ..request() }).await, argument, "rate");
    let networks = |text: &str| vec![text.to_owned()];
    let bad = KeyRequest { networks: networks("10.0.0.1/8"), ..request() };
    check_refused(create(&kit, bad).await, argument, "10.0.0.0/8");
    let many = KeyRequest { networks: vec!["10.0.0.1".to_owned(); 33], ..request() };
    check_refused(create(&kit, many).await, argument, "32");
    let unknown = KeyRequest { models: BTreeSet::from(["ghost".parse().unwrap()]), ..request() };
    check_refused(create(&kit, unknown).await, Code::NotFound, "no model `ghost` in project `home`");
    assert_eq!(kit.store.changes.lock().unwrap().len(), 0, "nothing of it was kept");
}

#[tokio::test]
async fn nobody_gives_more_than_the_ceiling() {
    let kit = Kit::new();
    assert!(create(&kit, KeyRequest { rate_per_minute: Some(600), ..request() }).await.is_ok());
    let other =
        |rate| KeyRequest { consumer: "b".parse().unwrap(), rate_per_minute: Some(rate), ..request() };
    check_refused(create(&kit, other(601)).await, Code::Forbidden, "");
    let monitor = KeyRequest { consumer: "c".parse().unwrap(), monitor: true, ..request() };
    check_refused(create(&kit, monitor.clone()).await, Code::Forbidden, "ceiling");
    let mut operator = kit.gate.snapshot().directory.users[OPERATOR].clone();
    operator.ceiling.as_mut().unwrap().roles.insert(Role::Monitor);
    kit.change(&[Change::PutUser(OPERATOR.parse().unwrap(), operator)]);
    assert!(create(&kit, monitor).await.is_ok());
}

#[tokio::test]
async fn only_operators_with_both_factors_make_keys() {
    let kit = Kit::new();
    let people = [Role::Reader, Role::Admin, Role::Security, Role::MlEngineer];
    for role in people {
        kit.change(&[Change::PutUser("bob".parse().unwrap(), user(&[role]))]);
        let arrival = kit.bearer(&kit.key("user:bob").1);
        assert!(done(&kit, arrival, CreateKey::new(request()).unwrap()).await.is_err(), "{role}");
    }
    let create = || CreateKey::new(request()).unwrap();
    assert!(done(&kit, kit.bearer(&kit.operator_key), create()).await.is_err(), "one factor");
    assert!(done(&kit, kit.bearer(&kit.consumer_key), create()).await.is_err(), "an application");
    assert!(done(&kit, kit.local_owner(), create()).await.is_ok());
}

#[tokio::test]
async fn at_most_two_keys_are_valid() {
    let kit = Kit::new();
    let again = || KeyRequest { consumer: CONSUMER.parse().unwrap(), ..request() };
    create(&kit, again()).await.unwrap();
    check_refused(create(&kit, again()).await, Code::Conflict, "2 valid keys");
}

#[tokio::test]
async fn a_second_key_has_the_scope_of_the_first() {
    let kit = Kit::new();
    let again = KeyRequest { consumer: CONSUMER.parse().unwrap(), ..request() };
    check_refused(
        create(&kit, KeyRequest { rate_per_minute: Some(61), ..again.clone() }).await,
        Code::Conflict,
        "another scope",
    );
    let silent = KeyRequest { models: BTreeSet::new(), ..again };
    assert!(create(&kit, silent).await.is_ok());
    let consumer = kit.gate.snapshot().directory.consumers[CONSUMER].clone();
    assert_eq!((consumer.models.len(), consumer.rate_per_minute), (1, 60));
}

#[tokio::test]
async fn rotation_overlaps_and_ends() {
    let kit = Kit::new();
    let issued = done(&kit, kit.operator(), RotateKey::new(rotation(fraud_app())).unwrap()).await.unwrap();
    let new = issued.into_document().key;
    let both = |kit: &Kit| {
        let ok = |key: &str| kit.authenticate(kit.bearer(key)).is_ok();
        (ok(&kit.consumer_key), ok(&new))
    };
    assert_eq!(both(&kit), (true, true));
    let until = BEGIN.plus_seconds(DAY);
    assert_eq!(kit.kept(kid_of(&kit.consumer_key)).state, KeyState::Retiring { until });
    kit.clock.set(Timestamp::from_micros(until.micros() - 1));
    assert_eq!(both(&kit), (true, true));
    kit.clock.set(until);
    assert_eq!(both(&kit), (false, true));
    // And again, now that there is room.
    assert!(done(&kit, kit.operator(), RotateKey::new(rotation(fraud_app())).unwrap()).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_rotated() {
    let kit = Kit::new();
    let rotate = |request| done(&kit, kit.operator(), RotateKey::new(request).unwrap());
    let long = RotateRequest { overlap_hours: Some(169), ..rotation(fraud_app()) };
    check_refused(rotate(long).await, Code::InvalidArgument, "168");
    check_refused(rotate(rotation(Which::Kid("000000000000".parse().unwrap()))).await, Code::NotFound, "");
    let ghost = Which::Consumer(ConsumerId::try_from("ghost".to_owned()).unwrap());
    check_refused(rotate(rotation(ghost)).await, Code::NotFound, "");
    let old = Which::Kid(kid_of(&kit.consumer_key));
    rotate(rotation(old.clone())).await.unwrap();
    check_refused(rotate(rotation(old)).await, Code::Conflict, "not yet replaced");
    check_refused(rotate(rotation(fraud_app())).await, Code::Conflict, "2 valid keys");
}

#[tokio::test]
async fn rotation_needs_the_right_to_give_what_the_key_gives() {
    let kit = Kit::new();
    let mut operator = kit.gate.snapshot().directory.users[OPERATOR].clone();
    operator.ceiling = Some(Ceiling { roles: BTreeSet::new(), models: None, rate_per_minute: 59 });
    kit.change(&[Change::PutUser(OPERATOR.parse().unwrap(), operator)]);
    let outcome = done(&kit, kit.operator(), RotateKey::new(rotation(fraud_app())).unwrap()).await;
    check_refused(outcome, Code::Forbidden, "");
    assert!(done(&kit, kit.operator(), RevokeKey { kid: kid_of(&kit.consumer_key) }).await.is_ok());
}

#[tokio::test]
async fn a_person_rotates_their_own_key_with_both_factors() {
    let kit = Kit::new();
    let own = || RotateKey::new(rotation(Which::Kid(kid_of(&kit.operator_key)))).unwrap();
    check_refused(done(&kit, kit.bearer(&kit.operator_key), own()).await, Code::Forbidden, "second factor");
    assert!(done(&kit, kit.operator(), own()).await.is_ok());
    let last = kit.ledger.take().pop().unwrap();
    assert_eq!(last.policy_ids[0].as_str(), "own_credential");
}

#[tokio::test]
async fn nobody_gets_the_key_of_somebody_with_a_duty() {
    let kit = Kit::new();
    kit.change(&[Change::PutUser("sue".parse().unwrap(), user(&[Role::Security]))]);
    let (kid, _) = kit.key("user:sue");
    let rotate = || RotateKey::new(rotation(Which::Kid(kid))).unwrap();
    check_refused(done(&kit, kit.operator(), rotate()).await, Code::Conflict, "has a duty");
    kit.change(&[Change::PutUser("sue".parse().unwrap(), user(&[Role::Reader]))]);
    assert!(done(&kit, kit.operator(), rotate()).await.is_ok());
}

#[tokio::test]
async fn a_revoked_key_is_revoked_for_good() {
    let kit = Kit::new();
    let kid = kid_of(&kit.consumer_key);
    for _ in 0..2 {
        let revoked = done(&kit, kit.operator(), RevokeKey { kid }).await.unwrap();
        assert_eq!(revoked.owner.to_string(), format!("consumer:{CONSUMER}"));
        assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_err());
    }
    assert_eq!(kit.store.changes.lock().unwrap().len(), 1);
    let own = RevokeKey { kid: kid_of(&kit.operator_key) };
    assert!(done(&kit, kit.bearer(&kit.operator_key), own).await.is_ok(), "one's own, with one factor");
    let gone = RevokeKey { kid: "000000000000".parse().unwrap() };
    check_refused(done(&kit, kit.local_owner(), gone).await, Code::NotFound, "");
}

#[tokio::test]
async fn another_project_s_keys_do_not_exist() {
    let kit = Kit::new();
    let other = Change::AddProject("other".parse().unwrap());
    let mut consumer = kit.gate.snapshot().directory.consumers[CONSUMER].clone();
    consumer.project = "other".parse().unwrap();
    kit.change(&[other, Change::PutConsumer("theirs".parse().unwrap(), consumer)]);
    let (kid, _) = kit.key("consumer:theirs");
    check_refused(done(&kit, kit.operator(), RevokeKey { kid }).await, Code::NotFound, "");
    let rotate = RotateKey::new(rotation(Which::Kid(kid))).unwrap();
    check_refused(done(&kit, kit.operator(), rotate).await, Code::NotFound, "");
    let listed = done(&kit, kit.operator(), ListKeys::default()).await.unwrap();
    assert!(listed.iter().all(|info| info.kid != kid));
}

#[tokio::test]
async fn lists_show_what_one_may_manage_and_warn() {
    let kit = Kit::new();
    kit.change(&[Change::PutUser("bob".parse().unwrap(), user(&[Role::Reader]))]);
    let (bobs, key) = kit.key("user:bob");
    let listed = done(&kit, kit.operator(), ListKeys::default()).await.unwrap();
    let owners: Vec<String> = listed.iter().map(|info| info.owner.to_string()).collect();
    assert_eq!(owners, ["user:bob", "user:olga", "consumer:fraud-app"]);
    assert!(listed.iter().all(|info| info.days_left == 90 && !info.ends_soon));
    let of_app = ListKeys { consumer: Some(CONSUMER.parse().unwrap()), ..ListKeys::default() };
    assert_eq!(done(&kit, kit.operator(), of_app).await.unwrap().len(), 1);
    let own = done(&kit, kit.bearer(&key), ListKeys::default()).await.unwrap();
    assert_eq!(own.iter().map(|info| info.kid).collect::<Vec<_>>(), [bobs]);
    for (day, soon) in [(76, false), (77, true)] {
        kit.clock.set(BEGIN.plus_seconds(day * DAY));
        let own = done(&kit, kit.bearer(&key), ListKeys::default()).await.unwrap();
        assert_eq!((own[0].days_left, own[0].ends_soon), (90 - day, soon));
    }
}

#[tokio::test]
async fn what_the_store_does_not_take_is_not_done() {
    let kit = Kit::new();
    kit.store.fail();
    check_refused(create(&kit, request()).await, Code::Unavailable, "");
    assert!(!kit.gate.snapshot().directory.consumers.contains_key("new-app"));
    let outcome = kit.ledger.take().pop().unwrap();
    assert_eq!((outcome.phase, outcome.status), (Phase::Outcome, Some(503)));
}

#[tokio::test]
async fn without_a_log_nothing_is_done() {
    let kit = Kit::new();
    kit.ledger.close();
    check_refused(create(&kit, request()).await, Code::AuditUnavailable, "");
    assert_eq!(kit.store.changes.lock().unwrap().len(), 0);
    assert!(!kit.gate.snapshot().directory.consumers.contains_key("new-app"));
}

/// A team in which `olga` has invited `bob`, whose key she has therefore seen; his certificate is his alone.
async fn invited(kit: &Kit) -> (Kid, String) {
    let invitation =
        serde_json::json!({ "user": "bob", "project": PROJECT, "certificate": Sha256([0xB0; 32]) });
    let invitation = serde_json::from_value(invitation).unwrap();
    let issued = done(kit, kit.operator(), InviteUser::new(invitation).unwrap()).await.unwrap();
    (issued.kid, issued.into_document().key.as_str().to_owned())
}

fn bob(kit: &Kit, key: &str) -> Arrival {
    let expires = BEGIN.plus_seconds(30 * DAY);
    let certificate = Certificate { digest: Sha256([0xB0; 32]), user: "bob".parse().unwrap(), expires };
    Arrival { channel: Channel::Tls(Some(certificate)), ..kit.bearer(key) }
}

/// Past the doors: the duty that bob got before keys were marked, or at the founding.
fn bind_bob(kit: &Kit, role: Role) {
    let mut bob = kit.gate.snapshot().directory.users["bob"].clone();
    bob.bindings.insert(role, [PROJECT.parse().unwrap()].into());
    kit.change(&[Change::PutUser("bob".parse().unwrap(), bob)]);
}

#[tokio::test]
async fn a_key_that_the_inviter_has_seen_does_not_speak_for_a_duty() {
    let kit = Kit::new();
    let (kid, key) = invited(&kit).await;
    assert!(kit.kept(kid).handed_over);
    assert!(
        kit.authenticate(kit.bearer(&key)).ok().unwrap().confined().is_none(),
        "no duty, nothing to join"
    );
    bind_bob(&kit, Role::Security);
    let next = format!("mantlet --as DIR key rotate {kid}");
    // What a security person may: here it is the inviter who asks.
    for arrival in [kit.bearer(&key), bob(&kit, &key)] {
        let log = crate::people::roles::RoleMatrix;
        assert!(done(&kit, arrival, log).await.is_err());
    }
    check_refused(
        done(&kit, bob(&kit, &key), DisableUser { user: "ada".parse().unwrap() }).await,
        Code::Forbidden,
        &next,
    );
    check_refused(done(&kit, bob(&kit, &key), RevokeKey { kid }).await, Code::Forbidden, &next);
    assert!(done(&kit, bob(&kit, &key), ListKeys::default()).await.unwrap().is_empty());
    let answer =
        mediate(kit.gate.clone(), kit.bearer(&key), ask(), FakePayload::rows(1)).await.into_parts().0;
    check_refused(answer, Code::Forbidden, &next);
    let entry = kit.ledger.take().pop().unwrap();
    assert!(entry.policy_ids.iter().any(|id| id.as_str() == "key_handed_over"));
    // Another key of bob's is not the confined one's to replace either.
    let (other, _) = kit.key("user:bob");
    let replace = |kid| RotateKey::new(rotation(Which::Kid(kid))).unwrap();
    check_refused(done(&kit, bob(&kit, &key), replace(other)).await, Code::Forbidden, &next);
    done(&kit, kit.local_owner(), RevokeKey { kid: other }).await.unwrap();
    // Bob replaces it, with his certificate; then it is his.
    check_refused(done(&kit, kit.bearer(&key), replace(kid)).await, Code::Forbidden, "second factor");
    let own = done(&kit, bob(&kit, &key), replace(kid)).await.unwrap();
    assert!(!kit.kept(own.kid).handed_over);
    assert!(kit.authenticate(kit.bearer(&key)).is_err(), "the overlap would be the inviter's");
    let own = own.into_document().key;
    assert!(done(&kit, bob(&kit, &own), crate::people::roles::RoleMatrix).await.is_ok());
}

#[tokio::test]
async fn a_key_replaced_by_another_is_that_other_s_too() {
    let kit = Kit::new();
    let (kid, key) = invited(&kit).await;
    let own =
        done(&kit, bob(&kit, &key), RotateKey::new(rotation(Which::Kid(kid))).unwrap()).await.unwrap().kid;
    assert!(!kit.kept(own).handed_over);
    let again =
        done(&kit, kit.operator(), RotateKey::new(rotation(Which::Kid(own))).unwrap()).await.unwrap().kid;
    assert!(kit.kept(again).handed_over);
}

#[tokio::test]
async fn in_a_one_person_home_keys_pass_from_hand_to_hand() {
    let kit = Kit::with(|snapshot| std::sync::Arc::make_mut(&mut snapshot.settings).single_person = true);
    let (_, key) = invited(&kit).await;
    bind_bob(&kit, Role::Security);
    assert!(done(&kit, bob(&kit, &key), crate::people::roles::RoleMatrix).await.is_ok());
}
