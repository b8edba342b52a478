//! The envelope around a statement: DSSE 1.0 in a Sigstore bundle 0.3, key method. The signature is checked before
//! the payload is looked at, and only keys given from outside count, never one that the bundle brings along.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{
    VerifyError, json,
    keys::{KeyError, PublicKey, SigningKey, TrustedKeys},
};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A bundle: base64 of a manifest with the most resources and names of ordinary length.
pub(crate) const BUNDLE_BYTES_MAX: u64 = 64 << 20;

/// A payload whose signature holds, and whose.
#[derive(Debug)]
pub(crate) struct Opened<'k> {
    pub(crate) payload: Vec<u8>,
    pub(crate) signer: &'k PublicKey,
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
    x509_certificate_chain: Option<IgnoredAny>,
    certificate: Option<IgnoredAny>,
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

/// Checks a bundle against the trusted keys and hands out its payload.
pub(crate) fn open<'k>(bytes: &[u8], trusted: &'k TrustedKeys) -> Result<Opened<'k>, VerifyError> {
    if bytes.len() as u64 > BUNDLE_BYTES_MAX {
        return Err(VerifyError::Bundle(format!("has more than {BUNDLE_BYTES_MAX} bytes")));
    }
    let bundle: Bundle =
        json::parse(bytes).map_err(|cause| VerifyError::Bundle(format!("is malformed: {cause}")))?;
    if bundle.media_type != MEDIA_TYPE {
        return Err(VerifyError::Bundle(format!("is not of the media type `{MEDIA_TYPE}`")));
    }
    let Material { public_key, x509_certificate_chain, certificate } = bundle.verification_material;
    let Some(key) = public_key else {
        return Err(VerifyError::Bundle("is not signed by the key method".into()));
    };
    if x509_certificate_chain.is_some() || certificate.is_some() {
        return Err(VerifyError::Bundle("states two ways of verifying it".into()));
    }
    let Envelope { payload, payload_type, signatures } = bundle.dsse_envelope;
    let [signature] = signatures.as_slice() else {
        return Err(VerifyError::Bundle("does not have exactly one signature".into()));
    };
    if payload_type != PAYLOAD_TYPE {
        return Err(VerifyError::Bundle(format!("has a payload of another type than `{PAYLOAD_TYPE}`")));
    }
    let base64 = |text: &str| {
        STANDARD.decode(text).map_err(|_| VerifyError::Bundle("holds what is not canonical base64".into()))
    };
    let (payload, signature) = (base64(&payload)?, base64(&signature.sig)?);
    let signer = signer(trusted, key.hint.as_deref(), &pae(&payload_type, &payload), &signature)?;
    Ok(Opened { payload, signer })
}

fn signer<'k>(
    trusted: &'k TrustedKeys,
    hint: Option<&str>,
    message: &[u8],
    signature: &[u8],
) -> Result<&'k PublicKey, VerifyError> {
    let named = |key: &&PublicKey| hint.is_none_or(|hint| key.fingerprint().to_string() == hint);
    let candidates: Vec<_> = trusted.iter().filter(named).collect();
    if candidates.is_empty() {
        return Err(VerifyError::Untrusted { hint: hint.map(|hint| hint.chars().take(64).collect()) });
    }
    candidates.into_iter().find(|key| key.verifies(message, signature)).ok_or(VerifyError::Signature)
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
    public_key: WrittenHint,
    tlog_entries: [(); 0],
}

#[derive(Serialize)]
struct WrittenHint {
    hint: String,
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
        verification_material: WrittenMaterial {
            public_key: WrittenHint { hint: key.public().fingerprint().to_string() },
            tlog_entries: [],
        },
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
