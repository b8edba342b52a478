//! Patience with clients that do not take their answers: it ends.
//!
//! Two ways to leave an answer lying: not to read from the socket, so that writes to it stall; and, in HTTP/2, to read
//! but to open no window for the answer's stream. Each holds a connection's place and memory for nothing.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// A stream whose writes fail once one of them has stalled for too long.
pub(super) struct Patient<S> {
    stream: S,
    stall_max: Duration,
    /// Runs while a write waits for the client.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Waits no longer than this for room to write.
    pub(super) fn new(stream: S, stall_max: Duration) -> Self {
        Self { stream, stall_max, stalled: None }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall_max = self.stall_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall_max)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Answers of one HTTP/2 connection for which their client has not opened a window yet.
#[derive(Clone, Default)]
pub(super) struct Untaken(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    since: BTreeMap<u64, Instant>,
    next: u64,
}

impl Untaken {
    /// Keeps an eye on an answer's body until its connection has taken it over.
    pub(super) fn watch(&self, body: Full<Bytes>) -> Watched {
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.since.insert(number, Instant::now());
        drop(waiting);
        Watched { body, number, among: self.clone() }
    }

    /// Ends when an answer has waited for its client for this long, give or take a half.
    pub(super) async fn for_longer_than(&self, wait_max: Duration) {
        let mut looks = tokio::time::interval(wait_max / 2);
        loop {
            looks.tick().await;
            let oldest = self.lock().since.first_key_value().map(|(_, since)| *since);
            if oldest.is_some_and(|since| since.elapsed() >= wait_max) {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer's body under observation.
pub(super) struct Watched {
    body: Full<Bytes>,
    number: u64,
    among: Untaken,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.among.lock().since.remove(&self.number);
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_does_not_hold_a_write_for_ever() {
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut ours = Patient::new(ours, Duration::from_millis(20));
        ours.write_all(b"abcd").await.unwrap();
        let error = ours.write_all(b"e").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Room again: what was late is forgiven.
        theirs.read_exact(&mut [0; 4]).await.unwrap();
        ours.write_all(b"f").await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_without_a_window_is_noticed_and_a_taken_one_is_not() {
        let untaken = Untaken::default();
        drop(untaken.watch(Full::default()));
        let wait = Duration::from_millis(20);
        let noticed = tokio::time::timeout(3 * wait, untaken.for_longer_than(wait));
        assert!(noticed.await.is_err(), "nothing is waiting");
        let _lying = untaken.watch(Full::default());
        untaken.for_longer_than(wait).await;
    }
}
