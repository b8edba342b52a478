//! The writer under failing disks, floods and many callers.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use mantlet_types::{Code, entry::Decision};

use super::*;
use crate::{
    Log, Options, SigningKey,
    clock::SystemClock,
    disk::{
        faulty::{Call, Fault, FaultPlan, FaultyDisk},
        memory::{Image, MemoryDisk, Unsynced, materialize},
    },
    log::tests::{entry, key, options},
    read::Reader,
    verify::verify_dir,
    wal::SEGMENT_BYTES_MIN,
};

fn on(disk: Arc<dyn Disk>) -> Options {
    let mut options = Options::new("/home/audit", "node-1".parse().unwrap(), key());
    (options.segment_bytes, options.disk) = (SEGMENT_BYTES_MIN, disk);
    options
}

fn memory() -> MemoryDisk {
    MemoryDisk::from_image(Image::from([("/home".into(), None)]))
}

/// Opens, records and publishes twice, closes; returns what was acknowledged, by index.
fn run(disk: Arc<dyn Disk>) -> BTreeMap<u64, u64> {
    let mut acknowledged = BTreeMap::new();
    let Ok((log, _)) = Log::open(on(disk)) else { return acknowledged };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for round in 0..2 {
        let waiting: Vec<_> = (0..60).map(|n| (round * 60 + n, log.append(entry(round * 60 + n)))).collect();
        for (number, acknowledgement) in waiting {
            if let Ok(receipt) = acknowledgement.wait() {
                acknowledged.insert(receipt.index, number);
            }
        }
        let _ = runtime.block_on(log.publish());
    }
    log.close();
    acknowledged
}

/// What is on the disk verifies, goes on and holds everything acknowledged.
fn check_left(image: Image, acknowledged: &BTreeMap<u64, u64>) {
    let disk = MemoryDisk::from_image(image);
    let (log, _) = Log::open(on(Arc::new(disk.clone()))).unwrap();
    log.append(entry(0)).wait().unwrap();
    log.close();
    let real = tempfile::tempdir().unwrap();
    materialize(&disk.crash(disk.calls(), Unsynced::Kept), real.path());
    let dir = real.path().join("home/audit");
    verify_dir(&dir, &key().verifier().to_string(), &[]).unwrap();
    let reader = Reader::open(&dir).unwrap();
    let numbers: Vec<_> = reader.entries(0).map(|entry| entry.unwrap().latency_us).collect();
    for (index, number) in acknowledged {
        assert_eq!(numbers[*index as usize], Some(*number), "entry {index}");
    }
}

#[test]
fn every_call_may_fail() {
    let healthy = FaultyDisk::new(Arc::new(memory()));
    assert_eq!(run(Arc::new(healthy.clone())).len(), 120);
    let calls = healthy.calls();
    assert!(calls > 60, "{calls}");
    for (fault, lasting) in
        [(Fault::Io, false), (Fault::NoSpace, true), (Fault::Interrupted, false), (Fault::ShortWrite, true)]
    {
        // A few beyond the count: threads interleave differently.
        for nth in 1..calls + 4 {
            let disk = memory();
            let faulty = FaultyDisk::new(Arc::new(disk.clone()));
            faulty.arm(Some(FaultPlan { only: None, nth, fault, lasting }));
            let acknowledged = run(Arc::new(faulty));
            if fault == Fault::ShortWrite {
                assert_eq!(acknowledged.len(), 120, "a short write is no error: call {nth}");
            }
            let unsynced = if nth % 2 == 0 { Unsynced::Kept } else { Unsynced::Dropped };
            let mut image = disk.crash(disk.calls(), unsynced);
            image.entry("/home".into()).or_default();
            check_left(image, &acknowledged);
        }
    }
}

#[test]
fn a_failed_sync_is_final() {
    let disk = memory();
    let faulty = FaultyDisk::new(Arc::new(disk.clone()));
    let (log, _) = Log::open(on(Arc::new(faulty.clone()))).unwrap();
    log.append(entry(0)).wait().unwrap();
    faulty.arm(Some(FaultPlan { only: Some(Call::Sync), nth: 1, fault: Fault::Io, lasting: false }));
    let sealed = AppendError::Sealed(SealReason::Disk);
    assert_eq!(log.append(entry(1)).wait(), Err(sealed));
    let after = disk.calls();
    for number in 2..50 {
        assert_eq!(log.append(entry(number)).wait(), Err(sealed));
        assert_eq!(log.note(entry(number)), Err(sealed));
    }
    assert_eq!(log.health().refusal, Some(sealed));
    assert_eq!(log.health().durable, 1);
    assert_eq!(disk.calls(), after, "a sealed log was written to");
    log.close();
}

#[test]
fn low_space_refuses_and_recovers() {
    let faulty = FaultyDisk::new(Arc::new(memory()));
    let mut low = on(Arc::new(faulty.clone()));
    low.free_bytes_min = u64::MAX;
    let (log, _) = Log::open(low).unwrap();
    log.append(entry(0)).wait().unwrap();
    log.close();

    let mut lacking = on(Arc::new(SmallDisk(memory())));
    lacking.free_bytes_min = 1_000;
    let (log, _) = Log::open(lacking).unwrap();
    let refused = (0..u64::MAX).map(|number| log.append(entry(number)).wait()).find_map(Result::err);
    assert_eq!(refused, Some(AppendError::LowSpace));
    log.close();
}

/// A disk with next to nothing free.
struct SmallDisk(MemoryDisk);

impl Disk for SmallDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn crate::disk::DiskFile>> {
        self.0.create(path, len)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn crate::disk::DiskFile>> {
        self.0.open(path)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(999)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        self.0.lock(path)
    }
}

#[test]
fn sealing_is_recorded_and_final() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(options(home.path())).unwrap();
    log.append(entry(0)).wait().unwrap();
    log.seal();
    log.close();
    let reader = Reader::open(&home.path().join("audit")).unwrap();
    let last = reader.entry(1).unwrap().unwrap();
    assert_eq!((last.event, last.subject.unwrap().as_str()), (Event::SysSeal, "ordered"));
    assert_eq!(log.append(entry(1)).wait(), Err(AppendError::Sealed(SealReason::Ordered)));
}

#[test]
fn long_entries_are_refused_alone() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(options(home.path())).unwrap();
    let mut long = entry(1);
    long.policy_ids = vec![Token::of(&"p".repeat(128)); 40];
    let waiting = [log.append(entry(0)), log.append(long), log.append(entry(2))];
    let results = waiting.map(crate::Acknowledgement::wait);
    assert_eq!(results, [Ok(Receipt { index: 0 }), Err(AppendError::TooLong), Ok(Receipt { index: 1 })]);
    log.close();
}

#[test]
fn many_callers_share_one_order() {
    for durability in [Durability::Group, Durability::Every, Durability::Os] {
        let home = tempfile::tempdir().unwrap();
        let mut chosen = options(home.path());
        chosen.durability = durability;
        let log = Arc::new(Log::open(chosen).unwrap().0);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let mut indices: Vec<u64> = runtime.block_on(async {
            let tasks: Vec<_> = (0..16)
                .map(|task| {
                    let log = Arc::clone(&log);
                    tokio::spawn(async move {
                        let mut indices = Vec::new();
                        for number in 0..25 {
                            indices.push(log.append(entry(task * 25 + number)).await.unwrap().index);
                        }
                        assert!(indices.is_sorted());
                        indices
                    })
                })
                .collect();
            let mut all = Vec::new();
            for task in tasks {
                all.extend(task.await.unwrap());
            }
            all
        });
        indices.sort_unstable();
        assert!(indices.iter().copied().eq(0..400));
        log.close();
        let report = verify_dir(&home.path().join("audit"), &key().verifier().to_string(), &[]).unwrap();
        assert_eq!((report.size, report.tail), (400, Some(0)));
    }
}

#[test]
fn a_flood_of_failures_stays_small_and_exact() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(options(home.path())).unwrap();
    for number in 0..30_000_u32 {
        let ip = IpAddr::V4(std::net::Ipv4Addr::from_bits(number << 6));
        log.flood().failure(Event::AuthFail, Code::Unauthenticated, ip, SystemClock::default().wall());
    }
    log.close();
    let reader = Reader::open(&home.path().join("audit")).unwrap();
    let entries: Vec<_> = reader.entries(0).map(Result::unwrap).collect();
    assert_eq!(entries.iter().filter_map(|entry| entry.count).sum::<u64>(), 30_000);
    assert!(entries.iter().all(|entry| entry.first_ts.is_some_and(|first| first <= entry.ts)));
    assert!(reader.size() <= 2 * crate::flood::ENTRIES_PER_SECOND as u64, "{}", reader.size());
}

/// Ten minutes of the worst flood, second by second: the segments and the finished tiles together.
#[test]
fn ten_minutes_of_flood_write_little() {
    let (flood, node) = (Aggregator::default(), "node-of-a-usual-length".parse().unwrap());
    let (mut bytes, mut index) = (0, 0);
    for second in 0..600 {
        for number in 0..40_u32 {
            let ip = IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::MAX - (u128::from(number) << 80)));
            let at = mantlet_types::Timestamp::from_micros(1_700_000_000_000_000 + second);
            flood.failure(Event::AuthFail, Code::HeadersTooLarge, ip, at);
            let denial = crate::flood::Denial {
                event: Event::Inference,
                code: Code::RateLimited,
                principal: format!("consumer:{}{number}", "c".repeat(40)).parse().unwrap(),
                decision: Some(Decision::Allow),
                action: Some(mantlet_types::Action::Predict),
                resource: Some(Token::of(&format!("Model:{}", "m".repeat(40)))),
                project: Some("p".repeat(40).parse().unwrap()),
            };
            flood.denial(&denial, at);
        }
        let entries = flood.drain(&node);
        assert_eq!(entries.len(), crate::flood::ENTRIES_PER_SECOND);
        for mut entry in entries {
            entry.idx = 1_000_000 + index;
            let length = serde_json::to_vec(&entry).unwrap().len();
            // A frame, an entry in a bundle, and its hash with those above it.
            bytes += frame::HEADER_BYTES + length + 2 + length + 33;
            index += 1;
        }
    }
    assert!(bytes <= 10_000_000, "{bytes}");
}

#[test]
fn keys_differ() {
    // The fixture above must not hide that a generated seed is a fresh one.
    assert_ne!(SigningKey::generate_seed().unwrap(), SigningKey::generate_seed().unwrap());
}
