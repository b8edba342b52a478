//! How a command reaches the doors: through the home's control socket if a server runs, in process under the home's
//! lock if none does, and over TLS for calling a server from elsewhere. All three send the same HTTP request.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::{advice, exit::Failure};
use crate::{config::env_vars, server::upload};

/// A reply that a command can use: one statement of a feature set, or a page of log entries.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// From connecting to the last byte. Registering a large package takes the longest.
const REPLY_TIMEOUT: Duration = Duration::from_secs(300);

/// A server's reply.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON, or the failure that the server reported.
    pub fn json(self) -> Result<Value, Failure> {
        let value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        if (200..300).contains(&self.status) { Ok(value) } else { Err(failure(self.status, &value)) }
    }
}

/// The server's own words: a problem document's detail, a V2 error, or what the status says.
fn failure(status: u16, body: &Value) -> Failure {
    let said = ["detail", "title", "error"].iter().find_map(|member| body[*member].as_str());
    let mut message = said.map_or_else(|| format!("the server answered {status}"), str::to_owned);
    if let Some(field) = body["field"].as_str() {
        message = format!("{message}: `{field}`");
    }
    if let Some(id) = body["request_id"].as_str() {
        message = format!("{message} (request {id})");
    }
    let advice = advice::on(&message);
    let failure = Failure::of_status(status, message);
    if let Some(advice) = advice {
        return failure.hint(advice);
    }
    match status {
        401 => {
            let name = env_vars::API_KEY.name;
            failure.hint(format!("present a key that is neither expired nor revoked, by --as DIR or {name}"))
        }
        429 => failure.hint("wait as long as `Retry-After` says, or ask an operator for a higher rate"),
        503 => failure.hint("the server's log has the cause under the request id"),
        _ => failure,
    }
}

/// A request with a JSON body, or none.
pub fn request(method: Method, path: &str, body: Option<&Value>) -> Result<Request<Bytes>, Failure> {
    let bytes = body.map(|value| Bytes::from(value.to_string())).unwrap_or_default();
    let mut builder = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    builder.body(bytes).map_err(|error| Failure::new(format!("cannot form the request: {error}")))
}

/// Sends over the control socket.
pub async fn control(socket: &Path, request: Request<Bytes>) -> Result<Reply, Failure> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| Failure::new(format!("cannot reach the server's control socket: {error}")))?;
    exchange(stream, request).await
}

/// A certificate with its chain, and its private key.
pub type ClientCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Whose certificates count as a server's: the text of PEM bundles, and where it comes from.
pub struct Trust {
    pem: String,
    from: String,
}

/// Where systems keep the certificate authorities that they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The authorities that the system trusts, in PEM; empty where there are none. `SSL_CERT_FILE` names others, unless it
/// names one of these files, which are Mantlet's own.
pub fn system_bundle(own: &[&Path]) -> String {
    let set = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let set = set.filter(|set| !own.contains(&set.as_path()));
    let candidates = set.into_iter().chain(SYSTEM_BUNDLES.map(PathBuf::from));
    candidates.filter_map(|path| fs::read_to_string(path).ok()).next().unwrap_or_default()
}

impl Trust {
    /// These authorities alone.
    pub fn pem(pem: String, from: &Path) -> Self {
        Self { pem, from: format!("`{}`", from.display()) }
    }

    /// The authorities in this file alone.
    pub fn file(path: &Path) -> Result<Self, Failure> {
        let pem = fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("cannot read the CA certificate `{}`: {error}", path.display()))
        })?;
        Ok(Self::pem(pem, path))
    }

    /// Those that the system trusts.
    pub fn system() -> Self {
        Self { pem: system_bundle(&[]), from: "the system's authorities".to_owned() }
    }

    /// These, and those that the system trusts.
    #[must_use]
    pub fn and_system(self) -> Self {
        let Self { pem, from } = self;
        Self {
            pem: format!("{}\n{pem}", system_bundle(&[])),
            from: format!("{from} and the system's authorities"),
        }
    }

    fn roots(&self) -> Result<RootCertStore, Failure> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.pem.as_bytes()) {
            let certificate = certificate
                .map_err(|error| Failure::new(format!("{}: not a certificate: {error}", self.from)))?;
            // The system's bundles hold some that are too old to be read; the others count.
            let _ = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err(Failure::new(format!("{}: no certificate of an authority", self.from))
                .hint(format!("name the server's authority with {}", env_vars::CA.name)));
        }
        Ok(roots)
    }
}

/// Sends over TLS, trusting nobody else, with a client's certificate where there is one.
pub async fn tls(
    url: &str,
    trust: Trust,
    certificate: Option<ClientCertificate>,
    mut request: Request<Bytes>,
) -> Result<Reply, Failure> {
    let (host, port) = host_and_port(url)?;
    let config = ClientConfig::builder().with_root_certificates(trust.roots()?);
    let config = match certificate {
        None => config.with_no_client_auth(),
        Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(|error| {
            Failure::new(format!("the certificate and its private key cannot be used: {error}"))
                .hint("both files have to come from one `mantlet user invite` or `mantlet user certify`")
        })?,
    };
    // A proxy in front may serve several names.
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    if let Ok(authority) = HeaderValue::try_from(authority) {
        request.headers_mut().insert(header::HOST, authority);
    }
    let name = ServerName::try_from(host.clone()).map_err(|_| Failure::new("the URL names no valid host"))?;
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| {
        Failure::new(format!("cannot connect to `{host}:{port}`: {error}")).hint("is the server running?")
    })?;
    let stream =
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
            Failure::new(format!("TLS failed: {error}"))
                .hint(format!("trusted was {}; is the server's authority among them?", trust.from))
        })?;
    exchange(stream, request).await
}

fn host_and_port(url: &str) -> Result<(String, u16), Failure> {
    let bad = || Failure::new("a server URL is written as `https://host:port`");
    let uri: http::Uri = url.parse().map_err(|_| bad())?;
    if uri.scheme_str() != Some("https") {
        return Err(bad().hint("plain HTTP would show the key to everybody on the way"));
    }
    let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
    Ok((host, uri.port_u16().unwrap_or(443)))
}

async fn exchange<S>(stream: S, request: Request<Bytes>) -> Result<Reply, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| Failure::new(format!("the connection failed: {error}"));
    let work = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        let response = sender.send_request(request.map(Full::new)).await.map_err(failed)?;
        collect(response).await
    };
    tokio::time::timeout(REPLY_TIMEOUT, work).await.map_err(|_| Failure::new("the server took too long"))?
}

/// Reads a bounded reply.
pub async fn collect<B>(response: http::Response<B>) -> Result<Reply, Failure>
where
    B: hyper::body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let is_package = headers.get(header::CONTENT_TYPE).is_some_and(|media| media == upload::CONTENT_TYPE);
    let bytes_max = if is_package { upload::PACKAGE_BYTES_MAX } else { REPLY_BYTES_MAX };
    let body = Limited::new(response.into_body(), bytes_max).collect().await;
    let body =
        body.map_err(|error| Failure::new(format!("the reply could not be read: {error}")))?.to_bytes();
    Ok(Reply { status, headers, body })
}
