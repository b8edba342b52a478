//! TLS by rustls: the server's certificate, replaceable while connections are open, and clients' certificates.
//!
//! A client need not have a certificate. If it shows one, the certificate must chain to the home's own CA, and its
//! one name must say which user it belongs to; then it counts as that user's second factor. Or it is a workload's and
//! chains to the bundle of its trust domain, see [`super::trust`]. Whether it still does is the gate's business.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::trust::{Trust, Verifier};
use crate::home::ServerIdentity;

/// What was wrong with a certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate and the key do not fit each other or this server.
    #[error("the server's certificate or key cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// The CA cannot vouch for clients.
    #[error("the CA certificate cannot be used: {0}")]
    Authority(#[from] VerifierBuilderError),
}

/// The server's certificate, to be replaced while it is in use.
#[derive(Debug)]
pub struct ServerCertificate(ArcSwap<Shown>);

/// What clients are shown.
#[derive(Debug)]
struct Shown {
    usual: Arc<CertifiedKey>,
    /// To clients that speak HTTP/2 alone, which are gRPC's libraries and proxies in front: see `home::lone`.
    lone: Option<Arc<CertifiedKey>>,
}

impl ServerCertificate {
    /// The server's certificate and key.
    ///
    /// # Errors
    /// If they do not belong together.
    pub fn new(identity: ServerIdentity) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(shown(identity)?))))
    }

    /// Puts this one in its place if it is another; connections that are open keep theirs. Says whether it was.
    ///
    /// # Errors
    /// If the parts do not belong together; then the old one stays.
    pub fn renew(&self, identity: ServerIdentity) -> Result<bool, TlsError> {
        let another = self.0.load().usual.cert != identity.chain;
        if another {
            self.0.store(Arc::new(shown(identity)?));
        }
        Ok(another)
    }
}

fn shown(identity: ServerIdentity) -> Result<Shown, TlsError> {
    let ServerIdentity { chain, key, lone, .. } = identity;
    let lone = lone.map(|lone| certified(vec![lone.certificate], lone.key)).transpose()?;
    Ok(Shown { usual: certified(chain, key)?, lone })
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider)?))
}

/// Whether a client offers HTTP/2 and nothing else.
fn speaks_http2_alone<'a>(mut offered: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut http2 = false;
    offered.all(|protocol| {
        http2 |= protocol == b"h2";
        protocol != b"http/1.1"
    }) && http2
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.load();
        let lone = shown.lone.as_ref().filter(|_| hello.alpn().is_some_and(speaks_http2_alone));
        Some(Arc::clone(lone.unwrap_or(&shown.usual)))
    }
}

/// TLS as the listener speaks it: version 1.3, and 1.2 only where the configuration says so.
///
/// # Errors
/// If the CA cannot vouch for clients.
pub fn config(
    certificate: Arc<ServerCertificate>,
    clients_ca: Option<CertificateDer<'static>>,
    trust: Arc<Trust>,
    allow_tls12: bool,
) -> Result<Arc<ServerConfig>, TlsError> {
    let versions: &[&rustls::SupportedProtocolVersion] = if allow_tls12 {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    } else {
        &[&rustls::version::TLS13]
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let people = match clients_ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca)?;
            Some(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
        }
        None => None,
    };
    let builder = builder.with_client_cert_verifier(Arc::new(Verifier::new(people, trust)));
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would bring back a certificate that its issuer may have replaced since; handshakes are rare.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> ServerIdentity {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        ServerIdentity {
            chain: vec![cert.der().clone()],
            key: PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap(),
            expires: mantlet_types::Timestamp::from_micros(0),
            lone: None,
        }
    }

    #[test]
    fn a_server_that_runs_for_a_year_takes_over_the_renewed_certificate() {
        let (first, second) = (identity(), identity());
        let chain = second.chain.clone();
        let again = ServerIdentity { chain: first.chain.clone(), key: first.key.clone_key(), ..identity() };
        let shown = ServerCertificate::new(first).unwrap();
        assert!(!shown.renew(again).unwrap(), "the same one");
        let mismatched = ServerIdentity { key: identity().key, ..identity() };
        assert!(shown.renew(mismatched).is_err());
        assert!(shown.renew(second).unwrap());
        assert_eq!(shown.0.load().usual.cert, chain);
    }

    #[test]
    fn http2_alone_is_what_grpc_offers() {
        let is = |offered: &[&'static str]| speaks_http2_alone(offered.iter().map(|name| name.as_bytes()));
        assert!(is(&["h2"]) && is(&["grpc-exp", "h2"]));
        assert!(!is(&["h2", "http/1.1"]) && !is(&["http/1.1"]) && !is(&["http/1.1", "h2"]) && !is(&[]));
    }
}
