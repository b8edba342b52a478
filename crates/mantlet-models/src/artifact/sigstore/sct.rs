//! Certificate transparency of the signer's certificate (RFC 6962): a log has promised to show it. What the log signed is the
//! certificate without the promise, so that is what is put together again here.

use x509_parser::extensions::ParsedExtension;

use super::{SigstoreError, refuse, root::TrustRoot};
use crate::artifact::{
    chain::Parsed,
    der::{encoded, tlv},
    sha256,
};

/// DER of the OID 1.3.6.1.4.1.11129.2.4.2 of the list of promises.
const LIST: &[u8] = &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];

/// SHA-256 and ECDSA as TLS 1.2 numbers them.
const SHA256_ECDSA: (u8, u8) = (4, 3);

/// Promises in one certificate; Fulcio gives one.
const PROMISES_MAX: usize = 16;

/// Whether a log that counts has promised to show this certificate.
pub(super) fn verify(leaf: &Parsed<'_>, issuer: &[u8], root: &TrustRoot) -> Result<(), SigstoreError> {
    let issuer = Parsed::read(issuer)?;
    let key_hash = sha256(issuer.read.public_key().raw);
    let Some(certificate) = without_list(leaf.read.tbs_certificate.as_ref()) else {
        return refuse("has a certificate that no log has promised to show");
    };
    let promises = leaf.read.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SCT(promises) => Some(promises),
        _ => None,
    });
    for promise in promises.into_iter().flatten().take(PROMISES_MAX) {
        let signed = (promise.signature.hash_alg_id, promise.signature.sign_alg_id);
        let at = i64::try_from(promise.timestamp / 1_000).unwrap_or(i64::MAX);
        let log = root.certificate_logs.iter().find(|log| log.id.0 == *promise.id.key_id);
        let Some(log) = log.filter(|log| log.used.contains(at)) else { continue };
        let Some(message) = message(promise.timestamp, &key_hash.0, &certificate, promise.extensions.0)
        else {
            continue;
        };
        if promise.version.0 == 0
            && signed == SHA256_ECDSA
            && log.key.verifies_by(256, &message, promise.signature.data)
        {
            return Ok(());
        }
    }
    refuse("has a certificate that no log which counts has promised to show")
}

/// RFC 6962, section 3.2: `digitally-signed struct` over a precertificate.
fn message(timestamp: u64, key_hash: &[u8; 32], certificate: &[u8], extensions: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(certificate.len()).ok().filter(|length| *length < 1 << 24)?;
    let mut message = vec![0, 0];
    message.extend_from_slice(&timestamp.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(key_hash);
    message.extend_from_slice(&length.to_be_bytes()[1..]);
    message.extend_from_slice(certificate);
    message.extend_from_slice(&u16::try_from(extensions.len()).ok()?.to_be_bytes());
    message.extend_from_slice(extensions);
    Some(message)
}

/// A `TBSCertificate` without the list of promises; `None` if it has none.
fn without_list(certificate: &[u8]) -> Option<Vec<u8>> {
    let certificate = tlv(certificate)?;
    let mut fields = Vec::new();
    let mut had_list = false;
    let mut rest = certificate.content;
    while !rest.is_empty() {
        let field = tlv(rest)?;
        rest = field.rest;
        // `[3] EXPLICIT SEQUENCE OF Extension`
        if field.tag != 0xa3 {
            fields.extend_from_slice(field.whole);
            continue;
        }
        let mut kept = Vec::new();
        let mut extensions = tlv(field.content)?.content;
        while !extensions.is_empty() {
            let extension = tlv(extensions)?;
            extensions = extension.rest;
            if extension.content.starts_with(LIST) {
                had_list = true;
            } else {
                kept.extend_from_slice(extension.whole);
            }
        }
        fields.extend_from_slice(&encoded(0xa3, &encoded(0x30, &kept)));
    }
    had_list.then(|| encoded(0x30, &fields))
}
