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
