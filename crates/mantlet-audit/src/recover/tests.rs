//! Crashes: whatever is on the disk after one, no acknowledged entry is lost and the log goes on and verifies.

use std::{convert::Infallible, fs};

use super::*;
use crate::{
    Log, Options,
    disk::{
        OsDisk,
        memory::{Image, MemoryDisk, Unsynced, materialize},
    },
    frame,
    log::tests::{entry, key, options},
    merkle::{Hash, Subtrees, leaf_hash, perfect_hash},
    verify::verify_dir,
    wal::{SEGMENT_BYTES_MIN, segment_name},
};

/// Entries in the longest log that is crashed; more than a bundle, so that full tiles and segments are passed.
const ENTRIES_MAX: u64 = 400;

/// The entry at an index, as it lies in the tree: the same in every run.
fn bytes(index: u64) -> Vec<u8> {
    let mut entry = entry(index);
    (entry.idx, entry.ts) = (index, Timestamp::from_micros(1_700_000_000_000_000 + index as i64));
    serde_json::to_vec(&entry).unwrap()
}

/// The roots of all beginnings of the log.
fn roots() -> Vec<Hash> {
    struct Leaves(Vec<Hash>);
    impl Subtrees for Leaves {
        type Error = Infallible;
        fn subtree(&self, height: u32, index: u64) -> Result<Hash, Infallible> {
            Ok(perfect_hash(&self.0[(index << height) as usize..((index + 1) << height) as usize]))
        }
    }
    let leaves = Leaves((0..ENTRIES_MAX).map(|index| leaf_hash(&bytes(index))).collect());
    (0..=ENTRIES_MAX).map(|size| root(&leaves, size).unwrap()).collect()
}

fn place(disk: &MemoryDisk) -> Place {
    Place {
        disk: Arc::new(disk.clone()),
        dir: "/home/audit".into(),
        key: Arc::new(key()),
        anchors: vec!["/home/anchor".into()],
        segment_bytes: SEGMENT_BYTES_MIN,
    }
}

fn prepared() -> MemoryDisk {
    MemoryDisk::from_image(Image::from([("/home".into(), None), ("/home/audit".into(), None)]))
}

/// The writer's and the publisher's steps, one after another.
struct Rig {
    recovered: Recovered,
}

impl Rig {
    fn open(disk: &MemoryDisk) -> Self {
        Self { recovered: recover(&place(disk)).unwrap() }
    }

    /// Records a batch as `group` durability does: durable when it returns.
    fn batch(&mut self, entries: u64) -> io::Result<()> {
        let wal = &mut self.recovered.wal;
        let (mut frames, first) = (Vec::new(), wal.next());
        for index in first..first + entries {
            assert!(frame::encode(&mut frames, index, wal.durable(), |buffer| buffer
                .extend_from_slice(&bytes(index))));
        }
        wal.append(&frames, entries)?;
        wal.sync()?;
        (first..first + entries).try_for_each(|index| self.recovered.publisher.push(&bytes(index)))
    }

    fn publish(&mut self) -> io::Result<()> {
        let published = self.recovered.publisher.publish()?;
        assert!(published.anchor_error.is_none());
        self.recovered.wal.release(published.checkpoint.size)
    }
}

/// Opens what a crash left, checks it against what had been acknowledged, and goes on.
fn check_crash(image: Image, acknowledged: u64, roots: &[Hash], in_depth: bool) {
    let disk = MemoryDisk::from_image(image);
    let mut rig = Rig::open(&disk);
    let size = rig.recovered.recovery.size;
    assert!(size >= acknowledged, "{size} of {acknowledged} acknowledged entries are left");
    assert_eq!(rig.recovered.publisher.root(), roots[size as usize], "{size} entries are not those written");
    if in_depth {
        rig.batch(5).unwrap();
        rig.publish().unwrap();
        let real = tempfile::tempdir().unwrap();
        materialize(&disk.crash(disk.calls(), Unsynced::Dropped), real.path());
        let vkey = key().verifier().to_string();
        let anchor = real.path().join("home/anchor");
        let report = verify_dir(&real.path().join("home/audit"), &vkey, &[anchor]).unwrap();
        assert_eq!((report.size, report.root, report.tail), (size + 5, roots[size as usize + 5], Some(0)));
    }
}

/// Crashes after every call of a run, and returns how many states were tried.
fn crash_everywhere(batches: &[u64], publish_every: usize, torn_seeds: u64, depth_every: usize) -> usize {
    let (disk, roots) = (prepared(), roots());
    let mut acknowledged = vec![(disk.calls(), 0)];
    let mut rig = Rig::open(&disk);
    for (number, entries) in batches.iter().enumerate() {
        rig.batch(*entries).unwrap();
        acknowledged.push((disk.calls(), rig.recovered.wal.durable()));
        if number % publish_every == publish_every - 1 {
            rig.publish().unwrap();
        }
    }
    let mut states = 0;
    for calls in 0..=disk.calls() {
        let durable = acknowledged.iter().rev().find(|(at, _)| *at <= calls).map_or(0, |(_, size)| *size);
        for variant in 0..2 + torn_seeds {
            let mut random = (calls as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (variant << 32);
            let mut coin = || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.count_ones().is_multiple_of(2)
            };
            let image = match variant {
                0 => disk.crash(calls, Unsynced::Kept),
                1 => disk.crash(calls, Unsynced::Dropped),
                _ => disk.crash(calls, Unsynced::Torn(&mut coin)),
            };
            check_crash(image, durable, &roots, states % depth_every == 0);
            states += 1;
        }
    }
    states
}

#[test]
fn crashes_lose_nothing_acknowledged() {
    // Many short batches through a rotation of segments, then long ones over the edge of a bundle.
    let states = crash_everywhere(&[1, 3, 7, 60, 80, 2, 90, 20, 1, 1], 3, 2, 11);
    assert!(states > 500, "{states}");
}

#[test]
#[ignore = "minutes: the same, for every batch length and with more seeds"]
fn crashes_lose_nothing_acknowledged_in_depth() {
    let states: usize = (1..=40)
        .map(|entries| {
            let batches = vec![entries; (380 / entries).min(60) as usize];
            crash_everywhere(&batches, 1 + entries as usize % 5, 30, 23)
        })
        .sum();
    assert!(states > 100_000, "{states}");
}

#[test]
fn a_second_crash_during_recovery_loses_nothing() {
    let (disk, roots) = (prepared(), roots());
    let mut rig = Rig::open(&disk);
    (0..3).for_each(|_| rig.batch(30).unwrap());
    rig.publish().unwrap();
    rig.batch(40).unwrap();
    let durable = rig.recovered.wal.durable();
    // The next batch is torn: the first crash.
    let before = disk.calls();
    rig.batch(30).unwrap();
    let mut odd = false;
    let mut every_other = || {
        odd = !odd;
        odd
    };
    let image = disk.crash(before + 1, Unsynced::Torn(&mut every_other));
    let second = MemoryDisk::from_image(image);
    let recovered = Rig::open(&second).recovered;
    assert!(recovered.recovery.torn_bytes > 0);
    drop(recovered);
    for calls in 0..=second.calls() {
        check_crash(second.crash(calls, Unsynced::Dropped), durable, &roots, true);
        check_crash(second.crash(calls, Unsynced::Kept), durable, &roots, false);
    }
}

/// A closed log of 300 entries with an anchor, some of them beyond the first segment.
fn closed(home: &Path) -> PathBuf {
    let (log, _) = Log::open(anchored(home)).unwrap();
    (0..300).for_each(|number| drop(log.append(entry(number))));
    log.close();
    home.join("audit")
}

fn anchored(home: &Path) -> Options {
    let mut options = options(home);
    options.anchors.push(home.join("anchor"));
    options
}

fn reopened(home: &Path) -> Result<(Log, Recovery), OpenError> {
    Log::open(anchored(home))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in OsDisk.list(from).unwrap() {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() { copy(&from, &to) } else { assert!(fs::copy(from, to).is_ok()) }
    }
}

#[test]
fn a_restored_backup_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = closed(home.path());
    copy(&dir, &home.path().join("backup"));
    closed(home.path());
    fs::remove_dir_all(&dir).unwrap();
    copy(&home.path().join("backup"), &dir);
    let refused = reopened(home.path());
    assert!(matches!(refused, Err(OpenError::Rollback { size: 300, anchored: 600, .. })), "{refused:?}");
    fs::remove_dir_all(&dir).unwrap();
    assert!(matches!(reopened(home.path()), Err(OpenError::Rollback { size: 0, anchored: 600, .. })));
}

#[test]
fn another_history_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = closed(home.path());
    fs::remove_dir_all(&dir).unwrap();
    let anchor = home.path().join("anchor");
    fs::rename(&anchor, home.path().join("kept")).unwrap();
    closed(home.path());
    closed(home.path());
    fs::rename(home.path().join("kept"), &anchor).unwrap();
    assert!(matches!(reopened(home.path()), Err(OpenError::Fork { .. })));
    fs::remove_file(&anchor).unwrap();
    assert!(matches!(reopened(home.path()), Err(OpenError::AnchorMissing { .. })));
    fs::write(&anchor, "").unwrap();
    reopened(home.path()).unwrap().0.close();
    fs::write(&anchor, "nonsense").unwrap();
    assert!(matches!(reopened(home.path()), Err(OpenError::Anchor { .. })));
}

#[test]
fn what_is_missing_or_damaged_is_refused() {
    let check = |change: &dyn Fn(&Path), expect: &dyn Fn(&OpenError) -> bool| {
        let home = tempfile::tempdir().unwrap();
        let dir = closed(home.path());
        change(&dir);
        let refused = reopened(home.path()).unwrap_err();
        assert!(expect(&refused), "{refused:?}");
    };
    let damage = |path: PathBuf, at: usize| {
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let lost = |error: &OpenError| matches!(error, OpenError::Lost { .. });
    let damaged = |error: &OpenError| matches!(error, OpenError::Damaged { .. });
    let tiles = |error: &OpenError| matches!(error, OpenError::Tiles { size: 300 });
    check(&|dir| fs::remove_dir_all(dir.join("wal")).unwrap(), &lost);
    check(&|dir| fs::remove_file(dir.join("checkpoint")).unwrap(), &lost);
    check(&|dir| fs::remove_dir_all(dir.join("tile")).unwrap(), &tiles);
    check(&|dir| damage(dir.join("tile/0/001.p/44"), 100), &tiles);
    check(&|dir| damage(dir.join("tile/1/000.p/1"), 31), &tiles);
    check(&|dir| damage(dir.join("tile/entries/001.p/44"), 100), &tiles);
    check(&|dir| damage(dir.join("wal").join(segment_name(0)), 100), &|error| lost(error) || damaged(error));
    check(&|dir| damage(dir.join("checkpoint"), 30), &|error| matches!(error, OpenError::Checkpoint(_)));
}

#[test]
fn damage_before_an_acknowledged_entry_is_no_torn_tail() {
    let disk = prepared();
    let mut rig = Rig::open(&disk);
    rig.batch(3).unwrap();
    rig.batch(3).unwrap();
    let mut image = disk.crash(disk.calls(), Unsynced::Dropped);
    let segment = image.get_mut(Path::new("/home/audit/wal/000000.wal")).unwrap().as_mut().unwrap();
    segment[400] ^= 1;
    let refused = recover(&place(&MemoryDisk::from_image(image))).err();
    assert!(matches!(refused, Some(OpenError::Damaged { .. })), "{refused:?}");
}
