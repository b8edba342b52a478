//! The one way out: every connection that the process makes by itself, to models that run elsewhere and to issuers of
//! tokens, is made here.
//!
//! A destination is one host and one port that an operator configured; no request, package or reply can name another.
//! No redirect is followed, no proxy is taken from the environment, and what a name resolves to is checked before the
//! connection is made to exactly that address, so a name server cannot turn a public name into a way inside. A reply
//! is bounded in size and time.

mod addresses;
mod connect;
mod destination;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use ipnet::IpNet;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use self::connect::Connector;
pub use self::destination::{Destination, DestinationError};

/// Headers of a reply, in all. Servers send less than one kibibyte.
const REPLY_HEADERS_MAX: usize = 64;
/// Bytes that a reply's head may take.
const REPLY_HEAD_BYTES_MAX: usize = 32 << 10;
/// How long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(60);

/// How a destination is reached.
#[derive(Debug)]
pub struct Options {
    /// Whose certificates count.
    pub roots: Roots,
    /// What this side shows, where the destination wants to know.
    pub identity: Option<ClientIdentity>,
    /// Networks beside the public internet that the destination's name may resolve to. An address in the URL itself
    /// needs none of this.
    pub networks: Vec<IpNet>,
    /// Whether `http://` will do.
    pub plaintext: bool,
    /// For finding the address, connecting and shaking hands.
    pub connect_timeout: Duration,
    /// For all of a request, from the wish to send it to the last byte of the reply.
    pub reply_timeout: Duration,
    /// Bytes of a reply's body.
    pub reply_bytes_max: usize,
    /// Connections that are kept open for the next request.
    pub idle_connections: usize,
}

/// Who vouches for a destination's certificate.
#[derive(Clone, Debug)]
pub enum Roots {
    /// Whoever the system trusts.
    System,
    /// The certificates in this PEM text, and nobody else.
    Pem(Vec<u8>),
}

/// A certificate with its key, for mutual TLS.
#[derive(Debug)]
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// Reads a chain, leaf first, and the leaf's key.
    ///
    /// # Errors
    /// If there is no certificate in the one or no key in the other.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, EgressError> {
        let unreadable = |_| EgressError::Tls("the client certificate or its key cannot be read".to_owned());
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(unreadable)?;
        if chain.is_empty() {
            return Err(EgressError::Tls("there is no client certificate in its file".to_owned()));
        }
        Ok(Self { chain, key })
    }
}

/// Why there is no reply. The texts are for the log: they name hosts and addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The name resolves to no address that may be connected to.
    #[error("`{0}` resolves to no address that may be connected to; private ones have to be configured")]
    Refused(String),
    /// The name does not resolve.
    #[error("`{0}` cannot be resolved")]
    Resolve(String),
    /// Nobody takes the connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The other side is not who it should be, or does not want us; or our own side of TLS is not in order.
    #[error("TLS: {0}")]
    Tls(String),
    /// It took too long to connect: nothing was sent.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// It took too long.
    #[error("the reply took too long")]
    Timeout,
    /// The reply is larger than it may be.
    #[error("the reply is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection broke, or what came is not HTTP.
    #[error("the exchange failed: {0}")]
    Protocol(String),
}

impl EgressError {
    /// Whether the request may have reached the other side, so that it is not safe to send it again.
    #[must_use]
    pub fn sent(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Resolve(_) | Self::Connect(_) | Self::Tls(_) | Self::ConnectTimeout => {
                false
            }
            Self::Timeout | Self::TooLarge(_) | Self::Protocol(_) => true,
        }
    }
}

/// What came back, whole.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status, whatever it is: redirects are replies, too.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, not decompressed: none was asked for in another form.
    pub body: Bytes,
}

/// A way to one destination. Clones share its connections.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    destination: Destination,
    client: Client<Connector, Full<Bytes>>,
    reply_timeout: Duration,
    reply_bytes_max: usize,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Outbound").field(&self.0.destination).finish()
    }
}

impl Outbound {
    /// Prepares a way; connects to nobody yet.
    ///
    /// # Errors
    /// If certificates cannot be used, or the destination is `http://` and that was not allowed.
    pub fn new(destination: Destination, options: Options) -> Result<Self, EgressError> {
        let (reply_timeout, reply_bytes_max) = (options.reply_timeout, options.reply_bytes_max);
        let idle = options.idle_connections;
        let connector = Connector::new(&destination, options)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle)
            .http1_max_headers(REPLY_HEADERS_MAX)
            .http1_max_buf_size(REPLY_HEAD_BYTES_MAX)
            // Only what was certainly not sent: a kept connection that had been closed meanwhile.
            .retry_canceled_requests(true)
            .build(connector);
        Ok(Self(Arc::new(Inner { destination, client, reply_timeout, reply_bytes_max })))
    }

    /// Where it leads.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.0.destination
    }

    /// Sends a request and takes the whole reply. `path` starts with a slash and follows the destination's own path.
    ///
    /// # Errors
    /// If there is no whole reply in time; [`EgressError::sent`] says whether the request may have arrived.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, EgressError> {
        let inner = &self.0;
        let request = self.request(method, path, headers, body)?;
        let exchange = async {
            let response = inner.client.request(request).await.map_err(|error| failed(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, inner.reply_bytes_max).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    EgressError::TooLarge(inner.reply_bytes_max)
                } else {
                    EgressError::Protocol(error.to_string())
                }
            })?;
            Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(inner.reply_timeout, exchange).await.unwrap_or(Err(EgressError::Timeout))
    }
}

impl Outbound {
    /// Sends a request and takes the head of its reply; the body is yet to come, and whoever takes it bounds it. Dropping it
    /// ends the connection.
    ///
    /// # Errors
    /// If there is no head in time; [`EgressError::sent`] says whether the request may have arrived.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<Incoming>, EgressError> {
        let request = self.request(method, path, headers, body)?;
        let exchange = self.0.client.request(request);
        let replied = tokio::time::timeout(self.0.reply_timeout, exchange).await;
        replied.map_err(|_| EgressError::Timeout)?.map_err(|error| failed(&error))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, EgressError> {
        let uri = self.0.destination.uri(path);
        let uri: Uri =
            uri.ok_or_else(|| EgressError::Connect("the path of the request is no path".to_owned()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// The connector's own error, where it is one; otherwise the exchange broke.
fn failed(error: &hyper_util::client::legacy::Error) -> EgressError {
    let mut source = std::error::Error::source(error);
    let mut last = error.to_string();
    while let Some(cause) = source {
        if let Some(own) = cause.downcast_ref::<EgressError>() {
            return own.clone();
        }
        last = cause.to_string();
        source = cause.source();
    }
    if error.is_connect() { EgressError::Connect(last) } else { EgressError::Protocol(last) }
}
