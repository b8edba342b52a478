//! Questions that name their model inside: opened for known principals alone, and for none without bound.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mantlet_types::{
    Action, Code, Rejection,
    entry::Decision,
    limits::CONCURRENT_MAX,
    question::{Question, Rows, Scalar},
};
use tokio::sync::Semaphore;

use super::{FakePayload, Kit, ask};
use crate::{
    identity::Arrival,
    mediate::{Ask, Envelope, mediate_envelope},
    output::Answer,
};

/// An envelope that counts how often it was opened, and is opened once it may be.
struct Sealed {
    opened: Arc<AtomicUsize>,
    may: Arc<Semaphore>,
    inside: Result<Ask, Rejection>,
    payload: FakePayload,
}

impl Envelope for Sealed {
    type Payload = FakePayload;

    fn action(&self) -> Action {
        Action::Predict
    }

    async fn open(self) -> Result<(Ask, FakePayload), Rejection> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        drop(self.may.acquire().await);
        Ok((self.inside?, self.payload))
    }
}

fn row() -> FakePayload {
    let row = vec![Scalar::Number(0.9), Scalar::Number(0.0)];
    FakePayload(Ok(Question { rows: Rows::Ordered(vec![row]), body_bytes: 7, ..Question::default() }))
}

fn sealed(opened: &Arc<AtomicUsize>, inside: Result<Ask, Rejection>) -> Sealed {
    Sealed { opened: Arc::clone(opened), may: Arc::new(Semaphore::new(1)), inside, payload: row() }
}

async fn attempt(kit: &Kit, arrival: Arrival, envelope: Sealed) -> Result<Answer, Code> {
    let released = mediate_envelope(Arc::clone(&kit.gate), arrival, envelope).await;
    released.into_parts().0.map_err(|rejection| rejection.code)
}

#[tokio::test]
async fn a_strangers_message_is_not_opened() {
    let kit = Kit::new();
    let opened = Arc::default();
    let refused = attempt(&kit, kit.bearer("guess"), sealed(&opened, Ok(ask()))).await;
    assert_eq!(refused.unwrap_err(), Code::Unauthenticated);
    assert_eq!(opened.load(Ordering::SeqCst), 0);
    assert!(attempt(&kit, kit.bearer(&kit.consumer_key), sealed(&opened, Ok(ask()))).await.is_ok());
    assert_eq!(opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_inside_is_authorized_as_what_is_on_an_address() {
    let kit = Kit::new();
    let opened = Arc::default();
    let own = || kit.bearer(&kit.consumer_key);
    let other = Ask { model: "ghost".parse().unwrap(), ..ask() };
    assert_eq!(attempt(&kit, own(), sealed(&opened, Ok(other))).await.unwrap_err(), Code::NotFound);
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.action, entry.decision), (Some(Action::Predict), Some(Decision::Deny)));
    assert_eq!((entry.model, entry.resource), (None, None), "a name that nothing has is a caller's text");
    let unreadable = Err(Rejection::invalid("message"));
    assert_eq!(attempt(&kit, own(), sealed(&opened, unreadable)).await.unwrap_err(), Code::InvalidInput);
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.action, entry.decision), (Some(Action::Predict), None));
    // Neither has cost a prediction.
    let answer = attempt(&kit, own(), sealed(&opened, Ok(ask()))).await.unwrap();
    assert_eq!(answer.standing.remaining, 59);
}

#[tokio::test]
async fn messages_of_one_principal_are_opened_in_its_own_places() {
    let kit = Kit::new();
    let (opened, may) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let slow = || Sealed { may: Arc::clone(&may), ..sealed(&opened, Ok(ask())) };
    let arrival = || kit.bearer(&kit.consumer_key);
    let waiting: Vec<_> = (0..CONCURRENT_MAX)
        .map(|_| tokio::spawn(mediate_envelope(Arc::clone(&kit.gate), arrival(), slow())))
        .collect();
    while opened.load(Ordering::SeqCst) < CONCURRENT_MAX {
        tokio::task::yield_now().await;
    }
    assert_eq!(attempt(&kit, arrival(), slow()).await.unwrap_err(), Code::RateLimited);
    assert_eq!(opened.load(Ordering::SeqCst), CONCURRENT_MAX, "one more is in memory than there are places");
    may.add_permits(1);
    for request in waiting {
        drop(request.await.unwrap());
    }
    let next = sealed(&opened, Err(Rejection::invalid("message")));
    assert_eq!(
        attempt(&kit, arrival(), next).await.unwrap_err(),
        Code::InvalidInput,
        "a place is free again"
    );
}
