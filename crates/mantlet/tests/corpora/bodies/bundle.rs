//! Signature bundles of models, and the statements in them.

use std::{collections::BTreeMap, sync::LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use mantlet_models::{
    artifact::{HashType, SigningKey, TrustedSigner, generate_signing_key, sign_payload},
    package::{MODEL_FILE, Package, SETTINGS_FILE, SIGNATURE_FILE},
};
use serde_json::Value;

/// A signer, and everybody whom the corpus' bundles are by.
static TRUSTED: LazyLock<(SigningKey, Vec<TrustedSigner>)> = LazyLock::new(|| {
    let key = SigningKey::from_pem(&generate_signing_key().unwrap().0).unwrap();
    let vectors = |file: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../mantlet-models/testdata/oms/keys");
        std::fs::read_to_string(format!("{path}/{file}")).unwrap()
    };
    let mut trusted = vec![TrustedSigner::Key(key.public().clone())];
    for file in ["p256.pub", "p384.pub", "ca.crt"] {
        trusted.extend(TrustedSigner::from_pem(&vectors(file)).unwrap());
    }
    (key, trusted)
});

/// The first byte says what follows: a bundle as it may come over the wire, or a statement that somebody trusted has signed,
/// since behind a signature stands another parser. Whatever is accepted, an independent reader finds every digest that there
/// is in what was signed.
pub(crate) fn body(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let (key, trusted) = &*TRUSTED;
    let bundle = match kind {
        b's' => sign_payload(data, key).unwrap(),
        _ => data.to_vec(),
    };
    let files = files();
    let package = Package::from_files(files.clone(), "m".to_owned()).unwrap();
    let Ok(artifact) = package.with_file(SIGNATURE_FILE, bundle.clone()).verify(trusted) else { return };
    let bundle: Value = serde_json::from_slice(&bundle).unwrap();
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let resources = statement["predicate"]["resources"].as_array().unwrap();
    let hash: HashType =
        statement["predicate"]["serialization"]["hash_type"].as_str().unwrap().parse().unwrap();
    let shard = statement["predicate"]["serialization"]["shard_size"].as_f64();
    for (name, content) in &files {
        if artifact.uncovered().contains(name) {
            assert!(![MODEL_FILE, SETTINGS_FILE].contains(&name.as_str()), "what is loaded is covered");
            continue;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a size that was accepted"
        )]
        let most = shard.map_or(usize::MAX, |bytes| bytes as usize);
        for (index, piece) in content.chunks(most).enumerate() {
            let start = index.saturating_mul(most);
            let name = shard.map_or(name.clone(), |_| format!("{name}:{start}:{}", start + piece.len()));
            let resource = resources.iter().find(|resource| resource["name"] == name.as_str()).unwrap();
            assert_eq!(resource["digest"], hash.of(piece).to_string(), "{name}");
        }
    }
}

/// The files of a small package.
fn files() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([
        (MODEL_FILE.to_owned(), b"weights".to_vec()),
        (SETTINGS_FILE.to_owned(), b"name = \"m\"\n".to_vec()),
        ("docs/README.md".to_owned(), b"hello".to_vec()),
        ("empty".to_owned(), Vec::new()),
    ])
}

/// Without statements that are accepted, fuzzing would not get far.
#[test]
fn the_corpus_has_statements_that_are_accepted() {
    let (key, trusted) = &*TRUSTED;
    for name in ["statement-files", "statement-blake2b", "statement-blake3", "statement-shards"] {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/bundle");
        let kept = std::fs::read(format!("{corpus}/{name}")).unwrap();
        let bundle = sign_payload(&kept[1..], key).unwrap();
        let package = Package::from_files(files(), "m".to_owned()).unwrap();
        let verified = package.with_file(SIGNATURE_FILE, bundle).verify(trusted);
        assert!(verified.is_ok(), "{name}: {:?}", verified.err());
    }
}
