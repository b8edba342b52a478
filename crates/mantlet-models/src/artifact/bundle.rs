//! The envelope around a statement: DSSE 1.0 in a Sigstore bundle 0.3. The signature is checked before the payload is looked
//! at, and only what is trusted from outside counts, never a key or an authority that the bundle brings along.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    VerifyError,
    chain::{CERTIFICATE_BYTES_MAX, CHAIN_MAX},
    json,
    keys::{KeyError, PublicKey, SigningKey},
    sigstore::{self, LogEntry},
    trust::{Signer, TrustedSigner, TrustedSigners, certified, identities},
};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A bundle: base64 of a manifest with the most resources and names of ordinary length.
pub(crate) const BUNDLE_BYTES_MAX: u64 = 64 << 20;

/// A payload whose signature holds, and whose.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) payload: Vec<u8>,
    pub(crate) signer: Signer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<KeyHint>,
    #[serde(rename = "x509CertificateChain")]
    x509_certificate_chain: Option<Chain>,
    certificate: Option<Certificate>,
    tlog_entries: Option<Vec<LogEntry>>,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<Certificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    raw_bytes: String,
}

#[derive(Deserialize)]
struct KeyHint {
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

/// Checks a bundle against what is trusted and hands out its payload.
pub(crate) fn open(bytes: &[u8], trusted: &TrustedSigners) -> Result<Opened, VerifyError> {
    if bytes.len() as u64 > BUNDLE_BYTES_MAX {
        return Err(VerifyError::Bundle(format!("has more than {BUNDLE_BYTES_MAX} bytes")));
    }
    let bundle: Bundle =
        json::parse(bytes).map_err(|cause| VerifyError::Bundle(format!("is malformed: {cause}")))?;
    if bundle.media_type != MEDIA_TYPE {
        return Err(VerifyError::Bundle(format!("is not of the media type `{MEDIA_TYPE}`")));
    }
    let Envelope { payload, payload_type, signatures } = bundle.dsse_envelope;
    let [signature] = signatures.as_slice() else {
        return Err(VerifyError::Bundle("does not have exactly one signature".into()));
    };
    if payload_type != PAYLOAD_TYPE {
        return Err(VerifyError::Bundle(format!("has a payload of another type than `{PAYLOAD_TYPE}`")));
    }
    let (payload, signature) = (base64(&payload)?, base64(&signature.sig)?);
    let message = pae(&payload_type, &payload);
    let Material { public_key, x509_certificate_chain, certificate, tlog_entries } =
        bundle.verification_material;
    let signer = match (public_key, x509_certificate_chain, certificate) {
        (Some(key), None, None) => by_key(trusted, key.hint.as_deref(), &message, &signature)?,
        (None, Some(chain), None) => by_certificate(trusted, &chain, &message, &signature)?,
        (None, None, Some(certificate)) => {
            let signed = sigstore::Envelope { payload: &payload, signature: &signature };
            by_identity(trusted, &certificate, &tlog_entries.unwrap_or_default(), &signed, &message)?
        }
        _ => {
            return Err(VerifyError::Bundle("does not state exactly one way of verifying it".into()));
        }
    };
    Ok(Opened { payload, signer })
}

fn base64(text: &str) -> Result<Vec<u8>, VerifyError> {
    STANDARD.decode(text).map_err(|_| VerifyError::Bundle("holds what is not canonical base64".into()))
}

/// The key method. A key that the bundle carries is not even looked at; its hint only chooses among those trusted.
fn by_key(
    trusted: &TrustedSigners,
    hint: Option<&str>,
    message: &[u8],
    signature: &[u8],
) -> Result<Signer, VerifyError> {
    let named = |one: &TrustedSigner| match one {
        TrustedSigner::Key(key) if hint.is_none_or(|hint| key.fingerprint().to_string() == hint) => {
            Some(key.clone())
        }
        _ => None,
    };
    let candidates: Vec<PublicKey> = trusted.iter().filter_map(named).collect();
    if candidates.is_empty() {
        return Err(VerifyError::Untrusted { hint: hint.map(|hint| hint.chars().take(64).collect()) });
    }
    let signer = candidates.into_iter().find(|key| key.verifies(message, signature));
    signer.map(|key| Signer::Key(key.fingerprint())).ok_or(VerifyError::Signature)
}

/// The certificate method: the chain leads to an authority that is trusted, and its first key made the signature.
fn by_certificate(
    trusted: &TrustedSigners,
    chain: &Chain,
    message: &[u8],
    signature: &[u8],
) -> Result<Signer, VerifyError> {
    let most = CERTIFICATE_BYTES_MAX.div_ceil(3) * 4;
    if chain.certificates.len() > CHAIN_MAX || chain.certificates.iter().any(|it| it.raw_bytes.len() > most) {
        return Err(VerifyError::Bundle("has a chain of too many or too large certificates".into()));
    }
    let chain = chain.certificates.iter().map(|it| base64(&it.raw_bytes)).collect::<Result<Vec<_>, _>>()?;
    let key = certified(&chain, trusted)?;
    if !key.verifies(message, signature) {
        return Err(VerifyError::Signature);
    }
    Ok(Signer::Certificate(chain))
}

/// The sigstore method: an account that is trusted held the certificate's key when the log took in the entry.
fn by_identity(
    trusted: &TrustedSigners,
    certificate: &Certificate,
    entries: &[LogEntry],
    signed: &sigstore::Envelope<'_>,
    message: &[u8],
) -> Result<Signer, VerifyError> {
    let certificate = base64(&certificate.raw_bytes)?;
    let mut last = VerifyError::Untrusted { hint: None };
    for known in identities(trusted) {
        match sigstore::verify(&certificate, entries, signed, known) {
            Ok(key) if key.verifies(message, signed.signature) => {
                let (identity, issuer) = (known.identity.clone(), known.issuer.clone());
                return Ok(Signer::Identity { identity, issuer });
            }
            Ok(_) => last = VerifyError::Signature,
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    media_type: &'a str,
    verification_material: WrittenMaterial,
    dsse_envelope: WrittenEnvelope<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMaterial {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<WrittenHint>,
    #[serde(rename = "x509CertificateChain", skip_serializing_if = "Option::is_none")]
    chain: Option<WrittenChain>,
    tlog_entries: [(); 0],
}

#[derive(Serialize)]
struct WrittenHint {
    hint: String,
}

#[derive(Serialize)]
struct WrittenChain {
    certificates: Vec<WrittenCertificate>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenCertificate {
    raw_bytes: String,
}

impl WrittenMaterial {
    /// How others verify what this key signs: by its certificates, if it has any, or by its public half.
    fn of(key: &SigningKey) -> Self {
        let certificate = |der: &Vec<u8>| WrittenCertificate { raw_bytes: STANDARD.encode(der) };
        let certificates: Vec<_> = key.chain().iter().map(certificate).collect();
        let (public_key, chain) = if certificates.is_empty() {
            (Some(WrittenHint { hint: key.public().fingerprint().to_string() }), None)
        } else {
            (None, Some(WrittenChain { certificates }))
        };
        Self { public_key, chain, tlog_entries: [] }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEnvelope<'a> {
    payload: String,
    payload_type: &'a str,
    signatures: [WrittenSignature; 1],
}

#[derive(Serialize)]
struct WrittenSignature {
    sig: String,
    keyid: &'static str,
}

/// Signs a payload and wraps it.
pub(crate) fn seal(payload: &[u8], key: &SigningKey) -> Result<Vec<u8>, KeyError> {
    let signature = key.sign(&pae(PAYLOAD_TYPE, payload))?;
    let bundle = Written {
        media_type: MEDIA_TYPE,
        verification_material: WrittenMaterial::of(key),
        dsse_envelope: WrittenEnvelope {
            payload: STANDARD.encode(payload),
            payload_type: PAYLOAD_TYPE,
            signatures: [WrittenSignature { sig: STANDARD.encode(signature), keyid: "" }],
        },
    };
    serde_json::to_vec(&bundle).map_err(|_| KeyError::Provider)
}

/// DSSE's pre-authentication encoding: type and body with their lengths, so that no two pairs give the same bytes.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}
