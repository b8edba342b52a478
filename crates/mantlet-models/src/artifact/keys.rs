//! ECDSA keys of model authors: NIST P-256, P-384 and P-521 with the hash of equal strength, as OpenSSF Model
//! Signing 1.0 allows; Mantlet makes P-256. Private keys exist only in the offline commands that sign.

mod encrypted;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, UnparsedPublicKey,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use mantlet_types::Sha256;
use x509_parser::{
    oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, Oid},
    prelude::FromDer,
    x509::SubjectPublicKeyInfo,
};
use zeroize::Zeroizing;

use super::chain::{Parsed, certificates};

/// Longest PEM text of a key. A P-521 private key has about 400 characters.
const PEM_BYTES_MAX: usize = 16 << 10;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No such PEM block.
    #[error("the file holds no PEM block `{0}`")]
    NoPem(&'static str),
    /// Not a key of a kind that can sign models.
    #[error("the key is not an ECDSA key on P-256, P-384 or P-521")]
    Unsupported,
    /// Encrypted, and no passphrase was given.
    #[error("the key is encrypted")]
    Encrypted,
    /// Encrypted under another passphrase, or damaged.
    #[error("the passphrase does not open the key")]
    Passphrase,
    /// Encrypted in a way that is not read here.
    #[error("the key is encrypted in a way that is not read here")]
    Cipher,
    /// A certificate of somebody else.
    #[error("the first certificate is not that of the key")]
    OtherCertificate,
    /// The cryptographic provider failed.
    #[error("the cryptographic provider failed")]
    Provider,
}

impl KeyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoPem("PUBLIC KEY") => Some("give the public half: openssl ec -in KEY -pubout".into()),
            Self::NoPem("CERTIFICATE") => Some("give the certificates in PEM, the signer's first".into()),
            Self::NoPem(_) => Some("give a key in PEM (PKCS#8)".into()),
            Self::Encrypted => Some("give the file with its passphrase: --passphrase-file FILE".into()),
            Self::Cipher => Some(
                "PBES2 with PBKDF2 and AES-CBC is read; convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY"
                    .into(),
            ),
            Self::OtherCertificate => Some("order the file: the signer's certificate, then its issuer's".into()),
            Self::Passphrase => None,
            Self::Unsupported => Some(
                "make one: openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt"
                    .into(),
            ),
            Self::Provider => None,
        }
    }
}

/// A trusted signer.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Curve,
    /// The SubjectPublicKeyInfo.
    spki: Vec<u8>,
    /// The uncompressed point within it.
    point: Vec<u8>,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    fn of(oid: &Oid<'_>) -> Option<Self> {
        let curves =
            [(OID_EC_P256, Self::P256), (OID_NIST_EC_P384, Self::P384), (OID_NIST_EC_P521, Self::P521)];
        curves.into_iter().find(|(known, _)| known == oid).map(|(_, curve)| curve)
    }

    fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::P384 => &signature::ECDSA_P384_SHA384_ASN1,
            Self::P521 => &signature::ECDSA_P521_SHA512_ASN1,
        }
    }
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// Not PEM, or not a key on one of the three curves.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_spki(unarmor(text, "PUBLIC KEY")?.to_vec())
    }

    pub(crate) fn from_spki(spki: Vec<u8>) -> Result<Self, KeyError> {
        let (rest, parsed) = SubjectPublicKeyInfo::from_der(&spki).map_err(|_| KeyError::Unsupported)?;
        let oid = parsed.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let curve = oid.as_ref().and_then(Curve::of);
        match curve {
            Some(algorithm)
                if rest.is_empty() && parsed.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY =>
            {
                let point = parsed.subject_public_key.data.to_vec();
                Ok(Self { algorithm, spki, point })
            }
            _ => Err(KeyError::Unsupported),
        }
    }

    /// The key in PEM, 64 columns and a final newline: the form whose digest is the key's hint.
    #[must_use]
    pub fn to_pem(&self) -> String {
        armor(&self.spki, "PUBLIC KEY")
    }

    /// SHA-256 of the PEM text: what a bundle's `hint` holds, and what a key is shown as.
    #[must_use]
    pub fn fingerprint(&self) -> Sha256 {
        super::sha256(self.to_pem().as_bytes())
    }

    /// Whether this key made the signature over the message by SHA-2 of so many bits: certificates name their hash.
    pub(crate) fn verifies_by(&self, bits: u16, message: &[u8], signature: &[u8]) -> bool {
        let algorithm = match (self.algorithm, bits) {
            (Curve::P256, 256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Curve::P256, 384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Curve::P256, 512) => &signature::ECDSA_P256_SHA512_ASN1,
            (Curve::P384, 256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Curve::P384, 384) => &signature::ECDSA_P384_SHA384_ASN1,
            (Curve::P384, 512) => &signature::ECDSA_P384_SHA512_ASN1,
            (Curve::P521, 256) => &signature::ECDSA_P521_SHA256_ASN1,
            (Curve::P521, 384) => &signature::ECDSA_P521_SHA384_ASN1,
            (Curve::P521, 512) => &signature::ECDSA_P521_SHA512_ASN1,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.point).verify(message, signature).is_ok()
    }

    /// Whether this key made the signature (ASN.1 DER, high S allowed) over the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm.verification(), &self.point).verify(message, signature).is_ok()
    }
}

/// An author's private key.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    /// DER of the certificate of this key and of those above it; none if the key itself is what others trust.
    chain: Vec<Vec<u8>>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public.fingerprint())
    }
}

impl SigningKey {
    /// Reads `-----BEGIN PRIVATE KEY-----` (PKCS#8) or `-----BEGIN EC PRIVATE KEY-----` (SEC 1).
    ///
    /// # Errors
    /// Not PEM, encrypted, or not a key on one of the three curves.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = unarmor(text, "PRIVATE KEY").or_else(|_| unarmor(text, "EC PRIVATE KEY"));
        let der = der.map_err(|_| match text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            true => KeyError::Encrypted,
            false => KeyError::NoPem("PRIVATE KEY"),
        })?;
        Self::from_der(&der)
    }

    /// Reads `-----BEGIN ENCRYPTED PRIVATE KEY-----`, or one that is not encrypted.
    ///
    /// # Errors
    /// As [`Self::from_pem`]; another passphrase, or a way of encrypting that is not read.
    pub fn from_encrypted_pem(text: &str, passphrase: &[u8]) -> Result<Self, KeyError> {
        match unarmor(text, "ENCRYPTED PRIVATE KEY") {
            Ok(der) => Self::from_der(&encrypted::decrypt(&der, passphrase)?),
            Err(_) => Self::from_pem(text),
        }
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let algorithms: [&'static EcdsaSigningAlgorithm; 3] = [
            &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        ];
        let pair =
            algorithms.iter().find_map(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, der).ok());
        Self::new(pair.ok_or(KeyError::Unsupported)?)
    }

    fn new(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let spki = pair.public_key().as_der().map_err(|_| KeyError::Provider)?;
        let public = PublicKey::from_spki(spki.as_ref().to_vec())?;
        Ok(Self { pair, public, chain: Vec::new() })
    }

    /// Signs by this certificate: its own first, then those above it as far as verifiers may not have them.
    ///
    /// # Errors
    /// Not PEM, or the first is not this key's.
    pub fn with_certificates(self, pem: &str) -> Result<Self, KeyError> {
        let chain = certificates(pem)?;
        let own = chain.first().and_then(|der| Parsed::read(der).ok()?.key().ok());
        if own.as_ref() != Some(&self.public) {
            return Err(KeyError::OtherCertificate);
        }
        Ok(Self { chain, ..self })
    }

    /// DER of its certificate and of those above it.
    pub(crate) fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Provider)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// A fresh P-256 key: private half as PKCS#8 PEM, public half as SubjectPublicKeyInfo PEM.
///
/// # Errors
/// The provider's random numbers failed.
pub fn generate_signing_key() -> Result<(Zeroizing<String>, String), KeyError> {
    let pair =
        EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| KeyError::Provider)?;
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Provider)?;
    let private = Zeroizing::new(armor(pkcs8.as_ref(), "PRIVATE KEY"));
    Ok((private, SigningKey::new(pair)?.public.to_pem()))
}

/// RFC 7468: 64 columns, a final newline.
fn armor(der: &[u8], label: &str) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 40);
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    for (column, character) in body.chars().enumerate() {
        if column > 0 && column % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// The DER of the first block with this label.
fn unarmor(text: &str, label: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let missing = || KeyError::NoPem(label);
    if text.len() > PEM_BYTES_MAX {
        return Err(missing());
    }
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----")).ok_or_else(missing)?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or_else(missing)?;
    let body: Zeroizing<String> = Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    STANDARD.decode(body.as_bytes()).map(Zeroizing::new).map_err(|_| missing())
}
