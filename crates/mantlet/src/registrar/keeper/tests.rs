//! What the registrar refuses, whoever asks.

use std::os::unix::fs::PermissionsExt;

use mantlet_models::{
    artifact::{SigningKey, generate_signing_key, sign},
    package::{MODEL_FILE, SETTINGS_FILE, SIGNATURE_FILE},
};
use mantlet_types::{NodeId, entry::Token};

use super::*;
use crate::home::{InitOptions, RootKeySource, prepare};

/// A registrar of a home of its own, and the key of the home's author.
fn keeper(dir: &std::path::Path) -> (Keeper, SigningKey) {
    let options = InitOptions { single_person: true, ..InitOptions::default() };
    let (home, _) = prepare(&dir.join("home"), &options, |_| None).unwrap().finish().unwrap();
    let root = home.root_key(&RootKeySource::Inside, |_| None).unwrap();
    let registry = assemble::registry(&home, &root).unwrap();
    let key = SigningKey::from_pem(&std::fs::read_to_string(home.author_key_path()).unwrap()).unwrap();
    (Keeper { home, root, registry, kept: BTreeMap::new(), used: None }, key)
}

fn package(key: Option<&SigningKey>) -> Package {
    let files = [(MODEL_FILE, b"weights".to_vec()), (SETTINGS_FILE, b"name = \"loans\"".to_vec())];
    let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    let package = Package::from_files(files, "loans".into()).unwrap();
    match key {
        None => package,
        Some(key) => {
            let signature = sign(&package, key).unwrap();
            package.with_file(SIGNATURE_FILE, signature)
        }
    }
}

fn keep(keeper: &mut Keeper, package: &Package) -> Result<PackageDigest, String> {
    let bytes: Vec<u8> = package.files().flat_map(|(_, bytes)| bytes.to_vec()).collect();
    keeper.keep(Listed::of(package), &mut bytes.as_slice())
}

#[test]
fn only_what_a_trusted_signer_signed_is_kept() {
    let temp = tempfile::tempdir().unwrap();
    let (mut keeper, key) = keeper(temp.path());
    let stranger = SigningKey::from_pem(&generate_signing_key().unwrap().0).unwrap();
    let unsigned = keep(&mut keeper, &package(None)).unwrap_err();
    assert!(unsigned.contains("not signed"), "{unsigned}");
    let untrusted = keep(&mut keeper, &package(Some(&stranger))).unwrap_err();
    assert!(untrusted.contains("not trusted"), "{untrusted}");
    let changed = package(Some(&key)).with_file(MODEL_FILE, b"other".to_vec());
    assert!(keep(&mut keeper, &changed).unwrap_err().contains("not the file that was signed"));
    let more = package(Some(&key)).with_file("more", Vec::new());
    assert!(keep(&mut keeper, &more).is_err(), "a file that nobody signed");
    assert!(std::fs::read_dir(keeper.home.registry_dir().join("blobs")).unwrap().next().is_none());
    let digest = keep(&mut keeper, &package(Some(&key))).unwrap();
    assert!(keeper.registry.open(&digest).is_err(), "nothing refers to it yet");
    assert!(keeper.registry.open_kept(&digest).is_ok());
    // Whoever is trusted no more is not, from the moment on at which the file is gone.
    for file in std::fs::read_dir(keeper.home.trusted_signers_dir()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert!(keep(&mut keeper, &package(Some(&key))).is_err());
}

#[test]
fn a_package_that_is_not_as_long_as_it_says_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (mut keeper, key) = keeper(temp.path());
    let package = package(Some(&key));
    let listed = |files: Vec<(String, u64)>| Listed { subject: "loans".into(), files };
    let cases = [
        listed(vec![("model.onnx".into(), u64::MAX), ("a".into(), 1)]),
        listed(vec![("model.onnx".into(), PACKAGE_BYTES_MAX as u64 + 1)]),
        listed((0..=FILES_MAX).map(|number| (number.to_string(), 0)).collect()),
        listed(vec![("model.onnx".into(), 100)]),
        listed(vec![("../../x".into(), 1)]),
    ];
    for case in cases {
        assert!(keeper.keep(case, &mut &b"x"[..]).is_err());
    }
    keep(&mut keeper, &package).unwrap();
}

#[test]
fn nothing_is_published_without_an_intent_of_its_own() {
    let (manifest, other) = (Sha256([1; 32]), Sha256([2; 32]));
    let entry = |change: fn(&mut Entry)| {
        let mut entry = Entry::new(Event::ModelRegister, "node-1".parse::<NodeId>().unwrap());
        entry.phase = Phase::Intent;
        entry.decision = Some(Decision::Allow);
        entry.principal = Some("user:alice".parse().unwrap());
        entry.model_digest = Some(Sha256([1; 32]));
        entry.subject = Some(Token::of("loans"));
        entry.ts = SystemClock.now();
        change(&mut entry);
        entry
    };
    assert!(allows(&entry(|_| {}), manifest, "loans"));
    assert!(!allows(&entry(|_| {}), other, "loans"));
    assert!(!allows(&entry(|_| {}), manifest, "other"));
    let changes: [fn(&mut Entry); 8] = [
        |entry| entry.event = Event::ModelRequest,
        |entry| entry.phase = Phase::Outcome,
        |entry| entry.phase = Phase::Single,
        |entry| entry.decision = Some(Decision::Deny),
        |entry| entry.decision = None,
        |entry| entry.principal = None,
        |entry| entry.subject = None,
        |entry| entry.ts = SystemClock.now().plus_seconds(-INTENT_SECONDS - 1),
    ];
    for change in changes {
        assert!(!allows(&entry(change), manifest, "loans"));
    }
    let temp = tempfile::tempdir().unwrap();
    let (mut keeper, key) = keeper(temp.path());
    assert!(keeper.publish(PackageDigest(manifest), 0).unwrap_err().contains("was kept"));
    let digest = keep(&mut keeper, &package(Some(&key))).unwrap();
    assert!(keeper.publish(digest, 0).is_err(), "there is no log");
    assert!(keeper.registry.open(&digest).is_err());
    let mode = std::fs::metadata(keeper.home.registry_dir().join("kept")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
