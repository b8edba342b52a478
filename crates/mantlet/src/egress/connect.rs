//! Connections to a destination: to an address that was checked, with TLS on top.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use ipnet::IpNet;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Destination, EgressError, Options, Roots,
    addresses::may_connect,
    destination::{Host, is_localhost},
};

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Connects to one destination, whatever the URI says.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    host: Host,
    port: u16,
    networks: Vec<IpNet>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(destination: &Destination, options: Options) -> Result<Self, EgressError> {
        let tls = if destination.is_secure() {
            let name =
                ServerName::try_from(destination.host().trim_end_matches('.').to_owned()).map_err(|_| {
                    EgressError::Tls("the host's name is none that a certificate can have".to_owned())
                })?;
            Some((TlsConnector::from(config(&options.roots, options.identity)?), name))
        } else if options.plaintext {
            None
        } else {
            return Err(EgressError::Tls("`http://` is not allowed here".to_owned()));
        };
        Ok(Self(Arc::new(Inner {
            host: destination.place().clone(),
            port: destination.port(),
            networks: options.networks,
            tls,
            timeout: options.connect_timeout,
        })))
    }
}

fn config(roots: &Roots, identity: Option<super::ClientIdentity>) -> Result<Arc<ClientConfig>, EgressError> {
    let unusable = |error: rustls::Error| EgressError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(trusted(roots)?);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key).map_err(unusable)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn trusted(roots: &Roots) -> Result<RootCertStore, EgressError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            // Some systems keep a certificate or two that nobody can read; the others count.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Roots::Pem(text) => {
            for certificate in CertificateDer::pem_slice_iter(text) {
                let unreadable =
                    |_| EgressError::Tls("a certificate of the authority cannot be read".to_owned());
                let certificate = certificate.map_err(unreadable)?;
                store.add(certificate).map_err(|error| EgressError::Tls(error.to_string()))?;
            }
        }
    }
    if store.is_empty() {
        return Err(EgressError::Tls("there is no authority to trust".to_owned()));
    }
    Ok(store)
}

impl Inner {
    async fn connect(&self) -> Result<Stream, EgressError> {
        let connecting = async {
            let addresses = self.addresses().await?;
            // Half of the time for finding a listener, so that the handshake has the other.
            let stream = first(&addresses, self.timeout / 2).await?;
            // Small requests wait for nothing.
            stream.set_nodelay(true).map_err(|error| EgressError::Connect(error.to_string()))?;
            match &self.tls {
                None => Ok(Stream::Plain(TokioIo::new(stream))),
                Some((connector, name)) => {
                    let shaken = connector.connect(name.clone(), stream).await;
                    let stream = shaken.map_err(|error| EgressError::Tls(error.to_string()))?;
                    Ok(Stream::Tls(TokioIo::new(Box::new(stream))))
                }
            }
        };
        let slow = |_| EgressError::ConnectTimeout;
        tokio::time::timeout(self.timeout, connecting).await.map_err(slow)?
    }

    /// The addresses that may be connected to, as they are now.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, EgressError> {
        let name = match &self.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, self.port)]),
            Host::Name(name) => name,
        };
        let unresolved = |_| EgressError::Resolve(name.clone());
        let found = tokio::net::lookup_host((name.as_str(), self.port)).await.map_err(unresolved)?;
        let allowed = |address: IpAddr| {
            may_connect(address, &self.networks) || (is_localhost(name) && address.is_loopback())
        };
        let addresses: Vec<_> = found.filter(|found| allowed(found.ip())).take(ADDRESSES_MAX).collect();
        if addresses.is_empty() { Err(EgressError::Refused(name.clone())) } else { Ok(addresses) }
    }
}

/// Tries one address after the other, none for longer than its share of the time: one that swallows what it is sent
/// must not keep the next from being tried.
async fn first(addresses: &[SocketAddr], time: Duration) -> Result<TcpStream, EgressError> {
    let share = time / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(EgressError::Connect(last.to_string()))
}

impl tower_service::Service<Uri> for Connector {
    type Response = Stream;
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, EgressError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.connect().await })
    }
}

/// An open connection.
pub(super) enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(TokioIo<Box<TlsStream<TcpStream>>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }
}
