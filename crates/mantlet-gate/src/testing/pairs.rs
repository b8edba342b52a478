//! Comparisons through door 1: both versions are the caller's to ask before a body is read, both are charged for, and what
//! leaves is a document whose digest is written down.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mantlet_types::{
    Action, Code, Contract, Rejection, Role, Version, VersionRef, entry::Decision, question::Scalar,
};

use super::{CERTIFICATE, FakeModel, Kit, MODEL, ask, coin_contract, user};
use crate::{
    directory::User,
    identity::{Arrival, Certificate, Channel},
    mediate::{Ask, Compared, Comparing, Pairs, Side, Trial, compare},
    testing::BEGIN,
};

/// A body that is there already, and counts how often it was read.
struct FakeTrial {
    rows: usize,
    reads: Arc<AtomicUsize>,
    panics: bool,
}

/// Says how many rows each has answered.
struct Plain(bool);

impl Comparing for Plain {
    fn compare(self, live: Side, beside: Side) -> Result<String, Rejection> {
        assert!(!self.0, "secret cause");
        let of = |side: &Side| format!("{}:{}", side.contract.version, side.scores.rows.len());
        Ok(format!("{} {}", of(&live), of(&beside)))
    }
}

impl Trial for FakeTrial {
    type Comparing = Plain;

    async fn read(self, _: &Contract, _: &Contract) -> Result<Pairs<Plain>, Rejection> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let rows = vec![vec![Scalar::Number(0.9), Scalar::Number(0.0)]; self.rows];
        Ok(Pairs { live: rows.clone(), beside: rows, body_bytes: 9, comparing: Plain(self.panics) })
    }
}

struct World {
    kit: Kit,
    runs: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
}

impl World {
    /// The kit's home with version 2 beside the live one, made by ada, and people of several roles.
    fn new() -> Self {
        let runs = Arc::new(AtomicUsize::new(0));
        let second = Version::FIRST.next();
        let kit = Kit::with(|snapshot| {
            let people = [
                ("ana", Role::Analyst),
                ("rita", Role::Reader),
                ("mel", Role::MlEngineer),
                ("sam", Role::Security),
                ("dora", Role::DataScientist),
            ];
            for (name, role) in people {
                let person = User { certificates: [CERTIFICATE].into(), ..user(&[role]) };
                snapshot.directory.users.insert(name.parse().unwrap(), person);
            }
            let model = snapshot.directory.models.get_mut(MODEL).unwrap();
            let mut candidate = model.versions[&Version::FIRST].clone();
            candidate.was_live = false;
            candidate.author = "dora".parse().unwrap();
            model.versions.insert(second, candidate);
            let served = snapshot.models.get_mut(MODEL).unwrap();
            for version in [Version::FIRST, second] {
                let counter = Arc::clone(&runs);
                let compute = move |tensors: Vec<_>| {
                    counter.fetch_add(1, Ordering::SeqCst);
                    Ok(vec![super::fakes::coin(&tensors)])
                };
                let model = FakeModel::new(Contract { version, ..coin_contract() }, compute);
                served.versions.insert(version, Arc::new(model));
            }
        });
        Self { kit, runs, reads: Arc::default() }
    }

    async fn compare(
        &self,
        who: &str,
        version: u32,
        rows: usize,
        panics: bool,
    ) -> Result<Compared, Rejection> {
        let (_, key) = self.kit.key(&format!("user:{who}"));
        let user = who.parse().unwrap();
        let certificate = Certificate { digest: CERTIFICATE, user, expires: BEGIN.plus_seconds(86_400) };
        let arrival = Arrival { channel: Channel::Tls(Some(certificate)), ..self.kit.bearer(&key) };
        let ask = Ask {
            action: Action::Evaluate,
            version: Some(VersionRef::Number(version.try_into().unwrap())),
            ..ask()
        };
        let trial = FakeTrial { rows, reads: Arc::clone(&self.reads), panics };
        let (outcome, receipt) = compare(Arc::clone(&self.kit.gate), arrival, ask, trial).await.into_parts();
        assert_eq!(outcome.is_ok(), receipt.is_some(), "an answer, and nothing else, has a receipt");
        outcome
    }

    fn counts(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.runs.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn both_versions_are_the_callers_to_ask_before_a_body_is_read() {
    let world = World::new();
    for (who, version, code) in [
        // Who may evaluate, and has no part in the other version's way, learns nothing of it.
        ("ana", 2, Code::NotFound),
        ("ana", 7, Code::NotFound),
        // Who may not evaluate: as they may know the model.
        ("rita", 2, Code::Forbidden),
        ("sam", 2, Code::NotFound),
        // Its author, who gets nothing of what is live.
        ("dora", 2, Code::Forbidden),
        ("mel", 1, Code::Conflict),
        ("mel", 7, Code::NotFound),
    ] {
        let refused = world.compare(who, version, 1, false).await.unwrap_err();
        assert_eq!(refused.code, code, "{who} {version}: {refused}");
    }
    assert_eq!(world.counts(), (0, 0));
    let compared = world.compare("mel", 2, 300, false).await.unwrap();
    assert_eq!(compared.document, "1:300 2:300");
    assert_eq!(world.counts(), (1, 4), "two batches, each to both");
    let entry = world.kit.ledger.take().pop().unwrap();
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, compared.document.as_bytes());
    assert_eq!(compared.digest.0, sum.as_ref());
    assert_eq!(entry.subject.unwrap().as_str(), format!("comparison:{}", compared.digest));
    assert_eq!((entry.action, entry.decision), (Some(Action::Evaluate), Some(Decision::Allow)));
    assert_eq!((entry.batch, entry.input_length, entry.status), (Some(300), Some(9), Some(200)));
    assert_eq!(entry.model_version.unwrap().number(), 2);
}

#[tokio::test]
async fn each_row_is_charged_for_both() {
    let world = World::new();
    assert_eq!(world.compare("mel", 2, 50_001, false).await.unwrap_err().code, Code::TooLarge);
    assert_eq!(world.counts(), (1, 0), "what is too much was begun");
    world.compare("mel", 2, 30_000, false).await.unwrap();
    let (_, runs) = world.counts();
    let refused = world.compare("mel", 2, 30_000, false).await.unwrap_err();
    assert_eq!((refused.code, refused.retry_after.is_some()), (Code::RateLimited, true));
    assert_eq!(world.counts().1, runs);
}

#[tokio::test]
async fn what_compares_may_fail_and_tells_nobody() {
    let world = World::new();
    let refused = world.compare("mel", 2, 1, true).await.unwrap_err();
    assert_eq!((refused.code, refused.detail), (Code::Unavailable, None));
    let entry = world.kit.ledger.take().pop().unwrap();
    assert_eq!((entry.subject, entry.status), (None, Some(503)));
}
