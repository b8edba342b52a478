//! The sigstore method, offline: a certificate of some minutes that binds a fresh key to an account, and a transparency log
//! that says when it was used. Everything that is trusted comes from outside in one file; nothing is fetched.
//!
//! What is checked, in the order of the Sigstore client specification: the time by the log's signed entry timestamp, the
//! chain at that time, the certificate's own transparency (SCT), whose it is, the entry's place in the log (RFC 9162
//! inclusion under a signed checkpoint), and that the entry is about this very envelope. The signature itself is checked by
//! the caller. Entries of Rekor 2, which take their time from a timestamp authority, are refused.

mod log;
mod root;
mod sct;

use x509_parser::extensions::{GeneralName, ParsedExtension};

pub(crate) use log::LogEntry;
pub use root::{TrustRoot, TrustRootError};

use super::{
    chain::{self, Authority, ChainError, Parsed, Usage},
    der::tlv,
    keys::PublicKey,
};

/// OIDs of Fulcio: the provider of identities as DER text, and as bare text in older certificates.
const ISSUER: &str = "1.3.6.1.4.1.57264.1.8";
const ISSUER_BARE: &str = "1.3.6.1.4.1.57264.1.1";
/// An account that is neither an address nor a URI.
const OTHER_NAME: &str = "1.3.6.1.4.1.57264.1.7";

/// Why a Sigstore bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreError {
    /// The certificate or its chain.
    #[error(transparent)]
    Certificate(#[from] ChainError),
    /// Anything else.
    #[error("the transparency log or the identity {0}")]
    Other(String),
}

fn refuse<T>(why: impl Into<String>) -> Result<T, SigstoreError> {
    Err(SigstoreError::Other(why.into()))
}

/// An account whose signatures count, and the authorities that say that it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account: an address of mail, a URI, or another name.
    pub identity: String,
    /// The provider of identities that knows the account.
    pub issuer: String,
    /// Whose certificates and logs count.
    pub root: TrustRoot,
}

/// A signed envelope as a bundle has it.
pub(crate) struct Envelope<'e> {
    pub(crate) payload: &'e [u8],
    pub(crate) signature: &'e [u8],
}

/// The key that this account held when the log took the entry in.
pub(crate) fn verify(
    certificate: &[u8],
    entries: &[LogEntry],
    envelope: &Envelope<'_>,
    known: &Identity,
) -> Result<PublicKey, SigstoreError> {
    let [entry] = entries else { return refuse("comes with not exactly one entry of a log") };
    let entry = entry.read()?;
    let at = entry.verify(&known.root)?;
    let (key, issuer) = issued(certificate, &known.root, at)?;
    let leaf = Parsed::read(certificate)?;
    sct::verify(&leaf, &issuer, &known.root)?;
    names(&leaf, known)?;
    entry.is_about(certificate, envelope)?;
    Ok(key)
}

/// The certificate's key and its issuer, by an authority that was in use at that time.
fn issued(certificate: &[u8], root: &TrustRoot, at: i64) -> Result<(PublicKey, Vec<u8>), SigstoreError> {
    let mut last = SigstoreError::Other("has no authority that was in use at that time".into());
    for authority in root.authorities.iter().filter(|authority| authority.used.contains(at)) {
        let Some((anchor, between)) = authority.chain.split_last() else { continue };
        let mut chain = vec![certificate.to_vec()];
        chain.extend_from_slice(between);
        match chain::verify(&chain, &[&Authority::from_der(anchor)], at, Usage::CodeSigning) {
            Ok(verified) => return Ok((verified.key, verified.issuer)),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Whether the certificate is this account's, by the provider's word.
fn names(leaf: &Parsed<'_>, known: &Identity) -> Result<(), SigstoreError> {
    let mut is_issuer = false;
    let mut is_account = false;
    for extension in leaf.read.extensions() {
        match extension.oid.to_id_string().as_str() {
            // The newer one decides where both are.
            ISSUER => is_issuer = text(extension.value) == Some(known.issuer.as_bytes()),
            ISSUER_BARE if !has(leaf, ISSUER) => is_issuer = extension.value == known.issuer.as_bytes(),
            _ => {}
        }
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            // One name, as Fulcio gives: with more it would be open whose certificate it is.
            let [name] = names.general_names.as_slice() else { return refuse("is of more than one account") };
            is_account = is_named(name, &known.identity);
        }
    }
    match (is_account, is_issuer) {
        (true, true) => Ok(()),
        (false, _) => refuse("is of another account than the one that is trusted"),
        (true, false) => refuse("is of another provider of identities than the one that is trusted"),
    }
}

fn has(leaf: &Parsed<'_>, oid: &str) -> bool {
    leaf.read.extensions().iter().any(|extension| extension.oid.to_id_string() == oid)
}

fn is_named(name: &GeneralName<'_>, identity: &str) -> bool {
    match name {
        GeneralName::RFC822Name(name) | GeneralName::URI(name) => *name == identity,
        // `[0] EXPLICIT UTF8String`
        GeneralName::OtherName(oid, value) if oid.to_id_string() == OTHER_NAME => {
            tlv(value).is_some_and(|outer| {
                outer.rest.is_empty() && outer.tag == 0xa0 && text(outer.content) == Some(identity.as_bytes())
            })
        }
        _ => false,
    }
}

/// The content of a `UTF8String` that is all there is.
fn text(der: &[u8]) -> Option<&[u8]> {
    let value = tlv(der)?;
    (value.tag == 0x0c && value.rest.is_empty()).then_some(value.content)
}
