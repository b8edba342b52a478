use mantlet_types::{Code, Timestamp};

use super::*;
use crate::{
    administer::administer,
    identity::{Arrival, Certificate, Channel},
    testing::{BEGIN, CERTIFICATE, Kit, OPERATOR, PROJECT, user},
};

async fn done<D: Deed>(kit: &Kit, arrival: Arrival, deed: D) -> Result<D::Reply, Rejection> {
    administer(kit.gate.clone(), arrival, deed).await.into_parts().0
}

fn invitation(name: &str) -> Invitation {
    Invitation {
        user: name.parse().unwrap(),
        project: PROJECT.parse().unwrap(),
        certificate: Some(Sha256([0xB0; 32])),
        expires_in_days: Some(30),
    }
}

async fn invite(kit: &Kit, invitation: Invitation) -> Result<IssuedKey, Rejection> {
    done(kit, kit.operator(), InviteUser::new(invitation).unwrap()).await
}

#[tokio::test]
async fn an_invited_person_is_known_by_both_factors_and_may_nothing() {
    let kit = Kit::new();
    let issued = invite(&kit, invitation("bob")).await.unwrap();
    assert_eq!(issued.expires, BEGIN.plus_seconds(30 * 86_400));
    let key = issued.into_document().key;
    let certificate = Certificate {
        digest: Sha256([0xB0; 32]),
        user: "bob".parse().unwrap(),
        expires: BEGIN.plus_seconds(86_400),
    };
    let arrival = || Arrival { channel: Channel::Tls(Some(certificate.clone())), ..kit.bearer(&key) };
    assert!(kit.authenticate(arrival()).ok().unwrap().mfa());
    let bob = kit.gate.snapshot().directory.users["bob"].clone();
    assert!(bob.bindings.is_empty() && bob.ceiling.is_none() && bob.projects.contains(PROJECT));
    assert!(done(&kit, arrival(), InviteUser::new(invitation("eve")).unwrap()).await.is_err());
}

#[tokio::test]
async fn names_and_certificates_are_one_person_s() {
    let kit = Kit::new();
    for name in [OPERATOR, "ada"] {
        assert_eq!(invite(&kit, invitation(name)).await.err().unwrap().code, Code::Conflict);
    }
    let shared = Invitation { certificate: Some(CERTIFICATE), ..invitation("bob") };
    assert_eq!(invite(&kit, shared).await.err().unwrap().code, Code::Conflict);
    let elsewhere = Invitation { project: "other".parse().unwrap(), ..invitation("bob") };
    assert_eq!(invite(&kit, elsewhere).await.err().unwrap().code, Code::NotFound);
    assert!(!kit.gate.snapshot().directory.users.contains_key("bob"));
}

#[tokio::test]
async fn a_disabled_person_is_out_at_once() {
    let kit = Kit::new();
    let (_, key) = kit.key("user:ada");
    assert!(kit.authenticate(kit.bearer(&key)).is_ok());
    let disable = |name: &str| DisableUser { user: name.parse().unwrap() };
    done(&kit, kit.operator(), disable("ada")).await.unwrap();
    assert!(kit.authenticate(kit.bearer(&key)).is_err());
    done(&kit, kit.operator(), disable("ada")).await.unwrap();
    assert_eq!(done(&kit, kit.operator(), disable(OPERATOR)).await.err().unwrap().code, Code::Conflict);
    assert_eq!(done(&kit, kit.operator(), disable("ghost")).await.err().unwrap().code, Code::NotFound);
}

#[tokio::test]
async fn belonging_elsewhere_too_shields_nobody_from_an_operator() {
    let kit = Kit::new();
    let mut bob = user(&[Role::Reader]);
    let other: ProjectId = "other".parse().unwrap();
    bob.projects.insert(other.clone());
    bob.bindings.insert(Role::Analyst, BTreeSet::from([other.clone()]));
    kit.change(&[Change::AddProject(other.clone()), Change::PutUser("bob".parse().unwrap(), bob)]);
    let bob = || "bob".parse::<mantlet_types::UserId>().unwrap();
    done(&kit, kit.operator(), DisableUser { user: bob() }).await.unwrap();
    assert!(kit.gate.snapshot().directory.users["bob"].disabled);
    // What others may have done is not one operator's to undo.
    let enabled = done(&kit, kit.operator(), EnableUser { user: bob() }).await;
    assert_eq!(enabled.err().unwrap().code, Code::NotFound);
    // And what bob is elsewhere does not show here.
    let listed = done(&kit, kit.operator(), ListUsers::default()).await.unwrap();
    let bob = listed.iter().find(|info| info.user.as_str() == "bob").unwrap();
    assert_eq!(bob.projects.len(), 1);
    assert_eq!(bob.roles.keys().collect::<Vec<_>>(), [&Role::Reader]);
    let there = ListUsers { project: Some(other) };
    assert!(done(&kit, kit.operator(), there).await.unwrap().is_empty());
}

#[tokio::test]
async fn everybody_sees_themselves() {
    let kit = Kit::new();
    let (_, key) = kit.key("user:ada");
    let listed = done(&kit, kit.bearer(&key), ListUsers::default()).await.unwrap();
    assert_eq!(listed.iter().map(|info| info.user.as_str()).collect::<Vec<_>>(), ["ada"]);
    kit.clock.set(Timestamp::from_micros(BEGIN.micros() + 1));
    let all = done(&kit, kit.operator(), ListUsers::default()).await.unwrap();
    assert_eq!(all.iter().map(|info| info.user.as_str()).collect::<Vec<_>>(), ["ada", OPERATOR]);
}

fn digest(byte: u8) -> Sha256 {
    Sha256([byte; 32])
}

fn olga() -> mantlet_types::UserId {
    OPERATOR.parse().unwrap()
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_and_withdrawn_when_it_is_lost() {
    let kit = Kit::new();
    let add = || AddCertificate { user: olga(), digest: digest(2) };
    let alone = done(&kit, kit.bearer(&kit.operator_key), add()).await.err().unwrap();
    assert_eq!(alone.code, Code::Forbidden, "a stolen key alone gets no second factor");
    let added = done(&kit, kit.operator(), add()).await.unwrap();
    assert_eq!(added.certificates, [CERTIFICATE, digest(2)].into());
    let with = |digest| {
        let expires = BEGIN.plus_seconds(86_400);
        let certificate = Certificate { digest, user: olga(), expires };
        Arrival { channel: Channel::Tls(Some(certificate)), ..kit.bearer(&kit.operator_key) }
    };
    assert!(kit.authenticate(with(digest(2))).ok().unwrap().mfa());
    let withdraw = |digest| WithdrawCertificate { user: olga(), digest };
    // By the key alone: the certificate is what somebody else has now.
    let left = done(&kit, kit.bearer(&kit.operator_key), withdraw(CERTIFICATE)).await.unwrap();
    assert_eq!(left.certificates, [digest(2)].into());
    assert!(!kit.authenticate(kit.operator()).ok().unwrap().mfa());
    let again = done(&kit, with(digest(2)), withdraw(CERTIFICATE)).await.err().unwrap();
    assert_eq!(again.code, Code::NotFound);
    let last = done(&kit, with(digest(2)), withdraw(digest(2))).await.err().unwrap();
    assert_eq!(last.code, Code::Conflict, "nobody could give the last operator another one");
}

#[tokio::test]
async fn others_certificates_are_a_matter_of_those_who_manage_people() {
    let kit = Kit::new();
    let ada = || "ada".parse::<mantlet_types::UserId>().unwrap();
    let add = |byte| AddCertificate { user: ada(), digest: digest(byte) };
    assert!(done(&kit, kit.operator(), add(2)).await.is_ok());
    let of_olga = AddCertificate { user: ada(), digest: CERTIFICATE };
    assert_eq!(done(&kit, kit.operator(), of_olga).await.err().unwrap().code, Code::Conflict);
    for byte in 3..=5 {
        assert!(done(&kit, kit.operator(), add(byte)).await.is_ok());
    }
    assert_eq!(done(&kit, kit.operator(), add(6)).await.err().unwrap().code, Code::Conflict);
    assert!(done(&kit, kit.operator(), WithdrawCertificate { user: ada(), digest: digest(2) }).await.is_ok());
    let bob = kit.bearer(&kit.key("user:ada").1);
    let foreign = AddCertificate { user: olga(), digest: digest(9) };
    assert_eq!(done(&kit, bob, foreign).await.err().unwrap().code, Code::Forbidden);
}

#[tokio::test]
async fn nobody_gives_a_certificate_to_a_duty_whose_key_they_have_seen() {
    let kit = Kit::new();
    let (kid, _) = kit.key("user:ada");
    let seen = |handed_over| Change::PutKey(kid, crate::directory::Key { handed_over, ..kit.kept(kid) });
    let add = || AddCertificate { user: "ada".parse().unwrap(), digest: digest(2) };
    kit.change(&[seen(true)]);
    let rejection = done(&kit, kit.operator(), add()).await.err().unwrap();
    assert_eq!(rejection.code, Code::Conflict);
    assert!(rejection.detail.unwrap().contains(&format!("mantlet --as DIR key rotate {kid}")));
    kit.change(&[seen(false)]);
    assert!(done(&kit, kit.operator(), add()).await.is_ok());
}

#[tokio::test]
async fn an_enabled_person_is_back() {
    let kit = Kit::new();
    let (_, key) = kit.key("user:ada");
    let ada = || "ada".parse::<mantlet_types::UserId>().unwrap();
    done(&kit, kit.operator(), DisableUser { user: ada() }).await.unwrap();
    for _ in 0..2 {
        done(&kit, kit.operator(), EnableUser { user: ada() }).await.unwrap();
    }
    assert!(kit.authenticate(kit.bearer(&key)).is_ok());
    let ghost = EnableUser { user: "ghost".parse().unwrap() };
    assert_eq!(done(&kit, kit.operator(), ghost).await.err().unwrap().code, Code::NotFound);
}

#[tokio::test]
async fn the_last_who_watches_or_runs_a_project_is_not_disabled() {
    let kit = Kit::new();
    let id = |name: &str| name.parse::<mantlet_types::UserId>().unwrap();
    let second = User { certificates: [digest(7)].into(), ..user(&[Role::Operator]) };
    kit.change(&[
        Change::PutUser(id("sam"), user(&[Role::Security])),
        Change::PutUser(id("sue"), user(&[Role::Security])),
        Change::PutUser(id("otto"), second),
    ]);
    let disable = |name: &str| DisableUser { user: id(name) };
    done(&kit, kit.operator(), disable("sam")).await.unwrap();
    let rejection = done(&kit, kit.operator(), disable("sue")).await.err().unwrap();
    assert_eq!(rejection.code, Code::Conflict);
    assert!(rejection.detail.unwrap().contains("last enabled security"));
    done(&kit, kit.operator(), disable("otto")).await.unwrap();
    // In a one-person home there is nobody to watch.
    let alone = Kit::with(|snapshot| {
        std::sync::Arc::make_mut(&mut snapshot.settings).single_person = true;
        snapshot.directory.users.insert(id("sue"), user(&[Role::Security]));
    });
    done(&alone, alone.operator(), disable("sue")).await.unwrap();
}

#[tokio::test]
async fn without_a_role_what_is_there_and_what_is_not_answer_alike() {
    let kit = Kit::new();
    kit.change(&[Change::PutUser("bob".parse().unwrap(), user(&[]))]);
    let (kid, _) = kit.key(&format!("user:{OPERATOR}"));
    let (_, bobs) = kit.key("user:bob");
    let bob = || kit.bearer(&bobs);
    let user = |name: &str| name.parse::<mantlet_types::UserId>().unwrap();
    let mut answers = Vec::new();
    for (name, kid) in [(OPERATOR, kid), ("ghost", "000000000000".parse().unwrap())] {
        kit.ledger.take();
        let of = [
            done(&kit, bob(), DisableUser { user: user(name) }).await.err().unwrap(),
            done(&kit, bob(), crate::people::keys::RevokeKey { kid }).await.err().unwrap(),
        ];
        let entries = kit.ledger.take();
        assert!(entries.iter().all(|entry| entry.decision == Some(mantlet_types::entry::Decision::Deny)));
        assert!(entries.iter().all(|entry| entry.action.is_some()));
        answers.push(of.map(|rejection| (rejection.code, rejection.detail)));
    }
    assert_eq!(answers[0], answers[1]);
}
