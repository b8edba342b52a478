//! An entry of a transparency log of signatures (Rekor 1): when it came in, that it is in the log, and what it is about.

use base64::{Engine, engine::general_purpose::STANDARD};
use mantlet_types::Sha256;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Deserializer, de::Error};

use super::{
    Envelope, SigstoreError, refuse,
    root::{LogKey, TrustRoot},
};
use crate::artifact::{json, sha256};

/// Hashes in a proof: a tree of 2^64 leaves has as many levels.
const HASHES_MAX: usize = 64;

/// An entry as a bundle has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEntry {
    #[serde(deserialize_with = "number")]
    log_index: u64,
    log_id: LogId,
    #[serde(default, deserialize_with = "some_number")]
    integrated_time: Option<u64>,
    inclusion_promise: Option<Promise>,
    inclusion_proof: Option<Proof>,
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Promise {
    signed_entry_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    #[serde(default, deserialize_with = "number")]
    log_index: u64,
    root_hash: String,
    #[serde(deserialize_with = "number")]
    tree_size: u64,
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: Checkpoint,
}

#[derive(Deserialize)]
struct Checkpoint {
    envelope: String,
}

/// Protobuf's JSON writes 64-bit numbers as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(|_| D::Error::custom("a number is none")),
    }
}

fn some_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    number(deserializer).map(Some)
}

fn decode(text: &str) -> Result<Vec<u8>, SigstoreError> {
    STANDARD.decode(text).or_else(|_| refuse("holds what is not canonical base64"))
}

fn hash(text: &str) -> Result<[u8; 32], SigstoreError> {
    decode(text)?.try_into().or_else(|_| refuse("has a hash that is not of 32 bytes"))
}

/// An entry whose parts are decoded, and nothing more.
pub(super) struct Entry<'e> {
    wire: &'e LogEntry,
    body: Vec<u8>,
    log: Sha256,
    integrated: u64,
    promise: Vec<u8>,
    proof: &'e Proof,
}

impl LogEntry {
    pub(super) fn read(&self) -> Result<Entry<'_>, SigstoreError> {
        let (Some(integrated), Some(promise)) = (self.integrated_time, &self.inclusion_promise) else {
            return refuse("gives no time that the log has signed; entries of Rekor 2 are not read here");
        };
        let Some(proof) = &self.inclusion_proof else {
            return refuse("does not prove that it has the entry");
        };
        Ok(Entry {
            wire: self,
            body: decode(&self.canonicalized_body)?,
            log: Sha256(hash(&self.log_id.key_id)?),
            integrated,
            promise: decode(&promise.signed_entry_timestamp)?,
            proof,
        })
    }
}

impl Entry<'_> {
    /// Checks the log's word that the entry came in, and that it is there. Gives the time at which it came in, in seconds
    /// since 1970.
    pub(super) fn verify(&self, root: &TrustRoot) -> Result<i64, SigstoreError> {
        let at = i64::try_from(self.integrated).or_else(|_| refuse("gives a time that is none"))?;
        let log = root.signature_logs.iter().find(|log| log.id == self.log && log.used.contains(at));
        let Some(log) = log else { return refuse("is not one that counts, or did not at that time") };
        let message = format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            STANDARD.encode(&self.body),
            self.integrated,
            self.log,
            self.wire.log_index,
        );
        if !log.key.verifies_by(256, message.as_bytes(), &self.promise) {
            return refuse("did not sign the time that the entry gives");
        }
        let hashes = self.proof.hashes.iter().take(HASHES_MAX + 1).map(|it| hash(it));
        let hashes: Vec<[u8; 32]> = hashes.collect::<Result<_, _>>()?;
        let expected = hash(&self.proof.root_hash)?;
        if included(&self.body, self.proof.log_index, self.proof.tree_size, &hashes) != Some(expected) {
            return refuse("does not prove that it has the entry");
        }
        checkpoint(&self.proof.checkpoint.envelope, log, self.proof.tree_size, &expected)?;
        Ok(at)
    }

    /// Whether the entry is about this certificate and this envelope (CVE-2022-36056: an entry about something else).
    pub(super) fn is_about(&self, certificate: &[u8], envelope: &Envelope<'_>) -> Result<(), SigstoreError> {
        let body: Body =
            json::parse(&self.body).or_else(|error| refuse(format!("has a malformed entry: {error}")))?;
        if (body.kind.as_str(), body.api_version.as_str()) != ("dsse", "0.0.1") {
            return refuse("has an entry of another kind than `dsse` 0.0.1");
        }
        let Spec { payload_hash, signatures } = body.spec;
        let [signature] = signatures.as_slice() else { return refuse("has an entry of several signatures") };
        let verifier = decode(&signature.verifier)?;
        let verifier =
            CertificateDer::from_pem_slice(&verifier).or_else(|_| refuse("names no certificate"))?;
        if payload_hash.algorithm == "sha256"
            && payload_hash.value == sha256(envelope.payload).to_string()
            && decode(&signature.signature)? == envelope.signature
            && *verifier == *certificate
        {
            Ok(())
        } else {
            refuse("has an entry about something else")
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    payload_hash: PayloadHash,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct PayloadHash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct Signature {
    signature: String,
    verifier: String,
}

/// The root of a tree in which this leaf stands at this place (RFC 9162, section 2.1.3.2).
fn included(leaf: &[u8], index: u64, size: u64, hashes: &[[u8; 32]]) -> Option<[u8; 32]> {
    if index >= size {
        return None;
    }
    let node = |left: &[u8], right: &[u8]| sha256(&[&[1], left, right].concat()).0;
    let (mut at, mut last) = (index, size - 1);
    let mut root = sha256(&[&[0], leaf].concat()).0;
    for sibling in hashes {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node(sibling, &root);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            root = node(&root, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(root)
}

/// Whether the log has signed this root and size as a checkpoint (C2SP `tlog-checkpoint` and `signed-note`, with Rekor's
/// ECDSA keys: a key's hash is the front of the log's own name).
fn checkpoint(note: &str, log: &LogKey, size: u64, root: &[u8; 32]) -> Result<(), SigstoreError> {
    let malformed = || SigstoreError::Other("has a malformed checkpoint".into());
    let (text, signatures) = note.split_once("\n\n").ok_or_else(malformed)?;
    let mut lines = text.lines();
    let origin = lines.next().filter(|origin| !origin.is_empty());
    let (stated_size, stated_root) = (lines.next(), lines.next());
    if origin.is_none()
        || stated_size != Some(size.to_string().as_str())
        || stated_root != Some(STANDARD.encode(root).as_str())
    {
        return refuse("has a checkpoint of another tree");
    }
    let message = format!("{text}\n");
    let signed = signatures.lines().filter_map(|line| line.strip_prefix("\u{2014} ")?.split_once(' '));
    let by_log = |(_, signature): (&str, &str)| {
        let signature = STANDARD.decode(signature).ok()?;
        let (hint, signature) = signature.split_at_checked(4)?;
        (*hint == log.id.0[..4] && log.key.verifies_by(256, message.as_bytes(), signature)).then_some(())
    };
    match signed.take(HASHES_MAX).find_map(by_log) {
        Some(()) => Ok(()),
        None => refuse("did not sign its checkpoint"),
    }
}
