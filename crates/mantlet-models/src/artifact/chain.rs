//! Certificate chains (RFC 5280) from a signer's certificate to an authority that was given from outside.
//!
//! Of RFC 5280 no more than the signing of models needs, and what is not understood is refused: ECDSA alone, every
//! certificate valid at the moment asked for, authorities that say that they are, path lengths, usages. An authority confined
//! to names is none here, since signers have no names that could be compared.

use std::{fmt, sync::Arc};

use mantlet_types::Sha256;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    asn1_rs::oid,
    der_parser::oid::Oid,
    extensions::ParsedExtension,
    prelude::{FromDer, X509Certificate, X509Version},
};

use super::{
    der::is_certificate,
    keys::{KeyError, PublicKey},
};

/// Certificates in one chain. Authorities of companies have two or three levels.
pub(crate) const CHAIN_MAX: usize = 10;

/// One certificate in bytes; a real one has about a thousand.
pub(crate) const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

/// Signatures to check for one chain: authorities of one name and many keys would otherwise multiply.
const CHECKS_MAX: usize = 100;

const ECDSA_SHA256: Oid<'static> = oid!(1.2.840.10045.4.3.2);
const ECDSA_SHA384: Oid<'static> = oid!(1.2.840.10045.4.3.3);
const ECDSA_SHA512: Oid<'static> = oid!(1.2.840.10045.4.3.4);

/// Why a chain proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signer's certificate {0}")]
pub struct ChainError(pub(crate) String);

/// Why a certificate can vouch for nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate {0}")]
pub struct Unfit(String);

fn refuse<T>(why: impl Into<String>) -> Result<T, ChainError> {
    Err(ChainError(why.into()))
}

/// A certificate whose holder decides who may sign: an authority, or the one signer that certified itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority(Arc<[u8]>);

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.fingerprint())
    }
}

impl Authority {
    /// Reads every `-----BEGIN CERTIFICATE-----` of a file.
    ///
    /// # Errors
    /// None, too many, or something else between the lines.
    pub fn from_pem(text: &str) -> Result<Vec<Self>, KeyError> {
        Ok(certificates(text)?.into_iter().map(|der| Self(der.into())).collect())
    }

    /// From DER. What it is worth is seen when a chain is checked.
    pub(crate) fn from_der(der: &[u8]) -> Self {
        Self(der.into())
    }

    /// Whether it can vouch for anybody: a certificate that is understood, with a key that counts, of an authority or of one
    /// signer who certified itself. Whether it is valid yet, or still, is asked whenever it vouches.
    ///
    /// # Errors
    /// It can vouch for nobody, and why.
    pub fn check(&self) -> Result<(), Unfit> {
        let unfit = |ChainError(why)| Unfit(why);
        let read = Parsed::read(&self.0).map_err(unfit)?;
        read.key().map_err(unfit)?;
        let signs = || read.is_self_issued() && read.may_sign(Usage::Signing).is_ok();
        if read.may_issue(0).is_ok() || signs() {
            return Ok(());
        }
        Err(Unfit("is neither an authority's nor that of a signer who certified itself".into()))
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Sha256 {
        super::sha256(&self.0)
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.0
    }
}

/// The DER of every certificate in a PEM file.
pub(crate) fn certificates(text: &str) -> Result<Vec<Vec<u8>>, KeyError> {
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).take(CHAIN_MAX + 1).collect();
    let read = read.map_err(|_| KeyError::NoPem("CERTIFICATE"))?;
    let fits = |der: &CertificateDer<'_>| der.len() <= CERTIFICATE_BYTES_MAX;
    if read.is_empty() || read.len() > CHAIN_MAX || !read.iter().all(fits) {
        return Err(KeyError::NoPem("CERTIFICATE"));
    }
    Ok(read.into_iter().map(|der| der.to_vec()).collect())
}

/// What a leaf must say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// `digitalSignature` or `codeSigning`, and neither left out where the certificate says what it is for.
    Signing,
    /// `codeSigning` in words, as certificates of Fulcio have it.
    CodeSigning,
}

/// Finds a path from the first certificate of `chain` to one of the authorities, all of it valid at `at` (seconds since
/// 1970), and gives the signer's key and the certificate that issued it.
///
/// # Errors
/// There is no such path; the reason is that of the last one tried.
pub(crate) fn verify(
    chain: &[Vec<u8>],
    authorities: &[&Authority],
    at: i64,
    usage: Usage,
) -> Result<Verified, ChainError> {
    if chain.is_empty() || chain.len() > CHAIN_MAX {
        return refuse(format!("comes in a chain of none, or of more than {CHAIN_MAX}"));
    }
    let read: Vec<_> = chain.iter().map(|der| Parsed::read(der)).collect::<Result<_, _>>()?;
    // An authority that cannot be read vouches for nobody, and takes nobody else's word away.
    let (mut anchors, mut unread) = (Vec::new(), None);
    for authority in authorities {
        match Parsed::read(authority.der()) {
            Ok(anchor) => anchors.push(anchor),
            Err(error) => unread = Some(error),
        }
    }
    let (leaf, intermediates) = read.split_first().ok_or(ChainError("is missing".into()))?;
    leaf.valid_at(at)?;
    leaf.may_sign(usage)?;
    let key = leaf.key()?;
    // The very certificate that was named as trusted, and that nobody else answers for; it speaks for itself alone.
    if leaf.is_self_issued() && anchors.iter().any(|anchor| anchor.der == leaf.der) {
        return Ok(Verified { key, issuer: leaf.der.to_vec() });
    }
    let mut search =
        Search { intermediates, anchors: &anchors, at, used: Vec::new(), checks: 0, last: unread };
    match search.issuer_of(leaf, 0) {
        Some(issuer) => Ok(Verified { key, issuer: issuer.to_vec() }),
        None => Err(search.last.unwrap_or_else(|| ChainError("leads to no trusted authority".into()))),
    }
}

/// A signer's certificate whose chain holds.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) key: PublicKey,
    /// DER of the certificate that issued the signer's.
    pub(crate) issuer: Vec<u8>,
}

struct Search<'c, 'd> {
    intermediates: &'c [Parsed<'d>],
    anchors: &'c [Parsed<'d>],
    at: i64,
    /// Intermediates on the path so far.
    used: Vec<usize>,
    checks: usize,
    last: Option<ChainError>,
}

impl<'d> Search<'_, 'd> {
    /// The certificate that issued this one, if it and everything above it holds up to an authority. `below` counts the
    /// authorities between the issuer and the signer that some path length bounds.
    fn issuer_of(&mut self, child: &Parsed<'d>, below: u32) -> Option<&'d [u8]> {
        let (anchors, intermediates) = (self.anchors, self.intermediates);
        for anchor in anchors {
            if self.issued(anchor, child, below) {
                return Some(anchor.der);
            }
        }
        for (index, issuer) in intermediates.iter().enumerate() {
            if self.used.contains(&index) || !self.issued(issuer, child, below) {
                continue;
            }
            if !issuer.permits_code_signing() {
                self.last = Some(ChainError("has an issuer that may not issue for code signing".into()));
                continue;
            }
            self.used.push(index);
            let counted = below + u32::from(!issuer.is_self_issued());
            if self.issuer_of(issuer, counted).is_some() {
                return Some(issuer.der);
            }
            self.used.pop();
        }
        None
    }

    /// Whether a certificate may have issued another, and did.
    fn issued(&mut self, issuer: &Parsed<'d>, child: &Parsed<'d>, below: u32) -> bool {
        if issuer.subject() != child.issuer() || self.checks >= CHECKS_MAX {
            return false;
        }
        self.checks += 1;
        let holds = issuer.may_issue(below).and_then(|()| issuer.valid_at(self.at)).and_then(|()| {
            let key = issuer.key()?;
            if child.signed_by(&key) { Ok(()) } else { refuse("was not signed by its issuer") }
        });
        holds.map_err(|error| self.last = Some(error)).is_ok()
    }
}

/// A certificate with no part that is not understood.
pub(crate) struct Parsed<'d> {
    der: &'d [u8],
    pub(crate) read: X509Certificate<'d>,
}

impl<'d> Parsed<'d> {
    pub(crate) fn read(der: &'d [u8]) -> Result<Self, ChainError> {
        let malformed = || ChainError("is malformed, or one above it is".into());
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(malformed());
        }
        let (rest, read) = X509Certificate::from_der(der).map_err(|_| malformed())?;
        // Refuses one extension in two places, where readers could see different ones.
        read.extensions_map().map_err(|_| malformed())?;
        let is_broken = |parsed: &ParsedExtension<'_>| matches!(parsed, ParsedExtension::ParseError { .. });
        if !rest.is_empty()
            || !is_certificate(der)
            || read.version() != X509Version::V3
            || read.extensions().iter().any(|extension| is_broken(extension.parsed_extension()))
        {
            return Err(malformed());
        }
        for extension in read.extensions() {
            let is_known = matches!(
                extension.parsed_extension(),
                ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::KeyUsage(_)
                    | ParsedExtension::ExtendedKeyUsage(_)
                    | ParsedExtension::SubjectAlternativeName(_)
            );
            let confines = matches!(extension.parsed_extension(), ParsedExtension::NameConstraints(_));
            if (extension.critical && !is_known) || confines {
                return refuse(format!("or one above it has the extension `{}`", extension.oid));
            }
        }
        Ok(Self { der, read })
    }

    fn subject(&self) -> &'d [u8] {
        self.read.tbs_certificate.subject.as_raw()
    }

    fn issuer(&self) -> &'d [u8] {
        self.read.tbs_certificate.issuer.as_raw()
    }

    fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Its public key, if it is one on a curve that counts.
    pub(crate) fn key(&self) -> Result<PublicKey, ChainError> {
        PublicKey::from_spki(self.read.public_key().raw.to_vec())
            .or_else(|_| refuse("or one above it has a key that is not ECDSA on P-256, P-384 or P-521"))
    }

    fn valid_at(&self, at: i64) -> Result<(), ChainError> {
        let validity = self.read.validity();
        let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        if (from..=to).contains(&at) {
            return Ok(());
        }
        let when = if at < from { "is not valid yet" } else { "has expired" };
        refuse(format!(
            "{when}, or one above it ({}, {} to {})",
            self.read.subject(),
            validity.not_before,
            validity.not_after
        ))
    }

    fn extension(&self, wanted: impl Fn(&ParsedExtension<'d>) -> bool) -> Option<&ParsedExtension<'d>> {
        let mut parsed = self.read.extensions().iter().map(|extension| extension.parsed_extension());
        parsed.find(|parsed| wanted(parsed))
    }

    /// Whether it says that it is an authority, and may have so many below it.
    fn may_issue(&self, below: u32) -> Result<(), ChainError> {
        let constraints = self.extension(|it| matches!(it, ParsedExtension::BasicConstraints(_)));
        let Some(ParsedExtension::BasicConstraints(constraints)) = constraints else {
            return refuse("has an issuer that is no authority");
        };
        if !constraints.ca {
            return refuse("has an issuer that is no authority");
        }
        if constraints.path_len_constraint.is_some_and(|most| below > most) {
            return refuse("has more authorities above it than one of them allows");
        }
        match self.extension(|it| matches!(it, ParsedExtension::KeyUsage(_))) {
            Some(ParsedExtension::KeyUsage(usage)) if !usage.key_cert_sign() => {
                refuse("has an issuer that may not sign certificates")
            }
            _ => Ok(()),
        }
    }

    /// Whether an authority that says for what it issues says code signing.
    fn permits_code_signing(&self) -> bool {
        match self.extension(|it| matches!(it, ParsedExtension::ExtendedKeyUsage(_))) {
            Some(ParsedExtension::ExtendedKeyUsage(usage)) => usage.code_signing || usage.any,
            _ => true,
        }
    }

    fn may_sign(&self, wanted: Usage) -> Result<(), ChainError> {
        let usage = self.extension(|it| matches!(it, ParsedExtension::KeyUsage(_)));
        let extended = self.extension(|it| matches!(it, ParsedExtension::ExtendedKeyUsage(_)));
        let signs = match usage {
            Some(ParsedExtension::KeyUsage(usage)) => Some(usage.digital_signature()),
            _ => None,
        };
        let codes = match extended {
            Some(ParsedExtension::ExtendedKeyUsage(usage)) => Some(usage.code_signing),
            _ => None,
        };
        let is_said = match wanted {
            Usage::Signing => signs == Some(true) || codes == Some(true),
            Usage::CodeSigning => codes == Some(true),
        };
        // A certificate for a web server says `digitalSignature` too, and may not sign models.
        if is_said && signs != Some(false) && codes != Some(false) {
            Ok(())
        } else {
            refuse(
                "is not for signing: it has neither the usage `digitalSignature` nor `codeSigning`, or excludes one",
            )
        }
    }

    fn signed_by(&self, key: &PublicKey) -> bool {
        let algorithm = &self.read.signature_algorithm;
        if algorithm.parameters.is_some() {
            return false;
        }
        let bits = match &algorithm.algorithm {
            oid if *oid == ECDSA_SHA256 => 256,
            oid if *oid == ECDSA_SHA384 => 384,
            oid if *oid == ECDSA_SHA512 => 512,
            _ => return false,
        };
        key.verifies_by(bits, self.read.tbs_certificate.as_ref(), &self.read.signature_value.data)
    }
}
