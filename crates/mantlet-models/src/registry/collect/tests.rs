//! What nothing names goes, once it is old enough; what something names stays, and so does everything where it is not known.

use std::{fs::File, path::Path};

use zeroize::Zeroizing;

use super::*;
use crate::{
    package::{MODEL_FILE, Package, SETTINGS_FILE},
    registry::RegistryKey,
};

fn package(model: &[u8]) -> Package {
    let files = [(MODEL_FILE, model.to_vec()), (SETTINGS_FILE, b"name = \"m\"".to_vec())];
    let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    Package::from_files(files, "m".into()).unwrap()
}

fn registry(root: &Path) -> Registry {
    Registry::new(root, RegistryKey::new(Zeroizing::new([1; 32]))).unwrap()
}

/// Makes everything there two days old.
fn age(root: &Path) {
    let before = SystemTime::now() - 2 * YOUNG;
    for directory in ["blobs", "packages", "kept"] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            File::options().write(true).open(entry.unwrap().path()).unwrap().set_modified(before).unwrap();
        }
    }
}

#[test]
fn what_a_registration_left_goes_and_what_a_version_names_stays() {
    let home = tempfile::tempdir().unwrap();
    let registry = registry(home.path());
    let named = registry.add(&package(b"named")).unwrap();
    let orphan = registry.add(&package(b"published, and no version")).unwrap();
    let kept = registry.keep(&package(b"kept, and never published")).unwrap();
    fs::write(home.path().join("blobs/half-a-file.tmp"), b"left").unwrap();
    let named = BTreeSet::from([named]);
    assert!(registry.orphans(&named).unwrap().paths.is_empty(), "all of it is young");
    age(home.path());
    let orphans = registry.orphans(&named).unwrap();
    // Two indexes, their two models, and half a file; the settings are those of the package that stays.
    assert_eq!(orphans.paths.len(), 5, "{orphans:?}");
    let sizes = orphans.paths.iter().map(|path| fs::metadata(path).unwrap().len());
    assert_eq!(orphans.bytes, sizes.sum::<u64>());
    registry.remove(&orphans).unwrap();
    registry.remove(&orphans).unwrap();
    assert!(named.iter().all(|package| registry.open(package).is_ok()));
    assert!(registry.open(&orphan).is_err() && registry.open_kept(&kept).is_err());
    assert!(registry.orphans(&named).unwrap().paths.is_empty());
}

#[test]
fn what_a_young_package_names_stays_and_what_cannot_be_read_keeps_everything() {
    let home = tempfile::tempdir().unwrap();
    let registry = registry(home.path());
    registry.add(&package(b"old")).unwrap();
    age(home.path());
    let young = registry.add(&package(b"young")).unwrap();
    let orphans = registry.orphans(&BTreeSet::new()).unwrap();
    // The old index and its model: the settings are named by the young one as well.
    assert_eq!(orphans.paths.len(), 2, "{orphans:?}");
    let index = home.path().join("packages").join(young.to_string());
    fs::write(&index, b"damaged").unwrap();
    assert!(registry.orphans(&BTreeSet::new()).is_err(), "nobody knows what it names");
}
