//! Work that goes on when nobody waits for it any more.
//!
//! A client that hangs up drops the future that answers it, and with it would go the entry about its request. Giving
//! every request a task of its own would prevent that, for the price of a hand-over between threads each time. Here the
//! work runs where it was asked for, and becomes a task only if it is dropped before its end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

/// Work whose type nobody needs to know. Each kind of future would otherwise bring the runtime's whole machinery of tasks
/// with it once more.
type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work with what is to be done should it panic. What the panic said stays with the panic hook: the message may repeat
/// what was asked.
struct Caught<T> {
    work: Work<T>,
    panicked: Option<Box<dyn FnOnce() -> T + Send>>,
}

impl<T> Future for Caught<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Work that has panicked is never polled again.
        match catch_unwind(AssertUnwindSafe(|| self.work.as_mut().poll(context))) {
            Ok(polled) => polled,
            Err(panic) => match self.panicked.take() {
                Some(panicked) => Poll::Ready(panicked()),
                None => std::panic::resume_unwind(panic), // polled after its end, as no one may
            },
        }
    }
}

/// A future that is driven to its end, by whoever awaits it or else by the runtime.
pub(crate) struct Unabandoned<T: Send + 'static>(Option<Caught<T>>);

/// Sees work through to its end, which is `panicked` should it panic, whether or not anybody still waits.
pub(crate) fn unabandoned<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    panicked: impl FnOnce() -> T + Send + 'static,
) -> Unabandoned<T> {
    Unabandoned(Some(Caught { work: Box::pin(work), panicked: Some(Box::new(panicked)) }))
}

impl<T: Send + 'static> Future for Unabandoned<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = self.0.as_mut() else { return Poll::Pending }; // its end has been told
        let polled = Pin::new(work).poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unabandoned<T> {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the work with it.
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            let work: Work<()> = Box::pin(async move { drop(work.await) });
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn dropped_work_is_done_all_the_same() {
        let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let finished = Arc::new(AtomicBool::new(false));
        let work = {
            let (go, done, finished) = (Arc::clone(&go), Arc::clone(&done), Arc::clone(&finished));
            async move {
                go.notified().await;
                finished.store(true, Ordering::SeqCst);
                done.notify_one();
            }
        };
        // Polled once, so that it has begun, and then dropped.
        let waiting = tokio::time::timeout(Duration::from_millis(1), unabandoned(work, || ())).await;
        assert!(waiting.is_err());
        assert!(!finished.load(Ordering::SeqCst));
        go.notify_one();
        done.notified().await;
        assert!(finished.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_goes_no_further() {
        let panics = async { if std::hint::black_box(true) { panic!("within") } else { 7 } };
        assert_eq!(unabandoned(panics, || 3).await, 3);
        assert_eq!(unabandoned(async { 7 }, || 3).await, 7);
    }

    #[tokio::test]
    async fn a_panic_is_told_of_dropped_work_too() {
        let (go, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (going, telling) = (Arc::clone(&go), Arc::clone(&told));
        let panics = async move {
            going.notified().await;
            panic!("within");
        };
        let waiting = unabandoned(panics, move || telling.notify_one());
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err());
        go.notify_one();
        told.notified().await;
    }
}
