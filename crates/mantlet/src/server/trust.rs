//! Whose client certificates count: people's, by the home's own authority, and workloads' (X.509-SVID), each by the
//! bundle of the trust domain that it names.
//!
//! The name in a certificate chooses the bundle, so the authorities of one trust domain cannot vouch for a name of
//! another, nor for a person; and the home's authority cannot vouch for a workload. Bundles are replaced while the
//! server runs. A connection that is open by then is looked at again, at its next request.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use mantlet_gate::identity::{Channel, Svid};
use mantlet_types::{
    Timestamp,
    workload::{SpiffeId, TrustDomain},
};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Certificates in one bundle. A trust domain has one authority, or two while they change.
const BUNDLE_MAX: usize = 64;

/// A bundle's file in bytes.
const BUNDLE_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file.
    #[error("cannot read `{path}`: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// What is in it.
    #[error("`{path}` is no bundle of trust domain `{domain}`: {why}")]
    Bundle {
        /// The file.
        path: String,
        /// The trust domain.
        domain: TrustDomain,
        /// Why.
        why: String,
    },
}

/// The bundles of all trust domains at one time.
#[derive(Debug, Default)]
pub struct TrustDomains {
    by_name: HashMap<String, Arc<Bundle>>,
}

impl TrustDomains {
    /// Reads the bundles of these trust domains.
    ///
    /// # Errors
    /// If a file cannot be read, or has something else than authorities of its trust domain.
    pub fn read<'a>(
        domains: impl IntoIterator<Item = (&'a TrustDomain, &'a Path)>,
    ) -> Result<Self, BundleError> {
        let mut by_name = HashMap::new();
        let mut known: HashMap<Vec<u8>, &TrustDomain> = HashMap::new();
        for (domain, path) in domains {
            let (bundle, keys) = bundle(domain, path)?;
            for key in keys {
                // Whoever holds it could name the workloads of either.
                if let Some(other) = known.insert(key, domain).filter(|other| *other != domain) {
                    let why = format!("it has an authority in common with trust domain `{other}`");
                    let path = path.display().to_string();
                    return Err(BundleError::Bundle { path, domain: domain.clone(), why });
                }
            }
            by_name.insert(domain.as_str().to_owned(), Arc::new(bundle));
        }
        Ok(Self { by_name })
    }

    /// Verifies a workload's certificate by the bundle of the trust domain that it names.
    fn verify(
        &self,
        id: &SpiffeId,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bundle = self.by_name.get(id.trust_domain()).ok_or_else(untrusted)?;
        // Bundles may have a root in common; the authorities below it say whose they are.
        if !intermediates.iter().all(|one| belongs(id.trust_domain(), one)) {
            return Err(untrusted());
        }
        bundle.verifier_at(now)?.verify_client_cert(leaf, intermediates, now)
    }
}

/// The authorities of one trust domain.
#[derive(Debug)]
struct Bundle {
    /// Each with its end, in seconds since 1970.
    roots: Vec<(CertificateDer<'static>, i64)>,
    /// By those that had not ended when it was made, and when the first of them ends.
    current: ArcSwap<(Arc<dyn ClientCertVerifier>, i64)>,
}

impl Bundle {
    /// # Errors
    /// If no authority is left.
    fn new(roots: Vec<(CertificateDer<'static>, i64)>, now: i64) -> Result<Self, Error> {
        let current = ArcSwap::from_pointee(verifier(&roots, now)?);
        Ok(Self { roots, current })
    }

    /// A verifier by the authorities that have not ended: an authority is believed in whatever it signs, and nobody else
    /// looks whether it ended.
    fn verifier_at(&self, now: UnixTime) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let current = self.current.load();
        if now <= current.1 {
            return Ok(Arc::clone(&current.0));
        }
        let next = verifier(&self.roots, now)?;
        let found = Arc::clone(&next.0);
        self.current.store(Arc::new(next));
        Ok(found)
    }
}

fn verifier(
    roots: &[(CertificateDer<'static>, i64)],
    now: i64,
) -> Result<(Arc<dyn ClientCertVerifier>, i64), Error> {
    let mut store = RootCertStore::empty();
    let mut ends = i64::MAX;
    for (root, end) in roots.iter().filter(|(_, end)| now <= *end) {
        store.add(root.clone())?;
        ends = ends.min(*end);
    }
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider()).build();
    Ok((built.map_err(|_| untrusted())?, ends))
}

/// Whether an authority that was shown may stand between this trust domain's bundle and a workload: one that names a
/// trust domain names this one.
fn belongs(domain: &str, der: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    let Some(uris) = uris(&certificate) else { return false };
    uris.iter().filter(|uri| claims_spiffe(uri)).all(|uri| uri.strip_prefix("spiffe://") == Some(domain))
}

fn claims_spiffe(uri: &str) -> bool {
    uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"))
}

/// A bundle, and the public keys of its authorities.
fn bundle(domain: &TrustDomain, path: &Path) -> Result<(Bundle, Vec<Vec<u8>>), BundleError> {
    use std::io::Read;
    let shown = path.display().to_string();
    let wrong = |why: String| BundleError::Bundle { path: shown.clone(), domain: domain.clone(), why };
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(BUNDLE_BYTES_MAX).read_to_end(&mut pem))
        .map_err(|source| BundleError::File { path: shown.clone(), source })?;
    let (mut roots, mut keys) = (Vec::new(), Vec::new());
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| wrong("it is not PEM".to_owned()))?;
        let (key, end) = authority(domain, &certificate).map_err(|why| wrong(why.to_owned()))?;
        keys.push(key);
        roots.push((certificate, end));
    }
    if roots.is_empty() || roots.len() > BUNDLE_MAX {
        return Err(wrong(format!("it has 1 to {BUNDLE_MAX} certificates")));
    }
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    let ended = roots.iter().filter(|(_, end)| *end < now).count();
    if ended == roots.len() {
        return Err(wrong("all its authorities have ended".to_owned()));
    }
    if ended > 0 {
        tracing::warn!(%domain, ended, "authorities of a trust domain have ended, and count no more");
    }
    let bundle = Bundle::new(roots, now).map_err(|error| wrong(error.to_string()))?;
    Ok((bundle, keys))
}

/// A certificate of a bundle is believed in whatever it signs, so it must say that it is there to sign; and where it
/// names a trust domain, it is this one (X509-SVID, section 4.1).
///
/// Gives its public key and when it ends, in seconds since 1970.
fn authority(domain: &TrustDomain, der: &CertificateDer<'_>) -> Result<(Vec<u8>, i64), &'static str> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| "it has something else than certificates")?;
    if !certificate.is_ca() {
        return Err("it has a certificate that is no authority's");
    }
    let uris = uris(&certificate).ok_or("it has a certificate with names that cannot be read")?;
    let own = |uri: &&str| uri.strip_prefix("spiffe://").is_some_and(|name| name == domain.as_str());
    if uris.iter().all(own) {
        Ok((certificate.public_key().raw.to_vec(), certificate.validity().not_after.timestamp()))
    } else {
        Err("it has an authority of something else")
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The URIs that a certificate names; `None` if its names cannot be read.
fn uris<'a>(certificate: &'a X509Certificate<'_>) -> Option<Vec<&'a str>> {
    let Some(names) = certificate.subject_alternative_name().ok()? else { return Some(Vec::new()) };
    let uri = |name: &GeneralName<'a>| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    };
    Some(names.value.general_names.iter().filter_map(uri).collect())
}

/// A leaf that claims to be a workload's: whom it names, and when it ends. `None` for one that claims no such thing.
///
/// # Errors
/// If it claims it and is none: X509-SVID, sections 2 and 4 and appendix A.
#[expect(clippy::result_unit_err, reason = "who shows it learns nothing, and so does the log")]
pub fn svid(der: &[u8]) -> Result<Option<(SpiffeId, Timestamp)>, ()> {
    let Ok((rest, certificate)) = X509Certificate::from_der(der) else { return Ok(None) };
    let Some(uris) = uris(&certificate) else { return Ok(None) };
    if !uris.iter().any(|uri| claims_spiffe(uri)) {
        return Ok(None);
    }
    let [uri] = uris.as_slice() else { return Err(()) };
    let id = uri.parse::<SpiffeId>().map_err(drop)?;
    let usage = certificate.key_usage().map_err(drop)?.ok_or(())?.value;
    let signs_messages = usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign();
    if !rest.is_empty() || certificate.is_ca() || !signs_messages {
        return Err(());
    }
    let expires = certificate.validity().not_after.timestamp();
    Ok(Some((id, Timestamp::from_micros(expires.saturating_mul(1_000_000)))))
}

/// A workload's certificate as a connection has shown it, with its chain, to be looked at again.
#[derive(Debug)]
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
    id: SpiffeId,
    expires: Timestamp,
    /// What was found last: the number of the bundles, and one bit more for whether they vouch for it.
    found: AtomicU64,
}

/// The bundles in force, to be replaced while connections are open.
#[derive(Debug, Default)]
pub struct Trust {
    domains: ArcSwap<TrustDomains>,
    /// Goes up with every replacement.
    number: AtomicU64,
}

impl Trust {
    /// From now on, these bundles count.
    pub fn replace(&self, domains: TrustDomains) {
        self.domains.store(Arc::new(domains));
        self.number.fetch_add(1, Ordering::Release);
    }

    /// What a connection's peer has shown, if it is a workload's certificate. The handshake has verified it, or there
    /// would be no connection; it is verified again at the first request, and whenever bundles were replaced.
    #[must_use]
    pub fn shown(&self, chain: &[CertificateDer<'_>]) -> Option<Shown> {
        let (id, expires) = svid(chain.first()?).ok()??;
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Some(Shown { chain, id, expires, found: AtomicU64::new(u64::MAX) })
    }

    /// The channel of a request over a connection that has shown this.
    #[must_use]
    pub fn channel(&self, shown: &Shown) -> Channel {
        // The number first: bundles that are replaced meanwhile are newer than what is then remembered.
        let number = self.number.load(Ordering::Acquire);
        let found = shown.found.load(Ordering::Relaxed);
        let vouched = if found >> 1 == number {
            found & 1 == 1
        } else {
            let domains = self.domains.load();
            let verified = match shown.chain.split_first() {
                Some((leaf, rest)) => domains.verify(&shown.id, leaf, rest, UnixTime::now()).is_ok(),
                None => false,
            };
            shown.found.store(number << 1 | u64::from(verified), Ordering::Relaxed);
            verified
        };
        Channel::Workload(Svid { id: shown.id.clone(), expires: shown.expires, vouched })
    }
}

/// What every handshake asks.
#[derive(Debug)]
pub struct Verifier {
    people: Option<Arc<dyn ClientCertVerifier>>,
    trust: Arc<Trust>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// A verifier of people's certificates, if they have an authority, and of workloads'.
    #[must_use]
    pub fn new(people: Option<Arc<dyn ClientCertVerifier>>, trust: Arc<Trust>) -> Self {
        Self { people, trust, provider: provider() }
    }
}

fn untrusted() -> Error {
    rustls::CertificateError::UnknownIssuer.into()
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: bundles change, and strangers need not learn who vouches for whom. Clients take it as "any".
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let claimed = svid(end_entity);
        match (claimed, &self.people) {
            (Ok(Some((id, _))), _) => self.trust.domains.load().verify(&id, end_entity, intermediates, now),
            (Ok(None), Some(people)) => people.verify_client_cert(end_entity, intermediates, now),
            (Ok(None), None) => Err(untrusted()),
            (Err(()), _) => Err(rustls::CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod chains;
#[cfg(test)]
mod tests;
