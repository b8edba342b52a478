//! The body of a reply: bytes, at times with trailers behind them, or an exchange that goes on while it is read.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};

use super::{grpc::reflection::Talk, llm::Flow};

/// What a reply's body is.
#[derive(Debug)]
pub enum Content {
    /// Bytes that are all there, and what comes behind them.
    Whole {
        /// Those not yet taken.
        bytes: Bytes,
        /// Behind them; only gRPC has any. Boxed, because they are large and nearly no reply has them.
        trailers: Option<Box<HeaderMap>>,
    },
    /// Answers to messages that are yet to come.
    Talk(Box<Talk>),
    /// An answer of a language model that is still coming.
    Flow(Box<Flow>),
}

impl Default for Content {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Whole { bytes, trailers: None }
    }
}

impl Content {
    /// Bytes with trailers behind them.
    #[must_use]
    pub fn trailed(bytes: Bytes, trailers: HeaderMap) -> Self {
        Self::Whole { bytes, trailers: Some(Box::new(trailers)) }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole { bytes, trailers } => {
                if !bytes.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
                }
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))))
            }
            Self::Talk(talk) => talk.poll_answer(cx).map(|frame| frame.map(Ok)),
            Self::Flow(flow) => flow.poll_bytes(cx).map(|frame| frame.map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole { bytes, trailers: None } if bytes.is_empty())
    }

    /// Exact where nothing trails: HTTP writes that as the content's length, which gRPC has no use for.
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { bytes, trailers: None } => SizeHint::with_exact(bytes.len() as u64),
            Self::Whole { .. } | Self::Talk(_) | Self::Flow(_) => SizeHint::default(),
        }
    }
}
