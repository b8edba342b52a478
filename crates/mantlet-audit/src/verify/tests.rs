use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::{
    Log,
    disk::OsDisk,
    log::tests::{entry, key, options},
    proof::prove_consistency,
};

fn vkey() -> String {
    key().verifier().to_string()
}

/// A closed log of so many entries, published now and then.
fn written(home: &Path, entries: u64) -> PathBuf {
    let (log, _) = Log::open(options(home)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for number in 0..entries {
        let acknowledgement = log.append(entry(number));
        if number % 97 == 96 {
            acknowledgement.wait().unwrap();
            runtime.block_on(log.publish()).unwrap();
        } else {
            drop(acknowledgement);
        }
    }
    log.close();
    home.join("audit")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn whole_logs_are_self_consistent() {
    for entries in [0, 1, 255, 256, 257, 600] {
        let home = tempfile::tempdir().unwrap();
        let dir = written(home.path(), entries);
        let report = verify_dir(&dir, &vkey(), &[]).unwrap();
        assert_eq!((report.size, report.tail, report.verdict), (entries, Some(0), Verdict::SelfConsistent));
        assert_eq!(report.origin, "log.example/node-1");
    }
}

#[test]
fn no_changed_bit_goes_unnoticed() {
    let home = tempfile::tempdir().unwrap();
    let dir = written(home.path(), 300);
    let mut checked = 0;
    for path in files(&dir) {
        let original = fs::read(&path).unwrap();
        // Of a segment only what is written counts; spare room is nobody's.
        let written = crate::frame::without_zeros(&original).len();
        let step = (written / 11).max(1);
        for at in (0..written).step_by(step).chain(written.checked_sub(1)) {
            let mut changed = original.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).unwrap();
            let verdict = verify_dir(&dir, &vkey(), &[]);
            assert!(verdict.is_err(), "{} byte {at}", path.display());
            checked += 1;
        }
        fs::write(&path, &original).unwrap();
    }
    assert!(checked > 100, "{checked}");
    verify_dir(&dir, &vkey(), &[]).unwrap();
}

#[test]
fn no_cut_file_goes_unnoticed() {
    let home = tempfile::tempdir().unwrap();
    let dir = written(home.path(), 300);
    for path in files(&dir).into_iter().filter(|path| !path.ends_with("lock")) {
        let original = fs::read(&path).unwrap();
        let written = crate::frame::without_zeros(&original).len();
        for keep in [0, written / 2, written.saturating_sub(1)].into_iter().filter(|keep| *keep < written) {
            fs::write(&path, &original[..keep]).unwrap();
            assert!(verify_dir(&dir, &vkey(), &[]).is_err(), "{} cut to {keep}", path.display());
        }
        fs::write(&path, &original).unwrap();
    }
    verify_dir(&dir, &vkey(), &[]).unwrap();
}

#[test]
fn swapped_entries_are_named() {
    let home = tempfile::tempdir().unwrap();
    let dir = written(home.path(), 300);
    let path = dir.join("tile/entries/000");
    let bundle = fs::read(&path).unwrap();
    let entries = crate::tile::bundle_entries(&bundle, 256).unwrap();
    let mut order: Vec<usize> = (0..256).collect();
    order.swap(100, 200);
    let mut file = fs::File::create(&path).unwrap();
    for at in order {
        let length = u16::try_from(entries[at].len()).unwrap();
        file.write_all(&length.to_be_bytes()).unwrap();
        file.write_all(entries[at]).unwrap();
    }
    assert_eq!(verify_dir(&dir, &vkey(), &[]).unwrap_err().index(), Some(100));
}

#[test]
fn a_changed_entry_is_named() {
    let home = tempfile::tempdir().unwrap();
    let dir = written(home.path(), 300);
    let path = dir.join("tile/entries/001.p/44");
    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    let mut bytes = fs::read(&path).unwrap();
    let at = text.find("\"latency_us\":280").unwrap();
    bytes
        .windows(16)
        .position(|window| window == b"\"latency_us\":280")
        .map(|at| bytes[at + 15] = b'1')
        .unwrap();
    assert!(at > 0);
    fs::write(&path, bytes).unwrap();
    let error = verify_dir(&dir, &vkey(), &[]).unwrap_err();
    assert_eq!(error.index(), Some(280), "{error}");
}

#[test]
fn entries_beyond_the_checkpoint_count() {
    let home = tempfile::tempdir().unwrap();
    let dir = written(home.path(), 10);
    let (log, _) = Log::open(options(home.path())).unwrap();
    log.append(entry(10)).wait().unwrap();
    let report = verify_dir(&dir, &vkey(), &[]).unwrap();
    assert_eq!(report.size + report.tail.unwrap(), 11);
    log.close();
    fs::remove_dir_all(dir.join("wal")).unwrap();
    assert_eq!(verify_dir(&dir, &vkey(), &[]).unwrap().tail, None);
}

/// Spare room is passed over only where nothing is in it.
#[test]
fn what_lies_behind_spare_room_is_found() {
    let home = tempfile::tempdir().unwrap();
    let dir = written(home.path(), 10);
    let path = dir.join("wal/000000.wal");
    let original = fs::read(&path).unwrap();
    let mut frame = Vec::new();
    assert!(crate::frame::encode(&mut frame, 20, 20, |entry| entry.extend_from_slice(b"x\0\0")));
    for at in [original.len() - frame.len(), original.len() - 5_000, original.len() / 2] {
        let mut bytes = original.clone();
        bytes[at..at + frame.len()].copy_from_slice(&frame);
        fs::write(&path, &bytes).unwrap();
        let verdict = verify_dir(&dir, &vkey(), &[]);
        assert!(matches!(verdict, Err(VerifyError::Lost { index: 10 })), "{at}: {verdict:?}");
    }
    // One byte that is no frame is what a crash may leave behind, as long as nothing comes after it.
    let mut bytes = original.clone();
    *bytes.last_mut().unwrap() = 1;
    fs::write(&path, &bytes).unwrap();
    verify_dir(&dir, &vkey(), &[]).unwrap();
    fs::write(dir.join("wal/000003.wal"), &original).unwrap();
    assert!(matches!(verify_dir(&dir, &vkey(), &[]), Err(VerifyError::Lost { .. })));
}

#[test]
fn blanks_are_counted_from_the_end() {
    for (length, last) in [
        (0, None),
        (1, None),
        (4_096, None),
        (9_000, None),
        (9_000, Some(0)),
        (9_000, Some(903)),
        (9_000, Some(904)),
        (9_000, Some(8_999)),
        (4_096, Some(0)),
        (3, Some(1)),
    ] {
        let mut bytes = vec![0; length];
        if let Some(last) = last {
            bytes[last] = 7;
        }
        assert_eq!(segments::blank(&bytes), length - last.map_or(0, |last| last + 1), "{length} {last:?}");
    }
}

#[test]
fn other_keys_and_origins_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = written(home.path(), 3);
    for (name, seed) in [("log.example/node-1", 1), ("log.example/node-2", 42)] {
        let other = crate::SigningKey::from_seed(name, &[seed; 32]).unwrap().verifier().to_string();
        assert!(matches!(verify_dir(&dir, &other, &[]), Err(VerifyError::Checkpoint { .. })));
    }
    assert!(matches!(verify_dir(&dir, "nonsense", &[]), Err(VerifyError::Key)));
}

#[test]
fn anchors_hold_the_log_in_place() {
    let home = tempfile::tempdir().unwrap();
    let dir = written(home.path(), 300);
    let anchor = home.path().join("anchor");
    fs::copy(dir.join("checkpoint"), &anchor).unwrap();
    let later = written(home.path(), 100);
    let report = verify_dir(&later, &vkey(), std::slice::from_ref(&anchor)).unwrap();
    assert_eq!((report.verdict, report.size, report.anchored), (Verdict::Anchored, 400, Some(300)));

    // Another log under the same key: shorter, then longer than what the anchor has seen.
    let elsewhere = tempfile::tempdir().unwrap();
    let forged = written(elsewhere.path(), 200);
    let rolled_back = verify_dir(&forged, &vkey(), std::slice::from_ref(&anchor));
    assert!(
        matches!(rolled_back, Err(VerifyError::Rollback { size: 200, anchored: 300, .. })),
        "{rolled_back:?}"
    );
    written(elsewhere.path(), 200);
    let forked = verify_dir(&forged, &vkey(), std::slice::from_ref(&anchor));
    assert!(matches!(forked, Err(VerifyError::Fork { .. })), "{forked:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn proofs_hold_and_no_other(entries in 1_u64..600, at in any::<prop::sample::Index>(), old in any::<prop::sample::Index>()) {
        let home = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(options(home.path())).unwrap();
        let (index, old) = (at.index(entries as usize) as u64, old.index(entries as usize) as u64);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut earlier = String::new();
        for number in 0..=entries {
            if number == old {
                runtime.block_on(log.publish()).unwrap();
                earlier = fs::read_to_string(home.path().join("audit/checkpoint")).unwrap();
            }
            if number < entries {
                drop(log.append(entry(number)));
            }
        }
        runtime.block_on(log.publish()).unwrap();
        let proof = log.prove(index).unwrap();
        let proven = verify_proof(&proof.text, &vkey()).unwrap();
        prop_assert_eq!((proven.index, proven.size), (index, entries));
        prop_assert_eq!(&proven.entry, &proof.entry);
        for (this, that) in [("\nindex ", "\nindex 1"), ("extra ", "extra A"), ("proof@v1", "proof@v2"), ("=\n", "=\n\n")] {
            prop_assert!(verify_proof(&proof.text.replacen(this, that, 1), &vkey()).is_err(), "{}", that);
        }
        let dir = home.path().join("audit");
        let now = fs::read_to_string(dir.join("checkpoint")).unwrap();
        let (mut hashes, _) = prove_consistency(&OsDisk, &dir, log.verifier(), old).unwrap();
        verify_consistency(&earlier, &now, &hashes, &vkey()).unwrap();
        hashes.push([0; 32]);
        prop_assert!(verify_consistency(&earlier, &now, &hashes, &vkey()).is_err());
        prop_assert!(old == entries || verify_consistency(&now, &earlier, &[], &vkey()).is_err());
        log.close();
    }
}

#[test]
fn a_log_verifies_while_it_is_written() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(options(home.path())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let dir = home.path().join("audit");
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 0..2_000 {
                let acknowledgement = log.append(entry(number));
                if number % 50 == 0 {
                    acknowledgement.wait().unwrap();
                    runtime.block_on(log.publish()).unwrap();
                }
            }
        });
        let mut looks = 0;
        while !writing.is_finished() || looks < 3 {
            verify_dir(&dir, &vkey(), &[]).unwrap();
            crate::read::Reader::open(&dir).unwrap();
            looks += 1;
        }
    });
    log.close();
    assert_eq!(verify_dir(&dir, &vkey(), &[]).unwrap().size, 2_000);
}
