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

#[test]
fn the_key_is_never_shown() {
    assert_eq!(format!("{:?}", key(0x41)), "RegistryKey(..)");
}
