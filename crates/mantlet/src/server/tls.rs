//! TLS by rustls: the server's certificate, replaceable while connections are open, and clients' certificates.
//!
//! A client need not have a certificate. If it shows one, the certificate must chain to the home's own CA, and its
//! one name must say which user it belongs to; then it counts as that user's second factor. Whether it still
//! does is the gate's business.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::home::ServerIdentity;

/// How often it is looked whether the certificate should be another one: renewal begins weeks before the end.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(86_400);

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
pub struct ServerCertificate(ArcSwap<CertifiedKey>);

impl ServerCertificate {
    /// A certificate chain, leaf first, with the leaf's key.
    ///
    /// # Errors
    /// If they do not belong together.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(certified(chain, key)?))))
    }

    /// Puts another one in its place; connections that are open keep theirs.
    ///
    /// # Errors
    /// If the parts do not belong together; then the old one stays.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), TlsError> {
        self.0.store(Arc::new(certified(chain, key)?));
        Ok(())
    }
}

impl ServerCertificate {
    /// Takes over the certificate that `current` names, if it is another one than is shown: `current` renews what is
    /// due. Says whether it was another one.
    ///
    /// # Errors
    /// If there is none, or its parts do not belong together; then the old one stays.
    pub fn renew_if_due<E: From<TlsError>>(
        &self,
        current: impl FnOnce() -> Result<ServerIdentity, E>,
    ) -> Result<bool, E> {
        let ServerIdentity { chain, key, .. } = current()?;
        let due = self.0.load().cert != chain;
        if due {
            self.replace(chain, key)?;
        }
        Ok(due)
    }
}

/// Renews a server's certificate while it runs, once a day if it is due: a server that runs for a year must not show a
/// certificate that has ended.
pub async fn renew_daily<E>(
    certificate: Arc<ServerCertificate>,
    current: impl Fn() -> Result<ServerIdentity, E> + Send + Sync + 'static,
) where
    E: From<TlsError> + std::fmt::Display + Send + 'static,
{
    let current = Arc::new(current);
    loop {
        tokio::time::sleep(RENEWAL_INTERVAL).await;
        let (certificate, current) = (Arc::clone(&certificate), Arc::clone(&current));
        let renewed = tokio::task::spawn_blocking(move || certificate.renew_if_due(|| current())).await;
        match renewed {
            Ok(Ok(true)) => tracing::info!("the server shows a new certificate"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the server's certificate could not be renewed"),
            Err(error) => tracing::error!(%error, "the server's certificate could not be renewed"),
        }
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Ok(CertifiedKey::from_der(chain, key, &provider)?)
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// TLS as the listener speaks it: version 1.3, and 1.2 only where the configuration says so.
///
/// # Errors
/// If the CA cannot vouch for clients.
pub fn config(
    certificate: Arc<ServerCertificate>,
    clients_ca: Option<CertificateDer<'static>>,
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
    let builder = match clients_ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would bring back a certificate that its issuer may have replaced since; handshakes are rare.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
