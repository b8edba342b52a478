//! Time stands still but for what the tests let pass.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use super::*;
use crate::Fetching;

/// Gives the value that it is told to, when it is let.
struct Told {
    value: Mutex<Result<&'static str, Fault>>,
    fetches: AtomicUsize,
    gate: Semaphore,
}

impl Told {
    fn new(value: &'static str) -> Self {
        Self { value: Mutex::new(Ok(value)), fetches: AtomicUsize::new(0), gate: Semaphore::new(1000) }
    }

    fn tell(&self, value: Result<&'static str, Fault>) {
        *self.value.lock().unwrap() = value;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl Provider for Arc<Told> {
    fn fetch<'a>(&'a self, _: &'a SecretRef) -> Fetching<'a> {
        Box::pin(async move {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            let told = self.value.lock().unwrap().clone();
            told.map(|text| Arc::new(Secret::new(text.into()).ok().unwrap()))
        })
    }

    fn is_at_hand(&self, reference: &SecretRef) -> bool {
        matches!(reference, SecretRef::Kept(_))
    }
}

thread_local! {
    /// The clock of a test; each runs on a thread of its own.
    static NOW: Cell<Instant> = Cell::new(Instant::now());
}

fn advance(time: Duration) {
    NOW.set(NOW.get() + time);
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn there() -> SecretRef {
    "env:KEY".parse().unwrap()
}

fn kept(ttl: u32) -> (Arc<Told>, Secrets<Arc<Told>>) {
    let told = Arc::new(Told::new("one"));
    let mut secrets = Secrets::new(Arc::clone(&told), Keeping::seconds(ttl).unwrap());
    secrets.now = || NOW.get();
    (told, secrets)
}

async fn got(secrets: &Secrets<Arc<Told>>) -> Result<String, Fault> {
    let got = secrets.get(&there()).await;
    got.map(|secret| secret.expose_str().unwrap().to_owned()).map_err(|error| error.fault)
}

#[tokio::test]
async fn a_value_is_believed_for_its_time_and_no_longer() {
    let (told, secrets) = kept(300);
    assert_eq!(got(&secrets).await.unwrap(), "one");
    told.tell(Ok("two"));
    advance(secs(299));
    assert_eq!(got(&secrets).await.unwrap(), "one");
    assert_eq!(told.fetches(), 1);
    advance(secs(1));
    assert_eq!(got(&secrets).await.unwrap(), "two");
    assert_eq!(told.fetches(), 2);
}

#[tokio::test]
async fn one_fetches_for_all_who_ask_meanwhile() {
    for ttl in [0, 300] {
        let (told, secrets) = kept(ttl);
        told.gate.forget_permits(1000);
        let secrets = Arc::new(secrets);
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let secrets = Arc::clone(&secrets);
                tokio::spawn(async move { got(&secrets).await })
            })
            .collect();
        while told.fetches() == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        told.gate.add_permits(1000);
        for asked in asking {
            assert_eq!(asked.await.unwrap().unwrap(), "one");
        }
        assert_eq!(told.fetches(), 1, "{ttl} seconds");
    }
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be() {
    let (told, secrets) = kept(0);
    assert_eq!(got(&secrets).await.unwrap(), "one");
    told.tell(Ok("two"));
    assert_eq!(got(&secrets).await.unwrap(), "two");
    told.tell(Err(Fault::Missing));
    assert_eq!(got(&secrets).await, Err(Fault::Missing));
}

#[tokio::test]
async fn a_provider_that_is_away_is_bridged_for_a_while_and_then_nothing_is_given() {
    let (told, secrets) = kept(300);
    assert_eq!(got(&secrets).await.unwrap(), "one");
    told.tell(Err(Fault::Unreadable));
    advance(secs(300));
    assert_eq!(got(&secrets).await.unwrap(), "one");
    assert_eq!(told.fetches(), 2);
    // Not asked again at once.
    assert_eq!(got(&secrets).await.unwrap(), "one");
    assert_eq!(told.fetches(), 2);
    advance(secs(299));
    assert_eq!(got(&secrets).await.unwrap(), "one");
    advance(secs(1));
    assert_eq!(got(&secrets).await, Err(Fault::Unreadable));
    told.tell(Ok("two"));
    advance(RETRY_AFTER);
    assert_eq!(got(&secrets).await.unwrap(), "two");
}

#[tokio::test]
async fn a_provider_that_hangs_is_away() {
    let (told, mut secrets) = kept(300);
    secrets.keeping.fetch_timeout = Duration::from_millis(10);
    told.gate.forget_permits(1000);
    assert_eq!(got(&secrets).await, Err(Fault::Slow));
}

#[tokio::test]
async fn a_refused_value_is_fetched_again_once() {
    let (told, secrets) = kept(300);
    let first = secrets.get(&there()).await.ok().unwrap();
    let again = async || secrets.after_refusal(&there(), &first).await.ok().unwrap();
    assert!(again().await.is_none(), "it has not changed");
    assert_eq!(told.fetches(), 2);
    assert!(again().await.is_none());
    assert_eq!(told.fetches(), 2, "once for each value");
    advance(secs(300));
    told.tell(Ok("two"));
    assert_eq!(got(&secrets).await.unwrap(), "two");
    assert_eq!(again().await.unwrap().expose_str(), Some("two"), "somebody else has fetched the new one");
    assert_eq!(told.fetches(), 3);
}

#[tokio::test]
async fn a_value_that_was_replaced_is_found_at_its_first_refusal() {
    let (told, secrets) = kept(300);
    let first = secrets.get(&there()).await.ok().unwrap();
    told.tell(Ok("two"));
    let next = secrets.after_refusal(&there(), &first).await.ok().unwrap().unwrap();
    assert_eq!(next.expose_str(), Some("two"));
    assert_eq!(got(&secrets).await.unwrap(), "two");
}

#[tokio::test]
async fn what_is_at_hand_is_not_kept() {
    let (told, secrets) = kept(300);
    let here: SecretRef = "secret:openai".parse().unwrap();
    assert_eq!(secrets.get(&here).await.ok().unwrap().expose_str(), Some("one"));
    told.tell(Ok("two"));
    assert_eq!(secrets.get(&here).await.ok().unwrap().expose_str(), Some("two"));
}

#[test]
fn times_are_bounded() {
    assert!(Keeping::seconds(0).is_some());
    assert_eq!(Keeping::seconds(300), Some(Keeping::default()));
    assert!(Keeping::seconds(3600).is_some() && Keeping::seconds(3601).is_none());
}
