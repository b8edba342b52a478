//! Asks one question again and again over so many connections, each with one request under way: the load behind
//! `bench/grpc.py`. One generator for both protocols, so that what differs is the server's work and not the client's.
//!
//! ```text
//! load ADDRESS CA-FILE grpc|rest|rest-binary h1|h2 CONNECTIONS SECONDS     (the key is in MANTLET_API_KEY)
//! → {"answered": …, "failed": …, "p50_us": …, "p99_us": …}
//! ```

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for whoever measures")]

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;

const MODEL: &str = "breast-cancer";
const ROW: &str = include_str!("../demo/breast-cancer/row.json");

/// One question in a protocol.
#[derive(Clone)]
struct Question {
    path: String,
    headers: HeaderMap,
    body: Bytes,
    /// Whether success is told behind the answer.
    trailed: bool,
}

impl Question {
    fn new(protocol: &str, key: &str) -> Self {
        let row: serde_json::Value = serde_json::from_str(ROW).unwrap();
        let values: Vec<f64> =
            row["features"].as_object().unwrap().values().map(|v| v.as_f64().unwrap()).collect();
        let raw: Vec<u8> = values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
        let rest = format!("/v2/models/{MODEL}/infer");
        let shape = [1, values.len()];
        let (path, body, headers) = match protocol {
            "grpc" => (
                "/inference.GRPCInferenceService/ModelInfer".to_owned(),
                message(&raw, values.len()),
                vec![("content-type", "application/grpc".to_owned()), ("te", "trailers".to_owned())],
            ),
            "rest" => {
                let input =
                    serde_json::json!({"name": "input", "datatype": "FP32", "shape": shape, "data": values});
                let body = serde_json::json!({ "inputs": [input] }).to_string().into_bytes();
                (rest, body, vec![("content-type", "application/json".to_owned())])
            }
            "rest-binary" => {
                let parameters = serde_json::json!({ "binary_data_size": raw.len() });
                let input = serde_json::json!({"name": "input", "datatype": "FP32", "shape": shape, "parameters": parameters});
                let wish = serde_json::json!({ "binary_data_output": true });
                let header =
                    serde_json::json!({ "inputs": [input], "parameters": wish }).to_string().into_bytes();
                let length = header.len().to_string();
                let named = vec![
                    ("content-type", "application/octet-stream".to_owned()),
                    ("inference-header-content-length", length),
                ];
                (rest, [header, raw].concat(), named)
            }
            other => unreachable!("no protocol `{other}`"),
        };
        let own = headers.into_iter().chain([("authorization", format!("Bearer {key}"))]);
        let parse = |(name, value): (&'static str, String)| {
            (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())
        };
        Self { path, headers: own.map(parse).collect(), body: body.into(), trailed: protocol == "grpc" }
    }

    fn request(&self, address: SocketAddr) -> Request<Full<Bytes>> {
        let uri = format!("https://{address}{}", self.path);
        let mut request = Request::post(uri).body(Full::new(self.body.clone())).unwrap();
        request.headers_mut().extend(self.headers.clone());
        request
    }

    async fn is_answered(&self, response: Response<Incoming>) -> bool {
        let status = response.status();
        let Ok(collected) = response.into_body().collect().await else { return false };
        let done = |trailers: &HeaderMap| trailers.get("grpc-status").is_some_and(|status| status == "0");
        status == StatusCode::OK && (!self.trailed || collected.trailers().is_some_and(done))
    }
}

/// A framed `ModelInferRequest`; every length here is below 16,384.
fn message(raw: &[u8], width: usize) -> Vec<u8> {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let low = u8::try_from(content.len() & 0x7F).unwrap();
        let high = u8::try_from(content.len() >> 7).unwrap();
        let length = if high == 0 { vec![low] } else { vec![low | 0x80, high] };
        [vec![number << 3 | 2], length, content.to_vec()].concat()
    }
    let shape = field(3, &[1, u8::try_from(width).unwrap()]);
    let input = [field(1, b"input"), field(2, b"FP32"), shape].concat();
    let message = [field(1, MODEL.as_bytes()), field(5, &input), field(7, raw)].concat();
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat()
}

/// Whichever version of HTTP.
enum Sender {
    One(conn::http1::SendRequest<Full<Bytes>>),
    Two(conn::http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    async fn connect(address: SocketAddr, tls: Arc<ClientConfig>, http2: bool) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::IpAddress(address.ip().into());
        let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await.unwrap();
        if http2 {
            let (sender, connection) =
                conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            Self::Two(sender)
        } else {
            let (sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            Self::One(sender)
        }
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Two(sender) => sender.send_request(request).await,
            Self::One(sender) => {
                let host = request.uri().authority().unwrap().to_string();
                request.headers_mut().insert("host", host.parse().unwrap());
                *request.uri_mut() = request.uri().path().parse().unwrap();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

async fn ask(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    http2: bool,
    question: Question,
    until: Instant,
) -> (Vec<u128>, usize) {
    let mut sender = Sender::connect(address, tls, http2).await;
    let (mut latencies, mut failed) = (Vec::new(), 0);
    while Instant::now() < until {
        let began = Instant::now();
        let answered = match sender.send(question.request(address)).await {
            Ok(response) => question.is_answered(response).await,
            Err(_) => false,
        };
        if answered { latencies.push(began.elapsed().as_micros()) } else { failed += 1 }
    }
    (latencies, failed)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, ca, protocol, version, connections, seconds] = arguments.as_slice() else {
        unreachable!("load ADDRESS CA-FILE grpc|rest|rest-binary h1|h2 CONNECTIONS SECONDS")
    };
    let (address, http2): (SocketAddr, bool) = (address.parse().unwrap(), version == "h2");
    let question = Question::new(protocol, &std::env::var("MANTLET_API_KEY").unwrap());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(Path::new(ca)).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    let (tls, until) = (Arc::new(tls), Instant::now() + Duration::from_secs(seconds.parse().unwrap()));
    let asking: Vec<_> = (0..connections.parse().unwrap())
        .map(|_: usize| tokio::spawn(ask(address, Arc::clone(&tls), http2, question.clone(), until)))
        .collect();
    let (mut latencies, mut failed) = (Vec::new(), 0);
    for task in asking {
        let (own, failures) = task.await.unwrap();
        latencies.extend(own);
        failed += failures;
    }
    latencies.sort_unstable();
    let at =
        |share: usize| latencies.get((latencies.len() * share / 100).min(latencies.len().saturating_sub(1)));
    let (p50, p99) = (at(50).copied().unwrap_or(0), at(99).copied().unwrap_or(0));
    let told = serde_json::json!({
        "answered": latencies.len(), "failed": failed, "p50_us": p50 as u64, "p99_us": p99 as u64,
    });
    println!("{told}");
}
