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

/// The work panicked. What it said stays with the panic hook: the message may repeat what was asked.
#[derive(Debug)]
pub(crate) struct Panicked;

/// A future that is driven to its end, by whoever awaits it or else by the runtime.
pub(crate) struct Unabandoned<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

/// Sees work through to its end.
pub(crate) fn unabandoned<F>(work: F) -> Unabandoned<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    Unabandoned(Some(Box::pin(work)))
}

impl<F> Future for Unabandoned<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.0.as_mut() else { return Poll::Ready(Err(Panicked)) };
        // Work that has panicked is never polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let done = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(done)) => Ok(done),
            Err(_) => Err(Panicked),
        };
        self.0 = None;
        Poll::Ready(done)
    }
}

impl<F> Drop for Unabandoned<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the work with it.
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
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
        let waiting = tokio::time::timeout(Duration::from_millis(1), unabandoned(work)).await;
        assert!(waiting.is_err());
        assert!(!finished.load(Ordering::SeqCst));
        go.notify_one();
        done.notified().await;
        assert!(finished.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_goes_no_further() {
        let outcome = unabandoned(async { assert!(std::hint::black_box(false), "within") }).await;
        assert!(outcome.is_err());
        assert_eq!(unabandoned(async { 7 }).await.unwrap(), 7);
    }
}
