//! Room among a model's versions: retired ones make it, no number comes back, and nobody else is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use mantlet_gate::{
    directory::VersionRecord,
    releases::facts::{Facts, Retired},
};
use mantlet_types::{Timestamp, UserId};

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_795_361_400_000_000);

fn version(retired: bool, was_live: bool) -> VersionRecord {
    let by: UserId = "dora".parse().unwrap();
    VersionRecord {
        author: by.clone(),
        data_authors: BTreeSet::from([by.clone()]),
        digest: Sha256([1; 32]),
        package: Sha256([2; 32]),
        registered: NOW,
        was_live,
        promotion: None,
        facts: Facts { retired: retired.then_some(Retired { by, at: NOW }), ..Facts::default() },
    }
}

fn model(versions: impl Iterator<Item = VersionRecord>) -> ModelRecord {
    let numbered = versions.zip(1_u32..).map(|(record, number)| (number.try_into().unwrap(), record));
    ModelRecord {
        project: "home".parse().unwrap(),
        live: None,
        former: Vec::new(),
        disabled: None,
        aliases: BTreeMap::new(),
        versions: numbered.collect(),
    }
}

fn numbers(versions: &[Version]) -> Vec<u32> {
    versions.iter().map(|version| version.number()).collect()
}

fn room(record: &mut ModelRecord) -> Result<Vec<Version>, Rejection> {
    make_room(&"fraud".parse().unwrap(), record)
}

#[test]
fn retired_versions_make_room_those_that_never_were_live_first() {
    // The first two were live once; the rest never were. All are retired.
    let mut record = model((0..RECORDS_MAX).map(|at| version(true, at < 2)));
    assert_eq!(numbers(&room(&mut record).unwrap()), [3]);
    assert_eq!(record.versions.len(), RECORDS_MAX - 1, "one version more fits");
    // With a record to spare nothing is forgotten.
    assert_eq!(room(&mut record).unwrap(), []);

    let mut formers = model((0..RECORDS_MAX).map(|_| version(true, true)));
    assert_eq!(numbers(&room(&mut formers).unwrap()), [1], "then the oldest of those that were");
}

#[test]
fn what_is_not_retired_is_never_forgotten() {
    let kept = VERSIONS_MAX - 1;
    let mut record = model((0..RECORDS_MAX + 8).map(|at| version(at >= kept, false)));
    let newest = *record.versions.keys().next_back().unwrap();
    let forgotten = room(&mut record).unwrap();
    assert_eq!(forgotten.len(), 9, "from before there was a bound, too");
    assert!(forgotten.iter().all(|number| number.number() as usize > kept));
    assert!(record.versions.contains_key(&newest), "the next number follows the newest");

    let mut full = model((0..VERSIONS_MAX).map(|_| version(false, false)));
    assert!(room(&mut full).unwrap_err().detail.unwrap().contains("retire"));
}
