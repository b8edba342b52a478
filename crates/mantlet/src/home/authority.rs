//! The home's own certificate authority: for the server's name on loopback, and for people's second factor.
//!
//! ECDSA on P-256 throughout. The authority's key is sealed under the root key and opened only to issue. A user
//! certificate names its user in a URI of the subject alternative names, `mantlet:user:NAME`; whether it counts is
//! the directory's business, which lists the digests of those that do.
//!
//! Clients are told to trust this authority, some of them for every connection that they make. So it says itself, in a
//! critical extension that they all obey, for whom it can vouch: this machine, and the names that its home was made
//! for. Whoever steals its key impersonates nobody else. For other names later on there are certificates from
//! elsewhere.

use std::{net::IpAddr, path::PathBuf};

use mantlet_gate::{approvals::USER_URI, identity::Certificate};
use mantlet_types::{Sha256, Timestamp, UserId};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use super::{
    Home, HomeError, RootKey, files,
    lone::{self, LoneIdentity},
};

/// The authority outlives every certificate by years; to change it, every client must trust a new one.
pub(super) const AUTHORITY_DAYS: i64 = 3_650;

/// The longest that browsers and their forum allowed when this was written (398 days), less one.
const SERVER_DAYS: i64 = 397;

/// As long as API keys: the two factors of a person are renewed together.
pub const USER_DAYS: i64 = 90;

/// Own certificates are renewed, and all are warned about, this long before they end.
pub const RENEWAL_DAYS: i64 = 14;

/// Clocks of clients may be slow.
const BACKDATED: Duration = Duration::minutes(5);

/// Why the authority could not issue or read a certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// rcgen or the provider behind it failed.
    #[error("the certificate could not be made: {0}")]
    Issue(#[from] rcgen::Error),
    /// A host name that cannot stand in a certificate.
    #[error("`{0}` is not a host name or address")]
    Name(String),
    /// A host name for which the authority was not made.
    #[error("the home's certificate authority cannot vouch for `{0}`")]
    NotPermitted(String),
    /// A file that holds no certificate or no key.
    #[error("`{}` holds no usable certificate or key", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// The file of a certificate or key.
    #[error(transparent)]
    File(Box<HomeError>),
}

impl From<HomeError> for AuthorityError {
    fn from(error: HomeError) -> Self {
        Self::File(Box::new(error))
    }
}

impl AuthorityError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Name(_) => {
                Some("`[server] names` takes names such as `gate.example.com` and addresses".into())
            }
            Self::NotPermitted(_) => Some(
                "it vouches for this machine and for the names that the home was made with (`mantlet init --name \
                 NAME`); for others, give `[server] certificate` and `key`"
                    .into(),
            ),
            Self::Unreadable { .. } => {
                Some("give a PEM file: the chain, leaf first, or its PKCS#8 key".into())
            }
            Self::File(error) => error.hint(),
            Self::Issue(_) => None,
        }
    }
}

/// What a TLS listener shows.
#[derive(Debug)]
pub struct ServerIdentity {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: PrivateKeyDer<'static>,
    /// When the leaf ends.
    pub expires: Timestamp,
    /// What clients are shown that cannot believe the home's authority; none with a certificate from elsewhere.
    pub lone: Option<LoneIdentity>,
}

/// A person's certificate, to be handed over once.
pub struct UserCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key; kept nowhere here.
    pub key_pem: Zeroizing<String>,
    /// SHA-256 of the certificate's DER form: what the directory lists.
    pub digest: Sha256,
    /// When it ends.
    pub expires: Timestamp,
}

/// The authority of one home.
pub struct Authority<'a> {
    home: &'a Home,
    root: &'a RootKey,
}

impl<'a> Authority<'a> {
    pub(super) fn new(home: &'a Home, root: &'a RootKey) -> Self {
        Self { home, root }
    }

    /// Makes the authority of a new home, for this machine and these names.
    pub(super) fn create(home: &Home, root: &RootKey, names: &[String]) -> Result<(), HomeError> {
        let key = KeyPair::generate().map_err(AuthorityError::from)?;
        let mut params = lasting(OffsetDateTime::now_utc(), AUTHORITY_DAYS);
        // Clients may trust several homes: the name tells them apart.
        params.distinguished_name.push(DnType::CommonName, format!("Mantlet home {}", home.id()));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: permitted(names)?, excluded_subtrees: Vec::new() });
        let certificate = params.self_signed(&key).map_err(AuthorityError::from)?;
        lone::create(home, root, names)?;
        files::make(&home.ca_path(), certificate.pem().as_bytes())?;
        files::replace_sealed(&ca_key_path(home), root, key.serialized_der())
    }

    /// The certificate that clients trust, in DER.
    ///
    /// # Errors
    /// If the file is not there or no certificate.
    pub fn certificate(&self) -> Result<CertificateDer<'static>, AuthorityError> {
        certificate(self.home)
    }

    /// The server's certificate for `localhost`, the loopback addresses and these names. The one on disk, unless it
    /// is missing, ends within two weeks, or was made for other names: then a new one.
    ///
    /// # Errors
    /// If a file cannot be read or written, a name cannot stand in a certificate, or the authority was not made for it.
    pub fn server_identity(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<ServerIdentity, AuthorityError> {
        let wanted = subject_names(names)?;
        let identity = match self.current_server_identity(&wanted, now) {
            Some(identity) => identity,
            None => self.issue_server_identity(wanted, now)?,
        };
        Ok(ServerIdentity { lone: lone::identity(self.home, self.root)?, ..identity })
    }

    /// A certificate for a person's second factor, with its key, neither of them kept.
    ///
    /// # Errors
    /// If the authority's key cannot be opened.
    pub fn issue_user_certificate(
        &self,
        user: &UserId,
        now: Timestamp,
    ) -> Result<UserCertificate, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = lasting(moment(now), USER_DAYS);
        // Not the bare name: some would take one with a dot for a host's, for which the authority cannot vouch.
        params.distinguished_name.push(DnType::CommonName, format!("Mantlet user {user}"));
        params.subject_alt_names = vec![SanType::URI(format!("{USER_URI}{user}").try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&key, &self.issuer()?)?;
        Ok(UserCertificate {
            certificate_pem: certificate.pem(),
            key_pem: Zeroizing::new(key.serialize_pem()),
            digest: sha256(certificate.der()),
            expires: timestamp(params.not_after.unix_timestamp()),
        })
    }

    fn issue_server_identity(
        &self,
        names: Vec<SanType>,
        now: Timestamp,
    ) -> Result<ServerIdentity, AuthorityError> {
        self.check_permitted(&names)?;
        let key = KeyPair::generate()?;
        let mut params = lasting(moment(now), SERVER_DAYS);
        params.distinguished_name.push(DnType::CommonName, "Mantlet");
        params.subject_alt_names = names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&key, &self.issuer()?)?;
        // The key first: a certificate without its key is replaced at the next start, as is one with another's.
        files::replace_sealed(&self.server_key_path(), self.root, key.serialized_der())?;
        files::replace(&self.server_certificate_path(), certificate.pem().as_bytes())?;
        Ok(ServerIdentity {
            chain: vec![certificate.der().clone()],
            key: private_key(key.serialized_der(), &self.server_key_path())?,
            expires: timestamp(params.not_after.unix_timestamp()),
            lone: None,
        })
    }

    /// The server's certificate on disk, if it will do.
    fn current_server_identity(&self, wanted: &[SanType], now: Timestamp) -> Option<ServerIdentity> {
        let leaf =
            CertificateDer::from_pem_slice(&files::read(&self.server_certificate_path()).ok()?).ok()?;
        let key_path = self.server_key_path();
        let key = files::read_sealed(&key_path, self.root).ok()?;
        let (_, parsed) = X509Certificate::from_der(&leaf).ok()?;
        let pair = KeyPair::try_from(key.as_slice()).ok()?;
        let same_key = *parsed.public_key().subject_public_key.data == *pair.public_key_raw();
        let same_names = subject_names_of(&parsed)? == wanted.iter().map(name_text).collect::<Vec<_>>();
        let expires = timestamp(parsed.validity().not_after.timestamp());
        let lasts = expires > now.plus_seconds(RENEWAL_DAYS * 86_400);
        if !(same_key && same_names && lasts) {
            return None;
        }
        let key = private_key(&key, &key_path).ok()?;
        Some(ServerIdentity { chain: vec![leaf], key, expires, lone: None })
    }

    /// Whether clients will believe the authority in all of these names. One that was made without constraints may
    /// vouch for any.
    fn check_permitted(&self, names: &[SanType]) -> Result<(), AuthorityError> {
        let der = self.certificate()?;
        let unreadable = |_| AuthorityError::Unreadable { path: self.home.ca_path() };
        let (_, parsed) = X509Certificate::from_der(&der).map_err(unreadable)?;
        let constraints = parsed.name_constraints().map_err(|error| unreadable(error.into()))?;
        let Some(subtrees) = constraints.and_then(|found| found.value.permitted_subtrees.as_ref()) else {
            return Ok(());
        };
        let permits = |name: &&SanType| !subtrees.iter().any(|subtree| is_within(name, &subtree.base));
        names.iter().find(permits).map_or(Ok(()), |name| Err(AuthorityError::NotPermitted(name_text(name))))
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
        let key = files::read_sealed(&ca_key_path(self.home), self.root)?;
        let key = KeyPair::try_from(key.as_slice())?;
        Ok(Issuer::from_ca_cert_der(&self.certificate()?, key)?)
    }

    fn server_certificate_path(&self) -> PathBuf {
        self.home.keys_dir().join("server.pem")
    }

    fn server_key_path(&self) -> PathBuf {
        self.home.keys_dir().join("server.key")
    }
}

/// The certificate that clients trust, in DER.
pub(super) fn certificate(home: &Home) -> Result<CertificateDer<'static>, AuthorityError> {
    let path = home.ca_path();
    let pem = files::read(&path)?;
    CertificateDer::from_pem_slice(&pem).map_err(|_| AuthorityError::Unreadable { path })
}

impl ServerIdentity {
    /// Your own certificate: a chain and its key, both PEM. The key must be yours alone.
    ///
    /// # Errors
    /// If a file cannot be read, holds something else, or others can read the key.
    pub fn from_files(certificate: &std::path::Path, key: &std::path::Path) -> Result<Self, AuthorityError> {
        let unreadable = |path: &std::path::Path| AuthorityError::Unreadable { path: path.to_owned() };
        let chain = CertificateDer::pem_slice_iter(&files::read(certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| unreadable(certificate))?;
        let leaf = chain.first().ok_or_else(|| unreadable(certificate))?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| unreadable(certificate))?;
        let expires = timestamp(parsed.validity().not_after.timestamp());
        // Links are how certificate clients hand over renewed keys: what they point to is what must be private.
        let target = std::fs::canonicalize(key).map_err(|source| HomeError::io(key, source))?;
        files::check_private(&target)?;
        let key = PrivateKeyDer::from_pem_slice(&files::read(&target)?).map_err(|_| unreadable(key))?;
        Ok(Self { chain, key, expires, lone: None })
    }
}

/// A certificate as a user's second factor, if it names one: exactly one alternative name, a URI of ours. Says nothing
/// of who issued it.
#[must_use]
pub fn user_certificate(der: &[u8]) -> Option<Certificate> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let user = match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] if rest.is_empty() => uri.strip_prefix(USER_URI)?.parse().ok()?,
        _ => return None,
    };
    let expires = timestamp(certificate.validity().not_after.timestamp());
    Some(Certificate { digest: sha256(der), user, expires })
}

/// For whom a new authority can vouch: this machine, and these names with everything below them.
fn permitted(names: &[String]) -> Result<Vec<GeneralSubtree>, AuthorityError> {
    let subtree = |name: &SanType| match name {
        SanType::IpAddress(IpAddr::V4(address)) => {
            Some(GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(address.octets(), 32)))
        }
        SanType::IpAddress(IpAddr::V6(address)) => {
            Some(GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(address.octets(), 128)))
        }
        SanType::DnsName(name) => Some(GeneralSubtree::DnsName(name.as_str().to_owned())),
        _ => None,
    };
    let loopback = CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8);
    let mut subtrees = vec![GeneralSubtree::IpAddress(loopback)];
    subtrees.extend(subject_names(names)?.iter().filter_map(subtree));
    Ok(subtrees)
}

/// Whether a name lies within a permitted subtree (RFC 5280, section 4.2.1.10).
fn is_within(name: &SanType, subtree: &GeneralName<'_>) -> bool {
    match (name, subtree) {
        (SanType::DnsName(name), GeneralName::DNSName(base)) => {
            let (name, base) = (name.as_str().to_ascii_lowercase(), base.to_ascii_lowercase());
            name.strip_suffix(&base).is_some_and(|below| below.is_empty() || below.ends_with('.'))
        }
        (SanType::IpAddress(address), GeneralName::IPAddress(network)) => {
            let octets = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            // The network's address, then its mask.
            let Some((base, mask)) = network.split_at_checked(octets.len()) else { return false };
            mask.len() == octets.len()
                && octets.iter().zip(base).zip(mask).all(|((octet, base), mask)| octet & mask == base & mask)
        }
        _ => false,
    }
}

fn ca_key_path(home: &Home) -> PathBuf {
    home.keys_dir().join("ca.key")
}

/// Parameters of a certificate of so many days. Serial numbers are random: rcgen makes one of 160 bits.
pub(super) fn lasting(now: OffsetDateTime, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = now - BACKDATED;
    params.not_after = now + Duration::days(days);
    params.use_authority_key_identifier_extension = true;
    params
}

/// What the server is called, in an order that can be compared.
pub(super) fn subject_names(more: &[String]) -> Result<Vec<SanType>, AuthorityError> {
    let mut names: Vec<&str> = vec!["localhost", "127.0.0.1", "::1"];
    names.extend(
        more.iter().map(String::as_str).filter(|name| !["localhost", "127.0.0.1", "::1"].contains(name)),
    );
    let params = names.iter().map(|name| match name.parse() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => {
            (*name).try_into().map(SanType::DnsName).map_err(|_| AuthorityError::Name((*name).to_owned()))
        }
    });
    params.collect()
}

/// The same for a certificate that was made; `None` if it has any other kind of name.
fn subject_names_of(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let names = certificate.subject_alternative_name().ok()??;
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| std::net::IpAddr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| std::net::IpAddr::from(octets).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().map(text).collect()
}

fn name_text(name: &SanType) -> String {
    match name {
        SanType::DnsName(name) => name.as_str().to_owned(),
        SanType::IpAddress(address) => address.to_string(),
        _ => String::new(),
    }
}

pub(super) fn private_key(
    der: &[u8],
    path: &std::path::Path,
) -> Result<PrivateKeyDer<'static>, AuthorityError> {
    PrivateKeyDer::try_from(der.to_vec()).map_err(|_| AuthorityError::Unreadable { path: path.to_owned() })
}

fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut value = [0; 32];
    value.copy_from_slice(digest.as_ref());
    Sha256(value)
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

/// Certificates have whole seconds.
fn moment(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.micros().div_euclid(1_000_000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
