//! A plain HTTP/1.1 client over TLS, over plain TCP or over the control socket. One connection per request, so that
//! every request stands for itself.

use std::{net::SocketAddr, path::Path, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::net::TcpStream;

/// A connection over TLS.
pub type Stream = tokio_rustls::client::TlsStream<TcpStream>;

/// Asks one server.
#[derive(Clone)]
pub struct Client {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) headers: HeaderMap,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {} {:?}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The request's id.
    pub fn request_id(&self) -> &str {
        self.header("x-request-id").expect("every reply names its request")
    }

    /// The body without what differs between any two replies.
    pub fn shape(&self) -> String {
        self.text().replace(self.request_id(), "")
    }

    /// Checks that a rejection says nothing of what is behind it: no software, no version, no file, no cause.
    pub fn assert_discreet(&self) {
        let text = self.shape().replace("https://iana.org/assignments/http-problem-types#quota-exceeded", "");
        let lower = text.to_lowercase();
        for word in [
            "onnx",
            "rten",
            "hyper",
            "rustls",
            "rust",
            "tokio",
            "serde",
            "cedar",
            "sqlite",
            "sqlx",
            "panick",
            "unwrap",
            "thread",
            "stack",
            "errno",
            "os error",
            "0x",
            ".rs",
            "/",
            "\\",
            env!("CARGO_PKG_VERSION"),
        ] {
            assert!(!lower.contains(word), "`{word}` in {text}");
        }
        for name in ["server", "x-powered-by", "via"] {
            assert_eq!(self.header(name), None, "{name}");
        }
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The authorities that are trusted: this one.
pub fn roots(ca: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Clients that speak HTTP/2 alone are shown the certificate that is beside the authority.
    for file in [ca.to_path_buf(), ca.with_file_name("grpc.pem")].iter().filter(|file| file.exists()) {
        for certificate in CertificateDer::pem_file_iter(file).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
    }
    roots
}

impl Client {
    /// A client that trusts this CA alone.
    pub fn new(address: SocketAddr, ca: &Path) -> Self {
        let config = ClientConfig::builder().with_root_certificates(roots(ca)).with_no_client_auth();
        Self { address, tls: Some(Arc::new(config)), headers: HeaderMap::new() }
    }

    /// A client of a server under `--plaintext-loopback`.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None, headers: HeaderMap::new() }
    }

    /// The same with a client certificate.
    pub fn certificate(mut self, ca: &Path, certificate: &Path, key: &Path) -> Self {
        let chain =
            CertificateDer::pem_file_iter(certificate).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots(ca));
        self.tls = Some(Arc::new(config.with_client_auth_cert(chain, key).unwrap()));
        self
    }

    /// How it speaks TLS.
    pub fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.clone()
    }

    /// The same with an API key.
    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// The same with a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        self
    }

    /// GET.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, Bytes::new())
    }

    /// POST of a JSON document.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.clone().header("content-type", "application/json").send(
            "POST",
            path,
            Bytes::from(body.to_string()),
        )
    }

    /// Any request.
    pub fn send(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Reply {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime
            .block_on(self.exchange(method, path, body.into()))
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// A request with this client's headers.
    pub fn request(&self, method: &str, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?)
            .uri(format!("https://{}{path}", self.address))
            .header("host", self.address.to_string())
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        if self.tls.is_none() {
            *request.uri_mut() = path.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        }
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }

    /// A connection over TLS that stays open, by this version of HTTP.
    pub async fn connect(&self, http2: bool) -> Result<Stream, String> {
        let mut config = rustls::ClientConfig::clone(self.tls.as_ref().ok_or("no TLS")?);
        config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let tcp = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector.connect(name, tcp).await.map_err(|error| error.to_string())
    }

    /// Any request, on a runtime of the test's own; a broken connection is an error.
    pub async fn exchange(&self, method: &str, path: &str, body: Bytes) -> Result<Reply, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let request = self.request(method, path, body)?;
        let tcp = TcpStream::connect(self.address).await.map_err(|error| text(&error))?;
        let response = match &self.tls {
            None => exchange(tcp, request).await?,
            Some(config) => {
                let name = ServerName::IpAddress(self.address.ip().into());
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
                exchange(connector.connect(name, tcp).await.map_err(|error| text(&error))?, request).await?
            }
        };
        Ok(response)
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Reply, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(text)?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(text)?.to_bytes();
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
}
