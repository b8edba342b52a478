use mantlet_types::{
    Action, Timestamp,
    entry::{Decision, Event, Phase},
};

use super::*;
use crate::read::Reader;

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed("log.example/node-1", &[42; 32]).unwrap()
}

pub(crate) fn options(dir: &std::path::Path) -> Options {
    let mut options = Options::new(dir.join("audit"), "node-1".parse().unwrap(), key());
    options.segment_bytes = 64 << 10;
    options
}

pub(crate) fn entry(number: u64) -> Entry {
    let mut entry = Entry::new(Event::Inference, "elsewhere".parse().unwrap());
    entry.action = Some(Action::Predict);
    entry.decision = Some(if number.is_multiple_of(7) { Decision::Deny } else { Decision::Allow });
    entry.principal = Some("consumer:fraud-app".parse().unwrap());
    entry.latency_us = Some(number);
    entry
}

#[test]
fn entries_survive_and_are_read_back() {
    let home = tempfile::tempdir().unwrap();
    let (log, recovery) = Log::open(options(home.path())).unwrap();
    assert_eq!(recovery, Recovery::default());
    let waiting: Vec<_> = (0..600).map(|number| log.append(entry(number))).collect();
    for (number, acknowledgement) in waiting.into_iter().enumerate() {
        assert_eq!(acknowledgement.wait(), Ok(Receipt { index: number as u64 }));
    }
    let reader = Reader::open(&home.path().join("audit")).unwrap();
    assert_eq!(reader.size(), 600);
    log.close();
    assert_eq!(log.append(entry(0)).wait(), Err(AppendError::Closed));
    assert_eq!((log.health().durable, log.health().published), (600, 600));

    let (log, recovery) = Log::open(options(home.path())).unwrap();
    assert_eq!((recovery.size, recovery.unpublished, recovery.torn_bytes), (600, 0, 0));
    assert_eq!(recovery.last.and_then(|last| last.latency_us), Some(599));
    assert_eq!(log.append(entry(600)).wait(), Ok(Receipt { index: 600 }));
    let proof = log.prove(599).unwrap();
    let proved: Entry = serde_json::from_slice(&proof.entry).unwrap();
    assert_eq!((proved.idx, proved.latency_us), (599, Some(599)));
    log.close();
    let reader = Reader::open(&home.path().join("audit")).unwrap();
    let mut before = Timestamp::from_micros(0);
    for (index, read) in reader.entries(0).enumerate() {
        let read = read.unwrap();
        assert_eq!(
            (read.idx, read.latency_us, read.node.as_str()),
            (index as u64, Some(index as u64), "node-1")
        );
        assert!(read.ts >= before);
        before = read.ts;
    }
    assert_eq!(reader.size(), 601);
    assert_eq!(reader.seek(before).unwrap(), 600);
}

#[test]
fn the_last_entries_tell_the_generation() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(options(home.path())).unwrap();
    let generation = || Reader::open(&home.path().join("audit")).unwrap().generation().unwrap();
    let write = |event, policy_gen| {
        let mut entry = entry(0);
        (entry.event, entry.policy_gen) = (event, policy_gen);
        log.append(entry).wait().unwrap();
    };
    assert_eq!(generation(), None);
    write(Event::AuthFail, None);
    assert_eq!(generation(), None);
    // As a change that was made while a request of the generation before was under way.
    write(Event::KeyRevoke, Some(8));
    write(Event::Inference, Some(7));
    assert_eq!(generation(), Some(8));
    // Many entries of nobody known, over bundles and checkpoints.
    for number in 0..700 {
        let mut entry = entry(number);
        entry.event = Event::AuthFail;
        log.note(entry).unwrap();
    }
    write(Event::AuthFail, None);
    assert_eq!(generation(), Some(8));
    // A start has looked at what was before it.
    write(Event::SysStart, Some(5));
    write(Event::AuthFail, None);
    assert_eq!(generation(), Some(5));
    log.close();
    assert_eq!(generation(), Some(5));
}

#[test]
fn one_writer_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(options(home.path())).unwrap();
    assert!(matches!(Log::open(options(home.path())), Err(OpenError::Locked)));
    log.close();
    drop(Log::open(options(home.path())).unwrap());
}

#[test]
fn intents_without_outcome_are_reported() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(options(home.path())).unwrap();
    let mut intent = entry(1);
    intent.phase = Phase::Intent;
    let (first, second) = (log.append(intent.clone()).wait().unwrap(), log.append(intent).wait().unwrap());
    let mut outcome = entry(2);
    (outcome.phase, outcome.intent_idx) = (Phase::Outcome, Some(first.index));
    log.append(outcome).wait().unwrap();
    log.close();
    let (log, recovery) = Log::open(options(home.path())).unwrap();
    assert_eq!(recovery.open_intents.iter().map(|intent| intent.idx).collect::<Vec<_>>(), [second.index]);
    log.close();
}
