//! The registry gives back what it was given, or says that it cannot.

use std::os::unix::fs::PermissionsExt;

use zeroize::Zeroizing;

use super::*;
use crate::package::{MODEL_FILE, SETTINGS_FILE};

fn key(byte: u8) -> RegistryKey {
    RegistryKey::new(Zeroizing::new([byte; 32]))
}

fn package(model: &[u8]) -> Package {
    let files =
        [(MODEL_FILE, model.to_vec()), (SETTINGS_FILE, b"name = \"m\"".to_vec()), ("a/b", Vec::new())];
    let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    Package::from_files(files, "m".into()).unwrap()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for kind in ["blobs", "packages"] {
        found.extend(fs::read_dir(root.join(kind)).unwrap().map(|entry| entry.unwrap().path()));
    }
    found.sort();
    found
}

#[test]
fn gives_back_what_it_was_given() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path().join("registry"), key(1)).unwrap();
    let package = package(b"canary-weights");
    let digest = registry.add(&package).unwrap();
    assert_eq!(registry.add(&package).unwrap(), digest);
    let opened = registry.open(&digest).unwrap();
    assert!(opened.files().eq(package.files()));
    assert_eq!(opened.subject(), "m");
    assert_eq!(registry.list().unwrap(), [digest]);
    let unknown = PackageDigest(Sha256([0; 32]));
    assert!(matches!(registry.open(&unknown), Err(RegistryError::Unknown(_))));
    // Nothing readable at rest, and nobody else may read even that.
    for path in files(&home.path().join("registry")) {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"), "{}", path.display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_caught() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path(), key(1)).unwrap();
    let digest = registry.add(&package(b"weights")).unwrap();
    for path in files(home.path()) {
        let bytes = fs::read(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, changed).unwrap();
            let error = registry.open(&digest).unwrap_err();
            assert!(matches!(&error, RegistryError::Corrupt { path: named } if *named == path), "{error}");
        }
        for length in [0, 11, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(registry.open(&digest), Err(RegistryError::Corrupt { .. })));
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(registry.open(&digest).is_ok());
}

#[test]
fn stored_bytes_are_bound_to_key_and_place() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path(), key(1)).unwrap();
    let first = registry.add(&package(b"first")).unwrap();
    let second = registry.add(&package(b"second")).unwrap();
    let other = Registry::new(home.path(), key(2)).unwrap();
    assert!(matches!(other.open(&first), Err(RegistryError::Corrupt { .. })));
    let path = |digest: PackageDigest| home.path().join("packages").join(digest.to_string());
    fs::copy(path(second), path(first)).unwrap();
    assert!(matches!(registry.open(&first), Err(RegistryError::Corrupt { .. })));
}

#[test]
fn what_is_no_file_is_damage_and_nobody_waits_for_it() {
    let home = tempfile::tempdir().unwrap();
    let (registry, digest, path, plain) = blob(&home.path().join("registry"), 9);
    let elsewhere = home.path().join("elsewhere");
    let corrupt = |what| {
        let error = registry.fetch(Kind::Blob, digest, None).unwrap_err();
        assert!(matches!(error, RegistryError::Corrupt { .. }), "{what}: {error}");
        assert_eq!(registry.rewrap().unwrap().damaged, [path.as_path()], "{what}");
    };
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    corrupt("a link to the very object");
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    corrupt("a pipe");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    corrupt("a directory");
    fs::remove_dir(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(registry.fetch(Kind::Blob, digest, None).unwrap(), plain);
}

#[test]
fn adding_again_repairs_damage() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path(), key(1)).unwrap();
    let digest = registry.add(&package(b"weights")).unwrap();
    for path in files(home.path()) {
        fs::write(path, b"damaged").unwrap();
    }
    assert_eq!(registry.add(&package(b"weights")).unwrap(), digest);
    assert!(registry.open(&digest).is_ok());
}

/// Content that is the same nowhere, so that chunks cannot stand for each other unnoticed.
fn content(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

const CHUNK: usize = 1 << 16;
const SEALED: usize = CHUNK + 16;

/// A registry with one blob, and where that lies.
fn blob(root: &Path, bytes: usize) -> (Registry, Sha256, PathBuf, Vec<u8>) {
    let registry = Registry::new(root, key(1)).unwrap();
    let plain = content(bytes);
    let digest = sha256(&plain);
    registry.store(Kind::Blob, digest, &plain).unwrap();
    let path = registry.path(Kind::Blob, digest);
    (registry, digest, path, plain)
}

#[test]
fn ranges_are_what_they_are_of_the_whole() {
    for bytes in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5] {
        let home = tempfile::tempdir().unwrap();
        let (registry, digest, path, plain) = blob(home.path(), bytes);
        let chunks = bytes.div_ceil(CHUNK).max(1);
        assert_eq!(fs::metadata(path).unwrap().len() as usize, 84 + bytes + 16 * chunks);
        assert_eq!(registry.fetch(Kind::Blob, digest, None).unwrap(), plain);
        let object = registry.object(digest, plain.len() as u64).unwrap();
        assert_eq!(object.len() as usize, bytes);
        let edges = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1, 3 * CHUNK + 2, usize::MAX];
        for start in edges {
            for end in edges {
                let (from, to) = (start.min(bytes), end.min(bytes));
                let expected = plain.get(from..to).unwrap_or_default();
                assert_eq!(object.read_range(start as u64..end as u64).unwrap(), expected, "{start}..{end}");
            }
        }
    }
}

#[test]
fn cuts_additions_and_exchanges_of_chunks_are_caught() {
    let home = tempfile::tempdir().unwrap();
    let (registry, digest, path, _) = blob(home.path(), 3 * CHUNK);
    let (_, _, other, _) = blob(home.path(), 3 * CHUNK + 1);
    let (whole, other) = (fs::read(&path).unwrap(), fs::read(other).unwrap());
    let chunk = |number: usize| 84 + number * SEALED..84 + (number + 1) * SEALED;
    let exchanged = |one: usize, by: &[u8]| {
        let mut changed = whole.clone();
        changed[chunk(one)].copy_from_slice(by);
        changed
    };
    let mut swapped = exchanged(0, &whole[chunk(1)]);
    swapped[chunk(1)].copy_from_slice(&whole[chunk(0)]);
    let mut shorter = whole[..chunk(1).end].to_vec();
    // Two chunks, and a header that says so.
    shorter[16..24].copy_from_slice(&(2 * CHUNK as u64).to_be_bytes());
    let without_middle = [&whole[..chunk(0).end], &whole[chunk(2)]].concat();
    let cases = [
        ("cut at a chunk", whole[..chunk(1).end].to_vec()),
        ("cut within a chunk", whole[..chunk(2).end - 1].to_vec()),
        ("cut, and the header with it", shorter),
        ("a chunk left out", without_middle),
        ("a byte more", [&whole[..], b"x"].concat()),
        ("a chunk more", [&whole[..], &whole[chunk(2)]].concat()),
        ("two exchanged", swapped),
        ("one repeated", exchanged(2, &whole[chunk(1)])),
        ("one of another object", exchanged(1, &other[chunk(1)])),
        ("another object's header", [&other[..84], &whole[84..]].concat()),
        ("another object", other.clone()),
        ("nothing", Vec::new()),
    ];
    for (case, bytes) in cases {
        fs::write(&path, bytes).unwrap();
        let error = registry.fetch(Kind::Blob, digest, None).unwrap_err();
        assert!(matches!(error, RegistryError::Corrupt { .. }), "{case}: {error}");
    }
    // What is not touched can be read; what is, cannot.
    fs::write(&path, exchanged(1, &whole[chunk(2)])).unwrap();
    let object = registry.object(digest, 3 * CHUNK as u64).unwrap();
    assert_eq!(object.read_range(0..CHUNK as u64).unwrap().len(), CHUNK);
    let error = object.read_range(CHUNK as u64 - 1..CHUNK as u64 + 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

/// Somebody who shortens the file while it is being read gets an error, and no shorter answer.
#[test]
fn an_object_that_shrinks_while_it_is_open_is_caught() {
    let home = tempfile::tempdir().unwrap();
    let (registry, digest, path, _) = blob(home.path(), 2 * CHUNK);
    let object = registry.object(digest, 2 * CHUNK as u64).unwrap();
    File::options().write(true).open(path).unwrap().set_len(84 + SEALED as u64).unwrap();
    let error = object.read_range(0..2 * CHUNK as u64).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_blob_and_an_index_cannot_stand_for_each_other() {
    let home = tempfile::tempdir().unwrap();
    let (registry, digest, path, _) = blob(home.path(), 10);
    fs::copy(path, registry.path(Kind::Index, digest)).unwrap();
    let opened = registry.open(&PackageDigest(digest));
    assert!(matches!(opened, Err(RegistryError::Corrupt { .. })));
}

/// Rewrites a registry into the form of older releases.
fn age(root: &Path, registry: &Registry) {
    for kind in [Kind::Blob, Kind::Index] {
        for digest in registry.names(kind).unwrap() {
            let plain = registry.fetch(kind, digest, None).unwrap();
            let path = root.join(kind.directory()).join(digest.to_string());
            fs::write(path, whole::seal(&[1; 32], kind, digest, &plain)).unwrap();
        }
    }
}

#[test]
fn what_older_releases_stored_opens_and_is_brought_into_the_new_form() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path(), key(1)).unwrap();
    let package = package(b"weights");
    let digest = registry.add(&package).unwrap();
    age(home.path(), &registry);
    assert!(registry.open(&digest).unwrap().files().eq(package.files()));
    let object = registry.object(sha256(b"weights"), 7).unwrap();
    assert_eq!(object.read_range(2..100).unwrap(), b"ights");
    // Damage in the old form is damage, too.
    let path = registry.path(Kind::Blob, sha256(b"weights"));
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(matches!(registry.open(&digest), Err(RegistryError::Corrupt { .. })));
    }
    fs::write(&path, bytes).unwrap();
    let done = registry.rewrap().unwrap();
    assert_eq!((done.rewrapped, done.kept, done.damaged.len()), (4, 0, 0));
    for path in files(home.path()) {
        assert!(fs::read(path).unwrap().starts_with(b"MNTLOBJ\x02"));
    }
    assert!(registry.open(&digest).unwrap().files().eq(package.files()));
}

#[test]
fn keys_are_wrapped_anew_and_the_former_key_is_of_no_use_then() {
    let home = tempfile::tempdir().unwrap();
    let secret = |byte| Zeroizing::new([byte; 32]);
    let former = Registry::new(home.path(), key(1)).unwrap();
    let package = package(&content(3 * CHUNK));
    let digest = former.add(&package).unwrap();
    let before: Vec<_> = files(home.path()).iter().map(|path| fs::read(path).unwrap()).collect();
    let both = Registry::new(home.path(), key(2).after(secret(1))).unwrap();
    assert!(both.open(&digest).unwrap().files().eq(package.files()));
    fs::write(home.path().join("blobs").join(sha256(b"").to_string()), b"damaged").unwrap();
    let done = both.rewrap().unwrap();
    assert_eq!((done.rewrapped, done.kept, done.damaged.len()), (3, 0, 1));
    both.add(&package).unwrap();
    assert_eq!(both.rewrap().unwrap().kept, 4);
    // Only headers have changed, where nothing was damaged.
    let after = files(home.path()).into_iter().map(|path| fs::read(path).unwrap());
    let same = before.iter().zip(after).filter(|(before, after)| before[84..] == after[84..]).count();
    assert_eq!(same, 3);
    let newest = Registry::new(home.path(), key(2)).unwrap();
    assert!(newest.open(&digest).unwrap().files().eq(package.files()));
    assert!(matches!(former.open(&digest), Err(RegistryError::Corrupt { .. })));
}

#[test]
fn the_key_is_never_shown() {
    assert_eq!(format!("{:?}", key(0x41)), "RegistryKey(..)");
}

/// Of the first form all is read before any of it is authenticated: how much that may be is said by an index, which is
/// authentic, and not by whoever can write a file here.
#[test]
fn the_first_form_is_read_no_further_than_an_index_says() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path(), key(1)).unwrap();
    let digest = registry.add(&package(b"weights")).unwrap();
    let blob = sha256(b"weights");
    let path = home.path().join("blobs").join(blob.to_string());
    fs::write(&path, whole::seal(&[1; 32], Kind::Blob, blob, b"weights")).unwrap();
    assert!(registry.open(&digest).is_ok(), "files in the first form are read as ever");
    // Sparse, so that it costs nothing to write; to read it all would be a gibibyte.
    let giant = fs::File::create(&path).unwrap();
    giant.set_len(1 << 30).unwrap();
    let refused = |opened: Result<Object, ObjectError>| assert!(matches!(opened, Err(ObjectError::TooLong)));
    for bytes in [Some(7), None] {
        refused(Object::open(fs::File::open(&path).unwrap(), &key(1), Kind::Blob, blob, bytes));
    }
    assert!(matches!(registry.open(&digest), Err(RegistryError::Corrupt { .. })));
    giant.set_len(7 + whole::OVERHEAD + 1).unwrap();
    refused(Object::open(fs::File::open(&path).unwrap(), &key(1), Kind::Blob, blob, Some(7)));
}
