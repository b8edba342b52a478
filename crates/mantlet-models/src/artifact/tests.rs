//! Signing and verifying.

mod chains;
mod directories;
mod mutations;
mod vectors;

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

use super::{statement::Shape, *};
use crate::package::{MODEL_FILE, PROFILE_FILE, Package, SETTINGS_FILE, SIGNATURE_FILE};

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/oms")
}

fn key() -> SigningKey {
    SigningKey::from_pem(&generate_signing_key().unwrap().0).unwrap()
}

/// Those who hold this key, and nobody else.
fn only(key: &SigningKey) -> [TrustedSigner; 1] {
    [key.public().clone().into()]
}

/// The answer about a directory without any leniency.
fn verified(directory: &Path, signature: &Path, trusted: &TrustedSigners) -> Report {
    verify_path(directory, signature, trusted, Leniency::default(), &()).unwrap()
}

fn sign_directory(directory: &Path, key: &SigningKey, out: &Path) -> Result<(), SignError> {
    sign_path(directory, key, Hashing::default(), out, &())
}

/// A directory with the files of a small package.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        (MODEL_FILE, "weights"),
        (SETTINGS_FILE, "name = \"m\"\n"),
        (PROFILE_FILE, "{}"),
        ("docs/README.md", "hello"),
        ("empty", ""),
    ] {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn signed(key: &SigningKey) -> Package {
    let package = Package::read(directory().path()).unwrap();
    let bundle = sign(&package, key).unwrap();
    package.with_file(SIGNATURE_FILE, bundle)
}

#[test]
fn signs_what_it_verifies() {
    let (key, directory) = (key(), directory());
    let signature = directory.path().join(SIGNATURE_FILE);
    sign_directory(directory.path(), &key, &signature).unwrap();
    // Once more: a signature covers neither itself nor the one before.
    sign_directory(directory.path(), &key, &signature).unwrap();
    let report = verified(directory.path(), &signature, &only(&key));
    assert_eq!(report.verdict, Verdict::Accept, "{}", report.reason);
    let package = Package::read(directory.path()).unwrap();
    let unsigned = statement_digest(&package).unwrap();
    let artifact = package.verify(&only(&key)).unwrap();
    assert_eq!(artifact.digest(), unsigned);
    assert!(artifact.uncovered().is_empty());
}

#[test]
fn every_flipped_byte_is_caught_and_named() {
    let key = key();
    let package = signed(&key);
    let trusted = only(&key);
    assert!(package.clone().verify(&trusted).is_ok());
    let names = [MODEL_FILE, SETTINGS_FILE, PROFILE_FILE];
    for name in names {
        let bytes = package.file(name).unwrap().to_vec();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let actual = HashType::Sha256.of(&changed);
            let error = package.clone().with_file(name, changed).verify(&trusted).unwrap_err();
            let VerifyError::Mismatch { name: named, expected, actual: found } = error else {
                panic!("{name}: {error}")
            };
            assert_eq!((named.as_str(), *expected, *found), (name, HashType::Sha256.of(&bytes), actual));
        }
    }
}

#[test]
fn every_flipped_byte_of_the_signature_is_caught() {
    let key = key();
    let package = signed(&key);
    let statement = statement_digest(&package).unwrap();
    let trusted = only(&key);
    let bundle = package.signature().unwrap().to_vec();
    for index in 0..bundle.len() {
        for bit in [1, 0x20] {
            let mut changed = bundle.clone();
            changed[index] ^= bit;
            // A change that leaves the signed bytes alone (an unknown member's name) may pass; another statement not.
            if let Ok(artifact) = package.clone().with_file(SIGNATURE_FILE, changed).verify(&trusted) {
                assert_eq!(artifact.digest(), statement);
            }
        }
    }
}

#[test]
fn missing_extra_and_foreign_are_refused() {
    let key = key();
    let package = signed(&key);
    let trusted = only(&key);
    let gone = package.clone().without(&[PROFILE_FILE.to_owned()]);
    assert!(matches!(gone.verify(&trusted), Err(VerifyError::Missing { name }) if name == PROFILE_FILE));
    let more = package.clone().with_file("payload.py", b"x".to_vec());
    assert!(matches!(more.verify(&trusted), Err(VerifyError::Uncovered { name }) if name == "payload.py"));
    let unsigned = package.clone().without(&[SIGNATURE_FILE.to_owned()]);
    assert!(matches!(unsigned.verify(&trusted), Err(VerifyError::Unsigned)));
    let other = only(&self::key());
    assert!(matches!(package.clone().verify(&other), Err(VerifyError::Untrusted { hint: Some(_) })));
    assert!(matches!(package.verify(&[]), Err(VerifyError::Untrusted { .. })));
}

#[test]
fn a_profile_that_the_signer_left_out_is_not_loaded() {
    let key = key();
    let package = Package::read(directory().path()).unwrap();
    let listed = package.files().filter(|(name, _)| *name != PROFILE_FILE);
    let digests = listed.map(|(name, bytes)| (name.to_owned(), HashType::Sha256.of(bytes))).collect();
    let payload = String::from_utf8(statement::write("m", Hashing::default(), &digests).unwrap()).unwrap();
    let payload = payload.replace("\"ignore_paths\":[", "\"ignore_paths\":[\"profile.json\",");
    let bundle = bundle::seal(payload.as_bytes(), &key).unwrap();
    let error = package.with_file(SIGNATURE_FILE, bundle).verify(&only(&key)).unwrap_err();
    assert!(matches!(error, VerifyError::Uncovered { name } if name == PROFILE_FILE));
}

#[test]
fn symbolic_links_are_refused() {
    let (key, directory) = (key(), directory());
    let signature = directory.path().join(SIGNATURE_FILE);
    sign_directory(directory.path(), &key, &signature).unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "hello").unwrap();
    fs::remove_file(directory.path().join("docs/README.md")).unwrap();
    std::os::unix::fs::symlink(outside.path(), directory.path().join("docs/README.md")).unwrap();
    let lenient = Leniency { unsigned_files: true, symlinks: true };
    let report = verify_path(directory.path(), &signature, &only(&key), lenient, &()).unwrap();
    assert_eq!(report.reason, "`docs/README.md` is a symbolic link");
    assert!(matches!(sign_directory(directory.path(), &key, &signature), Err(SignError::Tree(_))));
}

#[test]
fn statements_that_could_be_read_two_ways_are_refused() {
    let digest = sha256(b"");
    let root = sha256(&digest.0);
    let check = |resources: &str, root: Sha256, method: &str| {
        let text = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"m","digest":{{"sha256":"{root}"}}}}],
            "predicateType":"https://model_signing/signature/v1.0",
            "predicate":{{"serialization":{{{method}}},"resources":[{resources}]}}}}"#
        );
        statement::Statement::parse(text.as_bytes(), Shape::Directory)
    };
    let one = |name: &str| format!(r#"{{"name":"{name}","algorithm":"sha256","digest":"{digest}"}}"#);
    let files = r#""method":"files","hash_type":"sha256""#;
    assert!(check(&one("a"), root, files).is_ok());
    for name in ["", "/a", "../a", "a/../b", "./a", "a//b", "a/", r"a\\b", r"a\u0000"] {
        assert!(check(&one(name), root, files).is_err(), "{name}");
    }
    let twice = sha256(&[digest.0, digest.0].concat());
    assert!(check(&format!("{},{}", one("a"), one("b")), twice, files).is_ok());
    assert!(check(&format!("{},{}", one("a"), one("a")), twice, files).is_err());
    assert!(check(&one("a"), digest, files).is_err());
    assert!(check("", sha256(b""), files).is_err());
    assert!(check(&one("a"), root, r#""method":"files","hash_type":"sha256","ignore_paths":["."]"#).is_err());
    assert!(
        check(&one("a"), root, r#""method":"files","hash_type":"sha256","ignore_paths":["*.py"]"#).is_err()
    );
    assert!(check(&one("."), root, files).is_err());
    assert!(check(&one("a"), root, r#""method":"files","hash_type":"md5""#).is_err());
    let shards = r#""method":"shards","hash_type":"sha256","shard_size":4"#;
    // By code points, `a:16:20` stands before `a:8:12`.
    for pair in [["a:0:4", "a:4:6"], ["a:4:6", "a:0:4"], ["a:0:4", "a:b:0:4"]] {
        assert!(check(&format!("{},{}", one(pair[0]), one(pair[1])), twice, shards).is_ok(), "{pair:?}");
    }
    for pair in
        [["a:0:4", "a:5:6"], ["a:0:3", "a:3:6"], ["a:4:6", "a:8:9"], ["a:0:4", "a:0:4"], ["a:0:4", "a:04:6"]]
    {
        assert!(check(&format!("{},{}", one(pair[0]), one(pair[1])), twice, shards).is_err(), "{pair:?}");
    }
    assert!(check(&one("a:0:4"), root, r#""method":"shards","hash_type":"sha256","shard_size":0"#).is_err());
}

#[test]
fn keys_round_trip_and_others_are_refused() {
    let (private, public) = generate_signing_key().unwrap();
    let key = SigningKey::from_pem(&private).unwrap();
    assert_eq!(key.public().to_pem(), public);
    assert!(matches!(PublicKey::from_pem(&private), Err(KeyError::NoPem("PUBLIC KEY"))));
    assert!(SigningKey::from_pem(&public).is_err());
    // Ed25519 is not in the registry of signatures.
    let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    assert_eq!(PublicKey::from_pem(ed25519), Err(KeyError::Unsupported));
    assert!(!format!("{key:?}").contains("PRIVATE"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever the bytes, a bundle is answered without a panic, and nothing unsigned is opened.
    #[test]
    fn hostile_bundles_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512), cut in 0_usize..2_000) {
        let trusted = TrustedSigner::from_pem(&fs::read_to_string(vectors().join("keys/p256.pub")).unwrap()).unwrap();
        prop_assert!(bundle::open(&bytes, &trusted).is_err());
        let whole = fs::read(vectors().join("sigs/valid-p256.sig")).unwrap();
        let mut mixed = whole[..cut.min(whole.len() - 1)].to_vec();
        mixed.extend_from_slice(&bytes);
        prop_assert!(bundle::open(&mixed, &trusted).is_err());
        prop_assert!(statement::Statement::parse(&bytes, Shape::Directory).is_err());
    }
}

/// The whole way of a model that serves: directory, signature, registry, verification, contract, answer.
#[test]
fn a_signed_package_serves_after_its_time_in_the_registry() {
    let demo = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mantlet/demo/breast-cancer");
    let key = key();
    let package = Package::read(&demo).unwrap();
    let bundle = sign(&package, &key).unwrap();
    let package = package.with_file(SIGNATURE_FILE, bundle);
    let home = tempfile::tempdir().unwrap();
    let secret = crate::registry::RegistryKey::new(zeroize::Zeroizing::new([7; 32]));
    let registry = crate::registry::Registry::new(home.path(), secret).unwrap();
    let digest = registry.add(&package).unwrap();
    let artifact = registry.open(&digest).unwrap().verify(&only(&key)).unwrap();
    let model = load(&artifact, "default".parse().unwrap(), mantlet_types::Version::FIRST).unwrap();
    assert_eq!(model.contract().digest, artifact.digest());
    assert_eq!(model.contract().digest, sha256(&bundle_payload(package.signature().unwrap())));
    let shape = vec![1, 30];
    let data = mantlet_types::TensorData::Fp32(vec![0.0; 30]);
    let name = model.contract().inputs[0].name.clone();
    let outputs = model.run(&[mantlet_types::Tensor { name, shape, data }]).unwrap();
    assert_eq!(outputs.len(), model.contract().outputs.len());
}

/// The statement as any foreign tool would take it out: `jq -r .dsseEnvelope.payload model.sig | base64 -d`.
fn bundle_payload(bundle: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let bundle: serde_json::Value = serde_json::from_slice(bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD.decode(payload).unwrap()
}
