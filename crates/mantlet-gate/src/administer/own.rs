//! What is done without anybody's asking: founding a home, revoking what was leaked, forgetting what has ended, starting.

use std::{convert::Infallible, sync::Arc};

use mantlet_types::{
    Kid, Rejection,
    entry::{Event, Token},
};

use super::{Done, Warrant, commit, intend};
use crate::{
    Gate,
    audit::{self, Fallen, Released},
    directory::{Change, Key, KeyState},
    identity::{self, Arrival},
    people::founding::{self, Founder, FounderKey},
    record::Record,
    reviews::{self, Step},
    unabandoned::unabandoned,
};

/// Founds a home: its first people, on an empty directory.
///
/// # Errors
/// 409 if there are people already; 503 if the log or the store does not take it.
pub async fn found(gate: &Gate, founders: &[Founder]) -> Result<Vec<FounderKey>, Rejection> {
    let _one_at_a_time = gate.changing.lock().await;
    let snapshot = gate.snapshot();
    let (changes, keys) = founding::founding(gate, &snapshot.directory, founders)?;
    let mut records = Vec::with_capacity(keys.len());
    for key in &keys {
        let mut record = Record::internal(gate, Event::UserChange);
        record.entry().subject = Some(Token::of(&format!("user:{}/{}", key.user, key.kid)));
        record.entry().project = Some(founding::home_project()?);
        intend(gate, &mut record).await?;
        records.push(record);
    }
    let outcome = commit(gate, &snapshot, &Warrant { intent: None }, Done::changed((), changes)).await;
    for mut record in records {
        record.came_of(gate);
        audit::release(gate, record, outcome.clone().map(|()| ((), 200))).await.into_parts().0?;
    }
    outcome.map(|()| keys)
}

/// Refuses a key that came in a URL, where proxies and logs have seen it, and revokes it if it is real. Never
/// anything but a rejection.
pub async fn revoke_leaked(gate: Arc<Gate>, arrival: Arrival) -> Released<Infallible> {
    let (gated, fallen) = (Arc::clone(&gate), Fallen::of(Event::AuthFail, &arrival));
    let work = async move { leaked(&gated, &arrival).await };
    unabandoned(work, move || audit::panicked(&gate, &fallen)).await
}

async fn leaked(gate: &Gate, arrival: &Arrival) -> Released<Infallible> {
    let record = Record::of(gate, Event::AuthFail, arrival);
    let (mut rejection, kids) = identity::refuse_leaked(gate, arrival);
    for kid in kids {
        if let Err(failed) = revoke(gate, arrival, kid).await {
            rejection = failed;
        }
    }
    audit::release(gate, record, Err(rejection)).await
}

/// Revokes a key whose secret is out. Nobody administers here: the secret's being where it was found is reason enough.
async fn revoke(gate: &Gate, arrival: &Arrival, kid: Kid) -> Result<(), Rejection> {
    let _one_at_a_time = gate.changing.lock().await;
    let snapshot = gate.snapshot();
    let known = snapshot.directory.keys.get(&kid).filter(|key| key.state != KeyState::Revoked);
    let Some(key) = known else { return Ok(()) };
    let mut record = Record::internal(gate, Event::KeyRevoke);
    let entry = record.entry();
    entry.client_ip = Some(arrival.ip);
    entry.request_id = Some(arrival.request_id);
    entry.subject = Some(Token::of(kid.as_str()));
    entry.project = snapshot.directory.project_of(&key.owner).cloned();
    intend(gate, &mut record).await?;
    let revoked = Key { state: KeyState::Revoked, ..key.clone() };
    let done = Done::changed((), vec![Change::PutKey(kid, revoked)]);
    let outcome = commit(gate, &snapshot, &Warrant { intent: None }, done).await;
    record.came_of(gate);
    let (released, _) = audit::release(gate, record, outcome.map(|()| ((), 200))).await.into_parts();
    released
}

/// Writes down something that Mantlet did by itself, such as starting, and what it was about, and waits for it to be durable.
///
/// # Errors
/// 503 if the log does not take it.
pub async fn announce(gate: &Gate, event: Event, subject: Option<Token>) -> Result<(), Rejection> {
    let mut record = Record::internal(gate, event);
    record.entry().subject = subject;
    audit::release(gate, record, Ok(((), 200))).await.into_parts().0
}

/// Forgets held answers whose time is over, and some time later that there were any. Says how many ended.
///
/// # Errors
/// 503 if the log or the queue does not take it.
pub async fn expire_reviews(gate: &Gate) -> Result<usize, Rejection> {
    let _one_at_a_time = gate.changing.lock().await;
    // What could not be overwritten keeps nothing from ending now.
    let tidied = gate.reviews.tidy().await.map_err(|fault| Rejection::unavailable(fault.to_string()));
    let steps = reviews::due(gate.reviews.as_ref(), gate.now());
    let ended = steps.iter().filter(|step| matches!(step, Step::End(_))).count();
    if steps.is_empty() {
        return tidied.map(|()| 0);
    }
    let mut record = Record::internal(gate, Event::ReviewExpire);
    record.entry().count = u64::try_from(ended).ok();
    record.entry().project = Some(founding::home_project()?);
    intend(gate, &mut record).await?;
    let done = gate.reviews.apply(&Warrant { intent: None }, steps).await;
    let done = done.map_err(|fault| Rejection::unavailable(fault.to_string()));
    audit::release(gate, record, done.map(|()| ((), 200))).await.into_parts().0?;
    tidied.map(|()| ended)
}
