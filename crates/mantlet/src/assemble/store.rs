//! Opening the store, and holding it against the log: which of the two is older?

use mantlet_audit::read::Reader;
use mantlet_store::{ReviewStore, SqliteStore, StoreError};
use mantlet_types::{
    Entry,
    entry::{Event, Token},
};

use super::told;
use crate::{
    cli::exit::Failure,
    home::{Home, RootKey},
};

/// A store's error with its advice.
pub(super) fn stored<T>(result: Result<T, StoreError>) -> Result<T, Failure> {
    result.map_err(|error| told(&error, error.hint().map(str::to_owned)))
}

pub(super) async fn open_store(home: &Home, root: &RootKey) -> Result<SqliteStore, Failure> {
    // While the root key is being replaced, the store is still under the former key, or already under the new one.
    let mut opened = Err(StoreError::Provider);
    for key in stored(root.store_keys())? {
        opened = SqliteStore::open(&home.store_path(), key).await;
        if !matches!(opened, Err(StoreError::WrongKey)) {
            break;
        }
    }
    stored(opened)
}

/// Opens the queue of held answers; a home from before there was one gets one.
pub(super) async fn open_reviews(home: &Home, root: &RootKey) -> Result<ReviewStore, Failure> {
    let mut opened = Err(StoreError::Provider);
    for key in stored(root.review_keys())? {
        opened = ReviewStore::open(&home.reviews_path(), key).await;
        if !matches!(opened, Err(StoreError::AlteredItem { .. })) {
            break;
        }
    }
    stored(opened)
}

/// Makes the queue of held answers in a home from before there was one, so that every database is there.
///
/// # Errors
/// If it cannot be made.
pub async fn make_databases(home: &Home, root: &RootKey) -> Result<(), Failure> {
    if !home.reviews_path().exists() {
        open_reviews(home, root).await?.close().await;
    }
    Ok(())
}

/// Whether the store is as new as the log has seen it.
///
/// # Errors
/// If it is an older copy, does not open, or the log cannot be read.
pub async fn check_store(home: &Home, root: &RootKey) -> Result<(), Failure> {
    let store = open_store(home, root).await?;
    let generation = stored(store.generation().await)?;
    store.close().await;
    check_ring(home, root, None)?;
    check_generation(home, generation, None)
}

/// How the log says how often the root key has been replaced.
const RING: &str = "ring:";

/// That often, in the log's words.
pub(super) fn ring(replaced: u64) -> Token {
    Token::of(&format!("{RING}{replaced}"))
}

/// Older keys, with everything as it was sealed under them, agree with themselves, and bring back a root key that was let go. The
/// log has seen the newer ones: every replacement, start and stop says how often there was one.
pub(super) fn check_ring(home: &Home, root: &RootKey, last: Option<&Entry>) -> Result<(), Failure> {
    let stopped = last.filter(|last| last.event == Event::SysStop);
    let said = match stopped {
        Some(stopped) => stopped.subject.clone(),
        // A log that nothing was published of yet has seen nothing.
        None if !home.audit_dir().join("checkpoint").exists() => None,
        None => {
            let said = Reader::open(&home.audit_dir()).and_then(|reader| reader.ring());
            said.map_err(|error| Failure::new(error.to_string()))?
        }
    };
    // Earlier releases said nothing of it.
    let seen = said.and_then(|said| said.as_str().strip_prefix(RING)?.parse::<u64>().ok());
    match seen {
        Some(seen) if seen > root.replaced() => {
            let message = format!(
                "the home's keys were rolled back: they are from after {} replacements of the root key, the log has seen {seen}",
                root.replaced()
            );
            Err(Failure::new(message)
                .hint("put back the newest `keys` and what is sealed under them, and not an older copy"))
        }
        _ => Ok(()),
    }
}

/// Seals the store and the held answers under the newest key, each all or not at all. Nobody else may have them open.
///
/// # Errors
/// If the store is older than the log has seen it, one does not open under any of the keys, or the disk fails.
pub async fn rekey(home: &Home, root: &RootKey) -> Result<(), Failure> {
    let newest = stored(root.store_key())?;
    let store = open_store(home, root).await?;
    // Before anything is written: what is sealed anew must not be what somebody has put back.
    check_generation(home, stored(store.generation().await)?, None)?;
    let store = stored(store.rekey(newest).await)?;
    stored(store.scrub().await)?;
    store.close().await;
    if !home.reviews_path().exists() {
        return Ok(());
    }
    let reviews = open_reviews(home, root).await?;
    let Some(newest) = stored(root.review_keys())?.into_iter().next() else { return Ok(()) };
    stored(reviews.rekey(newest).await)?.close().await;
    Ok(())
}

/// The newest generation of the store that the log has seen.
fn seen_generation(home: &Home) -> Result<Option<u64>, Failure> {
    let seen = Reader::open(&home.audit_dir()).and_then(|reader| reader.generation());
    seen.map_err(|error| Failure::new(error.to_string()))
}

/// An older copy of the store agrees with itself, and would bring back whatever has been revoked since. The log has
/// seen the newer one: every outcome, start and stop names its generation.
pub(super) fn check_generation(home: &Home, generation: u64, last: Option<&Entry>) -> Result<(), Failure> {
    // After an orderly end its entry says it all, and the log need not be read another time.
    let stopped = last.filter(|last| last.event == Event::SysStop).and_then(|last| last.policy_gen);
    let seen = match stopped {
        None => seen_generation(home)?,
        stopped => stopped,
    };
    match seen {
        Some(seen) if seen > generation => {
            let message = format!(
                "the store was rolled back: it has taken {generation} changes, the log has seen {seen}"
            );
            Err(Failure::new(message).hint(
                "put back the newest `store.db`; if it is lost, `mantlet serve --accept-older-store` goes on with this \
                 one, and what was revoked since is to be revoked again: see `mantlet audit export`",
            ))
        }
        _ => Ok(()),
    }
}

/// Takes the store as it is, although the log has seen a newer one, which from then on would be the older one. False if
/// the log has seen none.
///
/// # Errors
/// If store or log cannot be read.
pub async fn accept_older_store(home: &Home, root: &RootKey) -> Result<bool, Failure> {
    // A log that nothing was written to yet has seen nothing.
    let seen = if home.audit_dir().join("checkpoint").exists() { seen_generation(home)? } else { None };
    let store = open_store(home, root).await?;
    let generation = stored(store.generation().await)?;
    let newer = seen.filter(|seen| *seen > generation);
    if let Some(seen) = newer {
        stored(store.advance(seen).await)?;
        tracing::warn!(
            generation,
            seen,
            "an older store was accepted; what was revoked since is valid again"
        );
    }
    store.close().await;
    Ok(newer.is_some())
}
