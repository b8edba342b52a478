//! Patience with clients that do not take their answers: it ends.
//!
//! Two ways to leave an answer lying: not to read from the socket, so that writes to it stall; and, in HTTP/2, to read
//! but to open no window for the answer's stream. Each holds a connection's place and memory for nothing.
//!
//! And patience with clients that still send what nobody will read: over HTTP/1 a connection that ends while they do is reset,
//! and with it goes the answer that says why. So such a connection lingers before it ends (RFC 9112, section 9.6), within
//! the bounds that hold for bodies that nobody reads.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::body::{DISCARD_TIMEOUT, DISCARDED_BYTES_MAX};

/// Whether a connection's client has sent something that nobody has read.
#[derive(Clone, Debug, Default)]
pub struct Unread(Arc<AtomicBool>);

impl Unread {
    /// It has.
    pub(super) fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream whose writes fail once one of them has stalled for too long, and that lingers where something is unread.
pub(super) struct Patient<S> {
    stream: S,
    stall_max: Duration,
    /// Runs while a write waits for the client.
    stalled: Option<Pin<Box<Sleep>>>,
    unread: Unread,
    /// Since our side has ended: what is taken off the wire until theirs does, and the time for that.
    lingering: Option<(usize, Pin<Box<Sleep>>)>,
}

/// Bytes that are taken off the wire at a time.
const DISCARDED_AT_ONCE: usize = 8 << 10;

impl<S> Patient<S> {
    /// Waits no longer than this for room to write.
    pub(super) fn new(stream: S, stall_max: Duration) -> Self {
        Self { stream, stall_max, stalled: None, unread: Unread::default(), lingering: None }
    }

    /// Lingers if it is told that something is unread.
    pub(super) fn lingering(self, unread: Unread) -> Self {
        Self { unread, ..self }
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

impl<S: AsyncRead + Unpin> Patient<S> {
    /// Reads what the client still sends and forgets it, until it ends, or is too much, or takes too long.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((bytes, timer)) = &mut self.lingering else { return Poll::Ready(()) };
        loop {
            if timer.as_mut().poll(cx).is_ready() || *bytes > DISCARDED_BYTES_MAX {
                return Poll::Ready(());
            }
            let mut piece = [0; DISCARDED_AT_ONCE];
            let mut piece = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(cx, &mut piece) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => *bytes += piece.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
            std::task::ready!(self.judge(cx, closed))?;
            if !self.unread.is_told() {
                return Poll::Ready(Ok(()));
            }
            self.lingering = Some((0, Box::pin(tokio::time::sleep(DISCARD_TIMEOUT))));
        }
        self.linger(cx).map(Ok)
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
    pub(super) fn watch<B>(&self, body: B) -> Watched<B> {
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
            let oldest = self.lock().since.values().min().copied();
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
pub(super) struct Watched<B> {
    body: B,
    number: u64,
    among: Untaken,
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        self.among.lock().since.remove(&self.number);
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // A connection asks for more only where its client has room for it. What there is waits for the client from here on;
        // what there is not yet is no fault of theirs.
        let mut waiting = self.among.lock();
        if polled.is_pending() {
            waiting.since.remove(&self.number);
        } else {
            waiting.since.insert(self.number, Instant::now());
        }
        drop(waiting);
        polled
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
    use bytes::Bytes;
    use http_body_util::Full;
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
    async fn a_client_that_still_sends_is_heard_out_within_bounds() {
        // Nothing unread: an end is an end.
        let (ours, _theirs) = tokio::io::duplex(4);
        let began = Instant::now();
        Patient::new(ours, DISCARD_TIMEOUT).shutdown().await.unwrap();
        let lingering = |stream| {
            let unread = Unread::default();
            unread.tell();
            Patient::new(stream, DISCARD_TIMEOUT).lingering(unread)
        };
        // It ends with the client,
        let (ours, mut theirs) = tokio::io::duplex(4);
        let sending = tokio::spawn(async move { theirs.write_all(&[0; 1_000]).await });
        lingering(ours).shutdown().await.unwrap();
        sending.await.unwrap().unwrap();
        assert!(began.elapsed() < DISCARD_TIMEOUT);
        // or when that takes too long,
        let (ours, theirs) = tokio::io::duplex(4);
        lingering(ours).shutdown().await.unwrap();
        drop(theirs);
        assert!(began.elapsed() >= DISCARD_TIMEOUT);
        // or when it is too much.
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            while theirs.write_all(&[0; 1 << 20]).await.is_ok() {
                sent += 1 << 20;
            }
            sent
        });
        lingering(ours).shutdown().await.unwrap();
        assert!(sending.await.unwrap() <= DISCARDED_BYTES_MAX + (2 << 20));
    }

    #[tokio::test]
    async fn an_answer_without_a_window_is_noticed_and_a_taken_one_is_not() {
        let untaken = Untaken::default();
        drop(untaken.watch(Full::<Bytes>::default()));
        let wait = Duration::from_millis(20);
        let noticed = tokio::time::timeout(3 * wait, untaken.for_longer_than(wait));
        assert!(noticed.await.is_err(), "nothing is waiting");
        let _lying = untaken.watch(Full::<Bytes>::default());
        untaken.for_longer_than(wait).await;
    }

    #[tokio::test]
    async fn an_answer_that_is_still_coming_waits_for_nobody() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let untaken = Untaken::default();
        let mut coming = untaken.watch(Coming(receiver));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut coming).poll_frame(&mut context).is_pending());
        let wait = Duration::from_millis(20);
        let noticed = tokio::time::timeout(3 * wait, untaken.for_longer_than(wait));
        assert!(noticed.await.is_err(), "its client has room, and there is nothing to take");
        sender.send(Bytes::from_static(b"a")).await.unwrap();
        assert!(Pin::new(&mut coming).poll_frame(&mut context).is_ready());
        untaken.for_longer_than(wait).await;
    }

    struct Coming(tokio::sync::mpsc::Receiver<Bytes>);

    impl Body for Coming {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        }
    }
}
