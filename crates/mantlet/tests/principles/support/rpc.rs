//! gRPC by hand: calls over HTTP/2, and messages written byte by byte.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use super::Client;

/// The service.
pub const SERVICE: &str = "/inference.GRPCInferenceService";

/// What came of a call.
#[derive(Debug)]
pub struct Called {
    /// The HTTP status.
    pub http: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// What came behind the body, if anything did.
    pub trailers: Option<HeaderMap>,
    /// The frames.
    pub body: Bytes,
}

impl Called {
    /// The gRPC status, wherever it stands.
    pub fn status(&self) -> i32 {
        self.said("grpc-status").expect("every call has a status").parse().unwrap()
    }

    /// A header or trailer.
    pub fn said(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name).or_else(|| self.trailers.as_ref()?.get(name));
        value.and_then(|value| value.to_str().ok())
    }

    /// The request's id.
    pub fn request_id(&self) -> &str {
        self.said("x-request-id").expect("every reply names its request")
    }

    /// The one message.
    pub fn message(&self) -> &[u8] {
        let (prefix, message) = self.body.split_at(5);
        assert_eq!((prefix[0], &prefix[1..]), (0, &u32::try_from(message.len()).unwrap().to_be_bytes()[..]));
        message
    }

    /// What does not differ between two rejections for the same reason.
    pub fn shape(&self) -> (i32, String) {
        (self.status(), self.said("grpc-message").unwrap_or_default().to_owned())
    }

    /// Checks that it is a rejection by headers alone that says nothing of what is behind it.
    pub fn assert_discreet(&self) {
        assert!(self.body.is_empty() && self.trailers.is_none(), "{self:?}");
        assert_eq!((self.http, self.said("content-type")), (200, Some("application/grpc")));
        assert_eq!(self.said("mantlet-receipt"), None);
        let message = self.said("grpc-message").unwrap().to_lowercase();
        for word in ["onnx", "hyper", "rust", "tonic", "prost", "decode", "panick", "/", "\\", "0x"] {
            assert!(!message.contains(word), "`{word}` in {message}");
        }
        assert!(self.said("server").is_none());
    }
}

/// A field of text, bytes or a message.
pub fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(content);
    bytes
}

/// A message in its frame.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// A `ModelInferRequest` of one row, in raw elements.
pub fn infer(model: &str, row: &[f64]) -> Vec<u8> {
    let raw: Vec<u8> = row.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
    let shape = field(3, &[1, u8::try_from(row.len()).unwrap()]);
    let input = [field(1, b"input"), field(2, b"FP32"), shape].concat();
    [field(1, model.as_bytes()), field(5, &input), field(7, &raw)].concat()
}

/// A body that comes in pieces, and of which the end may never come.
pub struct Pieces {
    pieces: std::vec::IntoIter<Vec<u8>>,
    ends: bool,
}

impl Pieces {
    /// All of it, byte by byte.
    pub fn slowly(bytes: &[u8]) -> Self {
        Self { pieces: bytes.iter().map(|byte| vec![*byte]).collect::<Vec<_>>().into_iter(), ends: true }
    }

    /// So much, and then nothing.
    pub fn stalling(bytes: &[u8]) -> Self {
        Self { pieces: vec![bytes.to_vec()].into_iter(), ends: false }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.pieces.next() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Client {
    /// Calls a method with one message.
    pub fn call(&self, path: &str, message: &[u8]) -> Called {
        self.call_with(path, Full::from(framed(message)))
    }

    /// Calls a method with a body of whatever kind.
    pub fn call_with<B>(&self, path: &str, body: B) -> Called
    where
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = if self.headers.contains_key("content-type") {
            self.clone()
        } else {
            self.clone().header("content-type", "application/grpc")
        };
        runtime.block_on(client.stream("POST", path, body)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Any request over HTTP/2, on a runtime of the test's own.
    pub async fn stream<B>(&self, method: &str, path: &str, body: B) -> Result<Called, String>
    where
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
    {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut config = self.tls.as_deref().expect("HTTP/2 is over TLS alone").clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(self.address).await.map_err(|error| text(&error))?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, tcp).await.map_err(|error| text(&error))?;
        let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| text(&error))?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("https://{}{path}", self.address))
            .header("te", "trailers")
            .body(body)
            .map_err(|error| text(&error))?;
        request.headers_mut().extend(self.headers.clone());
        let response = sender.send_request(request).await.map_err(|error| text(&error))?;
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.map_err(|error| text(&error))?;
        let trailers = collected.trailers().cloned();
        Ok(Called {
            http: parts.status.as_u16(),
            headers: parts.headers,
            trailers,
            body: collected.to_bytes(),
        })
    }
}
