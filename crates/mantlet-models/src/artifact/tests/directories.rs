//! Directories and single files as they are on disk: every way of hashing, links, changes while they are read.

use std::{
    num::NonZeroU64,
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::*;

fn hashings() -> Vec<Hashing> {
    let sizes = [None, NonZeroU64::new(1), NonZeroU64::new(7), NonZeroU64::new(1 << 20)];
    let each = |hash| sizes.map(|shard_bytes| Hashing { hash, shard_bytes });
    HashType::ALL.into_iter().flat_map(each).collect()
}

#[test]
fn every_way_of_hashing_catches_every_changed_byte() {
    let (key, directory) = (key(), directory());
    let signature = directory.path().join(SIGNATURE_FILE);
    for hashing in hashings() {
        sign_path(directory.path(), &key, hashing, &signature, &()).unwrap();
        let report = verified(directory.path(), &signature, &only(&key));
        assert_eq!(report.verdict, Verdict::Accept, "{hashing:?}: {}", report.reason);
        // In shards, an empty file has no resource.
        let uncovered = if hashing.shard_bytes.is_some() { vec!["empty".to_owned()] } else { Vec::new() };
        assert_eq!(report.uncovered, uncovered, "{hashing:?}");
        let path = directory.path().join(SETTINGS_FILE);
        let whole = fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut changed = whole.clone();
            changed[index] ^= 1;
            fs::write(&path, changed).unwrap();
            let report = verified(directory.path(), &signature, &only(&key));
            assert!(report.reason.contains(SETTINGS_FILE), "{hashing:?}: {}", report.reason);
        }
        for length in [whole.len() - 1, 0] {
            fs::write(&path, &whole[..length]).unwrap();
            let report = verified(directory.path(), &signature, &only(&key));
            assert!(report.reason.contains(SETTINGS_FILE), "{hashing:?}: {}", report.reason);
        }
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert_eq!(verified(directory.path(), &signature, &only(&key)).verdict, Verdict::Reject);
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn packages_are_verified_whatever_they_were_hashed_by() {
    let (key, directory) = (key(), directory());
    let signature = directory.path().join(SIGNATURE_FILE);
    for hashing in hashings() {
        sign_path(directory.path(), &key, hashing, &signature, &()).unwrap();
        let package = Package::read(directory.path()).unwrap();
        let artifact = package.clone().verify(&only(&key)).unwrap();
        assert_eq!(artifact.uncovered().is_empty(), hashing.shard_bytes.is_none());
        let changed = package.with_file(MODEL_FILE, b"weightz".to_vec());
        assert!(changed.verify(&only(&key)).is_err(), "{hashing:?}");
    }
}

#[test]
fn one_file_is_a_model_too() {
    let (key, directory) = (key(), directory());
    let model = directory.path().join(MODEL_FILE);
    let signature = directory.path().join("elsewhere.sig");
    for hashing in hashings() {
        sign_path(&model, &key, hashing, &signature, &()).unwrap();
        let report = verified(&model, &signature, &only(&key));
        assert_eq!(report.verdict, Verdict::Accept, "{hashing:?}: {}", report.reason);
        fs::write(&model, "other").unwrap();
        assert_eq!(verified(&model, &signature, &only(&key)).verdict, Verdict::Reject, "{hashing:?}");
        fs::write(&model, "weights").unwrap();
    }
    // Under another name it is another model, and a directory is none.
    fs::rename(&model, directory.path().join("renamed")).unwrap();
    let renamed = verified(&directory.path().join("renamed"), &signature, &only(&key));
    assert!(renamed.reason.contains("missing") || renamed.reason.contains("covered"), "{}", renamed.reason);
    assert_eq!(verified(directory.path(), &signature, &only(&key)).verdict, Verdict::Reject);
}

#[test]
fn one_file_may_have_the_name_that_an_older_signer_gave_it() {
    let (key, directory) = (key(), directory());
    let signature = directory.path().join("elsewhere.sig");
    let digests = [(".".to_owned(), HashType::Sha256.of(b"weights"))].into();
    let payload = statement::write("model.onnx", Hashing::default(), &digests).unwrap();
    fs::write(&signature, bundle::seal(&payload, &key).unwrap()).unwrap();
    let report = verified(&directory.path().join(MODEL_FILE), &signature, &only(&key));
    assert_eq!(report.verdict, Verdict::Accept, "{}", report.reason);
    assert_eq!(verified(directory.path(), &signature, &only(&key)).verdict, Verdict::Reject);
}

#[test]
fn links_are_followed_where_signer_and_verifier_agree() {
    let (key, directory) = (key(), directory());
    let (signature, linked) = (directory.path().join(SIGNATURE_FILE), directory.path().join("linked"));
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "hello").unwrap();
    symlink(outside.path(), &linked).unwrap();
    let names = [MODEL_FILE, SETTINGS_FILE, PROFILE_FILE, "docs/README.md", "empty", "linked"];
    let digest = |name: &&str| HashType::Sha256.of(&fs::read(directory.path().join(name)).unwrap());
    let digests = names.iter().map(|name| ((*name).to_owned(), digest(name))).collect();
    let payload = statement::write("m", Hashing::default(), &digests).unwrap();
    let allowed = String::from_utf8(payload.clone())
        .unwrap()
        .replace("\"allow_symlinks\":false", "\"allow_symlinks\":true");
    let follow = Leniency { symlinks: true, ..Leniency::default() };
    for (payload, leniency, accepts) in [
        (allowed.as_bytes(), follow, true),
        (allowed.as_bytes(), Leniency::default(), false),
        (&payload, follow, false),
        (&payload, Leniency::default(), false),
    ] {
        fs::write(&signature, bundle::seal(payload, &key).unwrap()).unwrap();
        let report = verify_path(directory.path(), &signature, &only(&key), leniency, &()).unwrap();
        assert_eq!(report.verdict == Verdict::Accept, accepts, "{}", report.reason);
    }
    fs::write(&signature, bundle::seal(allowed.as_bytes(), &key).unwrap()).unwrap();
    let answer = |leniency| verify_path(directory.path(), &signature, &only(&key), leniency, &()).unwrap();
    fs::write(outside.path(), "other").unwrap();
    assert_eq!(answer(follow).verdict, Verdict::Reject);
    fs::write(outside.path(), "hello").unwrap();
    // To a folder, to nothing, to a device: never, also where unsigned files may be.
    for target in ["docs", "/nowhere/at/all", "/dev/null", "."] {
        let other = directory.path().join("other");
        symlink(target, &other).unwrap();
        let lenient = Leniency { unsigned_files: true, symlinks: true };
        assert_eq!(answer(lenient).verdict, Verdict::Reject, "{target}");
        fs::remove_file(&other).unwrap();
    }
    assert_eq!(answer(follow).verdict, Verdict::Accept);
}

/// As root alone can it be tried: nobody else can make a file another user's.
#[test]
fn hard_links_to_files_of_others_are_refused() {
    let (key, directory) = (key(), directory());
    let (signature, model) = (directory.path().join(SIGNATURE_FILE), directory.path().join(MODEL_FILE));
    let outside = tempfile::tempdir_in(directory.path().parent().unwrap()).unwrap();
    fs::hard_link(&model, outside.path().join("other-name")).unwrap();
    sign_directory(directory.path(), &key, &signature).unwrap();
    // An own file may have as many names as its owner likes.
    assert_eq!(verified(directory.path(), &signature, &only(&key)).verdict, Verdict::Accept);
    if std::os::unix::fs::chown(&model, Some(54_321), None).is_err() {
        return;
    }
    let report = verified(directory.path(), &signature, &only(&key));
    assert!(report.reason.contains("hard link"), "{}", report.reason);
    assert!(Package::read(directory.path()).is_err());
    fs::remove_file(outside.path().join("other-name")).unwrap();
    assert_eq!(verified(directory.path(), &signature, &only(&key)).verdict, Verdict::Accept);
}

#[test]
fn pipes_are_refused_without_waiting_for_a_writer() {
    let (key, directory) = (key(), directory());
    let signature = directory.path().join(SIGNATURE_FILE);
    sign_directory(directory.path(), &key, &signature).unwrap();
    let model = directory.path().join(MODEL_FILE);
    fs::remove_file(&model).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &model, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let lenient = Leniency { unsigned_files: true, symlinks: true };
    let report = verify_path(directory.path(), &signature, &only(&key), lenient, &()).unwrap();
    assert!(report.reason.contains("neither a regular file"), "{}", report.reason);
}

#[test]
fn nothing_to_answer_about_is_no_answer() {
    let (key, directory) = (key(), directory());
    let signature = directory.path().join(SIGNATURE_FILE);
    let ask = || verify_path(directory.path(), &signature, &only(&key), Leniency::default(), &());
    assert!(ask().is_err(), "no signature");
    sign_directory(directory.path(), &key, &signature).unwrap();
    assert!(ask().is_ok());
    let nowhere = Path::new("/nowhere/at/all");
    assert!(verify_path(nowhere, &signature, &only(&key), Leniency::default(), &()).is_err());
}

/// Says when a file's first bytes are hashed, and changes the file then.
struct Meanwhile<'a> {
    change: &'a (dyn Fn() + Sync),
    done: AtomicBool,
}

impl Progress for Meanwhile<'_> {
    fn found(&self, _: u64) {}
    fn hashed(&self, _: u64) {
        if !self.done.swap(true, Ordering::SeqCst) {
            (self.change)();
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let (key, directory) = (key(), tempfile::tempdir().unwrap());
    let path = directory.path().join("weights");
    let signature = directory.path().join(SIGNATURE_FILE);
    let old = vec![1; 3 * BUFFER_BYTES];
    fs::write(&path, &old).unwrap();
    // Old enough that what is written now has another time.
    fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    sign_directory(directory.path(), &key, &signature).unwrap();
    let rewritten = || fs::write(&path, &old).unwrap();
    let longer = || fs::write(&path, vec![1; 4 * BUFFER_BYTES]).unwrap();
    let shorter = || fs::write(&path, vec![1; BUFFER_BYTES]).unwrap();
    for change in [&rewritten as &(dyn Fn() + Sync), &longer, &shorter] {
        fs::write(&path, &old).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let progress = Meanwhile { change, done: AtomicBool::new(false) };
        let report =
            verify_path(directory.path(), &signature, &only(&key), Leniency::default(), &progress).unwrap();
        assert_eq!(report.reason, "`weights` changed while it was read");
    }
}

/// Counts what is announced and what is done.
#[derive(Default)]
struct Count(AtomicU64, AtomicU64);

impl Progress for Count {
    fn found(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::SeqCst);
    }
    fn hashed(&self, bytes: u64) {
        self.1.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[test]
fn thousands_of_files_are_hashed_each_once() {
    let (key, directory) = (key(), tempfile::tempdir().unwrap());
    let signature = directory.path().join(SIGNATURE_FILE);
    for index in 0..3_000_u32 {
        fs::write(directory.path().join(format!("{index}")), index.to_be_bytes()).unwrap();
    }
    sign_directory(directory.path(), &key, &signature).unwrap();
    let count = Count::default();
    let report = verify_path(directory.path(), &signature, &only(&key), Leniency::default(), &count).unwrap();
    assert_eq!(report.verdict, Verdict::Accept, "{}", report.reason);
    assert_eq!((count.0.into_inner(), count.1.into_inner()), (12_000, 12_000));
    // The first that is wrong ends the work, and nothing hangs.
    for index in 0..3_000_u32 {
        fs::write(directory.path().join(format!("{index}")), "none").unwrap();
    }
    assert_eq!(verified(directory.path(), &signature, &only(&key)).verdict, Verdict::Reject);
}
