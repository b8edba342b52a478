//! People's certificates, as far as their signatures are concerned: whom one names, until when, and with which key.
//!
//! Whether a certificate counts is the directory's business, which lists the digests of those that do; whether the home's
//! authority issued it is what the handshake has checked.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use mantlet_types::{Sha256, Timestamp, UserId};
use x509_parser::{
    oid_registry::OID_KEY_TYPE_EC_PUBLIC_KEY,
    prelude::{FromDer, GeneralName, X509Certificate},
};

use super::statement::sha256;

/// Before the user's name in the URI by which a certificate names its user.
pub const USER_URI: &str = "mantlet:user:";

/// A certificate of ours has some 600 bytes.
const DER_BYTES_MAX: usize = 8 << 10;

/// A person's certificate, read.
pub struct UserCertificate {
    /// SHA-256 of its DER form.
    pub digest: Sha256,
    /// The person whom it names.
    pub user: UserId,
    /// From here on it is no factor any more.
    pub expires: Timestamp,
    /// Its public key: a point on P-256, if it is one.
    point: Vec<u8>,
}

/// Reads a certificate, if it names a person: exactly one alternative name, a URI of ours. Says nothing of who issued it.
#[must_use]
pub fn user_certificate(der: &[u8]) -> Option<UserCertificate> {
    if der.len() > DER_BYTES_MAX {
        return None;
    }
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let user = match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] if rest.is_empty() => uri.strip_prefix(USER_URI)?.parse().ok()?,
        _ => return None,
    };
    let seconds = certificate.validity().not_after.timestamp();
    let key = certificate.public_key();
    let point = if key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        key.subject_public_key.data.to_vec()
    } else {
        Vec::new()
    };
    Some(UserCertificate {
        digest: sha256(der),
        user,
        expires: Timestamp::from_micros(seconds.saturating_mul(1_000_000)),
        point,
    })
}

impl UserCertificate {
    /// Whether the certificate's key made this signature (ECDSA on P-256 with SHA-256, in ASN.1) over these bytes.
    #[must_use]
    pub fn signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point).verify(bytes, signature).is_ok()
    }
}
