//! What the entries of door 2 say of decisions, and of the generation that a change has made.

use std::sync::Arc;

use mantlet_types::{
    Code, Rejection,
    entry::{Decision, Event, Phase, Token},
};

use super::Kit;
use crate::{
    administer::{Claims, Deed, Done, Office, administer, announce, found},
    directory::Directory,
    identity::{Arrival, Principal},
    people::{
        keys::{ListKeys, RevokeKey},
        projects::CreateProject,
    },
    snapshot::Settings,
};

async fn done<D: Deed>(kit: &Kit, arrival: Arrival, deed: D) -> Result<D::Reply, Rejection> {
    administer(Arc::clone(&kit.gate), arrival, deed).await.into_parts().0
}

/// A read of this outcome whose every item is a decision of its own.
struct Look(Result<(), Code>);

impl Deed for Look {
    type Reply = ();
    fn event(&self) -> Event {
        Event::AuditRead
    }
    fn changes(&self) -> bool {
        false
    }
    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }
    async fn act(self, _: &Office<'_>) -> Result<Done<()>, Rejection> {
        self.0.map(Done::read).map_err(Rejection::new)
    }
}

/// A change of settings alone.
struct Quieter;

impl Deed for Quieter {
    type Reply = ();
    fn event(&self) -> Event {
        Event::ConfigReload
    }
    fn changes(&self) -> bool {
        true
    }
    fn claims(&self, caller: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::Own(caller.id().clone()))
    }
    async fn act(self, _: &Office<'_>) -> Result<Done<()>, Rejection> {
        let settings = Settings { denials_per_minute: 1, ..Settings::default() };
        Ok(Done { settings: Some(settings), ..Done::read(()) })
    }
}

#[tokio::test]
async fn every_read_has_a_decision() {
    let kit = Kit::new();
    let decided = Some(Token::of("decided_per_item"));
    let last = || kit.ledger.take().pop().unwrap();
    done(&kit, kit.operator(), ListKeys { consumer: None, project: None }).await.unwrap();
    let entry = last();
    assert_eq!((entry.decision, entry.policy_ids.first().cloned()), (Some(Decision::Allow), decided.clone()));
    for (code, decision) in [
        (Code::NotFound, Decision::Deny),
        (Code::Forbidden, Decision::Deny),
        (Code::Unavailable, Decision::Allow),
    ] {
        done(&kit, kit.operator(), Look(Err(code))).await.unwrap_err();
        let entry = last();
        assert_eq!((entry.decision, entry.policy_ids.first()), (Some(decision), decided.as_ref()), "{code}");
    }
    done(&kit, kit.operator(), Look(Ok(()))).await.unwrap();
    assert_eq!(last().decision, Some(Decision::Allow));
}

#[tokio::test]
async fn a_subject_that_is_not_there_is_not_named() {
    let kit = Kit::new();
    let kid = kit.key(&format!("consumer:{}", super::CONSUMER)).0;
    done(&kit, kit.operator(), RevokeKey { kid }).await.unwrap();
    assert!(kit.ledger.take().iter().all(|entry| entry.subject == Some(Token::of(kid.as_str()))));
    let unknown = RevokeKey { kid: "000000000000".parse().unwrap() };
    assert_eq!(done(&kit, kit.operator(), unknown).await.unwrap_err().code, Code::NotFound);
    assert!(kit.ledger.take().iter().all(|entry| entry.subject.is_none()));
}

#[tokio::test]
async fn the_outcome_of_a_change_names_the_generation_that_came_of_it() {
    let kit = Kit::new();
    let generation = || kit.gate.snapshot().generation;
    let before = generation();
    done(&kit, kit.operator(), CreateProject { project: "new".parse().unwrap() }).await.unwrap();
    let after = generation();
    assert!(after > before + 100, "the store's count, not the snapshot's own");
    let entries = kit.ledger.take();
    let seen: Vec<_> = entries.iter().map(|entry| (entry.phase, entry.policy_gen)).collect();
    assert_eq!(seen, [(Phase::Intent, Some(before)), (Phase::Outcome, Some(after))]);
    // Settings are not the store's: a restart reads them again.
    done(&kit, kit.operator(), Quieter).await.unwrap();
    assert_eq!((generation(), kit.gate.snapshot().settings.denials_per_minute), (after, 1));
    // What the store did not take came to nothing.
    kit.ledger.take();
    kit.store.fail();
    done(&kit, kit.operator(), CreateProject { project: "newer".parse().unwrap() }).await.unwrap_err();
    assert!(kit.ledger.take().iter().all(|entry| entry.policy_gen == Some(after)));
    // Starts and stops say where the store is.
    announce(&kit.gate, Event::SysStop, None).await.unwrap();
    assert_eq!(kit.ledger.take().pop().unwrap().policy_gen, Some(after));
}

#[tokio::test]
async fn founding_and_leaks_name_their_generations() {
    let kit = Kit::with(|snapshot| snapshot.directory = Directory::default());
    let founder = crate::people::founding::Founder {
        user: "olga".parse().unwrap(),
        certificate: super::CERTIFICATE,
        roles: [mantlet_types::Role::Operator].into(),
    };
    let before = kit.gate.snapshot().generation;
    found(&kit.gate, &[founder]).await.unwrap();
    let founded = kit.gate.snapshot().generation;
    let seen: Vec<_> = kit.ledger.take().iter().map(|entry| entry.policy_gen).collect();
    assert_eq!(seen, [Some(before), Some(founded)]);

    let kit = Kit::new();
    let key = zeroize::Zeroizing::new(kit.consumer_key.clone());
    let arrival = kit.arrival(crate::identity::Credential::InUrl(vec![key]));
    let _ = crate::administer::revoke_leaked(Arc::clone(&kit.gate), arrival).await;
    let outcome = kit.ledger.take().into_iter().find(|entry| entry.phase == Phase::Outcome).unwrap();
    assert_eq!(outcome.policy_gen, Some(kit.gate.snapshot().generation));
}
