//! The queue of held answers, in an SQLite file of its own.
//!
//! It is no part of the directory: it grows with requests, and every change of the directory makes a new snapshot. What
//! is known of items without opening them is in memory too; what is inside is sealed under a key of the item's own, and
//! forgetting an item destroys that key.

mod file;
mod index;
mod seal;

use std::{
    path::Path,
    sync::{PoisonError, RwLock},
};

use mantlet_gate::{
    administer::Warrant,
    ports::StoreFault,
    reviews::{Contents, Decision, Doing, Holding, Item, Opened, Queue, Step},
};
use mantlet_types::{PrincipalId, RequestId, ReviewId, limits::HELD_SEALED_AT_ONCE};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

pub use seal::ReviewKey;

use self::{
    file::{ItemFile, ItemRow},
    index::{Index, Plain},
    seal::{ItemKey, Part},
};
use crate::StoreError;

/// Whether keys and contents that were forgotten may still be in the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Traces {
    #[default]
    Overwritten,
    Left,
}

/// The queue over SQLite.
pub struct ReviewStore {
    file: ItemFile,
    key: ReviewKey,
    /// What the file holds, without what is inside.
    index: RwLock<Index>,
    /// One change at a time: room is counted before a row is written. Holds whether traces of what was forgotten are left,
    /// since another process was reading when they were to be overwritten.
    changing: Mutex<Traces>,
}

impl ReviewStore {
    /// Opens a home's queue, or makes the file (mode 0600) where there is none.
    ///
    /// # Errors
    /// If it is no such file, a later release's, damaged, of another root key, or was altered outside Mantlet.
    pub async fn open(path: &Path, key: ReviewKey) -> Result<Self, StoreError> {
        let file = ItemFile::open(path).await?;
        let mut index = Index::default();
        for (row, bytes) in file.known().await? {
            // The tag first: nothing of an unauthentic row is ever parsed.
            key.unwrap(&row)?;
            let item: Item = serde_json::from_str(&row.body).map_err(|_| file::unreadable(&row.id))?;
            if item.id.to_string() != row.id {
                return Err(file::unreadable(&row.id));
            }
            index.put(item, Some(bytes));
        }
        Ok(Self { file, key, index: RwLock::new(index), changing: Mutex::default() })
    }

    /// Wraps every item's key by another key, in one change: until it is done, the former key fits, and from then on the
    /// other.
    ///
    /// # Errors
    /// If a row was altered outside Mantlet, or the file fails; then the former key fits.
    pub async fn rekey(self, key: ReviewKey) -> Result<Self, StoreError> {
        let mut wrapped = Vec::new();
        for (row, _) in self.file.known().await? {
            let own = self.key.unwrap(&row)?;
            wrapped.push((key.wrap(&row.id, &row.body, own.as_ref())?, row.id));
        }
        self.file.rewrap(&wrapped).await?;
        Ok(Self { key, ..self })
    }

    /// Ends all work on the file. Changes that come later are refused.
    pub async fn close(&self) {
        self.file.close().await;
    }

    fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Index)) {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
    }

    async fn take(&self, mut plain: Vec<Plain>, pending_max: usize) -> Result<usize, StoreError> {
        let _one_at_a_time = self.changing.lock().await;
        let fitting = self.read(|index| index.fitting(&plain, pending_max));
        plain.truncate(fitting);
        let mut rows = Vec::with_capacity(fitting);
        let mut taken = Vec::with_capacity(fitting);
        let mut sealed = 0;
        for (item, plain) in plain {
            let own = ItemKey::generate()?;
            let (id, body) = (item.id.to_string(), body(&item)?);
            let contents = own.seal(Part::Contents, &id, &plain)?;
            sealed += contents.len();
            if sealed >= HELD_SEALED_AT_ONCE {
                sealed = 0;
                tokio::task::yield_now().await;
            }
            taken.push((item, contents.len()));
            let wrapped = self.key.wrap(&id, &body, Some(&own))?;
            rows.push(ItemRow { id, body, wrapped, contents, decision: Vec::new() });
        }
        if rows.is_empty() {
            return Ok(0);
        }
        self.file.insert(&rows).await?;
        self.write(|index| taken.into_iter().for_each(|(item, bytes)| index.put(item, Some(bytes))));
        Ok(fitting)
    }

    async fn opened(&self, item: ReviewId) -> Result<Option<Opened>, StoreError> {
        let Some(row) = self.file.read(&item.to_string()).await? else { return Ok(None) };
        let Some(own) = self.key.unwrap(&row)? else { return Ok(None) };
        let contents = own.open(Part::Contents, &row.id, &row.contents)?;
        let contents: Contents = parsed(&row, &contents)?;
        let decision = match row.decision.is_empty() {
            true => None,
            false => Some(parsed(&row, &own.open(Part::Decision, &row.id, &row.decision)?)?),
        };
        Ok(Some(Opened { contents, decision }))
    }

    async fn changed(&self, steps: Vec<Step>) -> Result<(), StoreError> {
        let mut traces = self.changing.lock().await;
        let mut rows = Vec::new();
        let mut gone = Vec::new();
        let mut forgets = false;
        for step in &steps {
            match step {
                Step::Put(item) => rows.extend(self.put(item, None).await?),
                Step::Decide(item, decision) => rows.extend(self.put(item, Some(decision)).await?),
                Step::End(item) => {
                    forgets = true;
                    rows.push(self.emptied(item)?);
                }
                Step::Forget(item) => {
                    forgets = true;
                    gone.push(item.to_string());
                }
            }
        }
        self.file.replace(&rows, &gone).await?;
        self.write(|index| steps.into_iter().for_each(|step| index.follow(step)));
        if forgets {
            *traces = Traces::Left;
        }
        // What was asked for is done. While another process reads the file the log cannot be emptied: `tidy` does it later.
        let _ = self.overwrite(&mut traces).await;
        Ok(())
    }

    /// Overwrites old keys and contents, which are gone from the table and in the write-ahead log still.
    async fn overwrite(&self, traces: &mut Traces) -> Result<(), StoreError> {
        if *traces == Traces::Left {
            self.file.scrub_now().await?;
            *traces = Traces::Overwritten;
        }
        Ok(())
    }

    /// A row with its body as stated, and with a decision if there is one to be made. What is gone stays gone.
    async fn put(&self, item: &Item, decision: Option<&Decision>) -> Result<Option<ItemRow>, StoreError> {
        let Some(mut row) = self.file.read(&item.id.to_string()).await? else { return Ok(None) };
        let Some(own) = self.key.unwrap(&row)? else { return Ok(None) };
        row.body = body(item)?;
        row.wrapped = self.key.wrap(&row.id, &row.body, Some(&own))?;
        if let Some(decision) = decision {
            let plain = serde_json::to_vec(decision).map_err(|_| file::unreadable(&row.id))?;
            row.decision = own.seal(Part::Decision, &row.id, &Zeroizing::new(plain))?;
        }
        Ok(Some(row))
    }

    /// A row without key and contents.
    fn emptied(&self, item: &Item) -> Result<ItemRow, StoreError> {
        let (id, body) = (item.id.to_string(), body(item)?);
        let wrapped = self.key.wrap(&id, &body, None)?;
        Ok(ItemRow { id, body, wrapped, contents: Vec::new(), decision: Vec::new() })
    }
}

fn body(item: &Item) -> Result<String, StoreError> {
    serde_json::to_string(item).map_err(|_| file::unreadable(&item.id.to_string()))
}

fn parsed<T: DeserializeOwned>(row: &ItemRow, plain: &Zeroizing<Vec<u8>>) -> Result<T, StoreError> {
    serde_json::from_slice(plain).map_err(|_| file::unreadable(&row.id))
}

fn fault<T>(done: Result<T, StoreError>) -> Result<T, StoreFault> {
    done.map_err(|error| StoreFault(error.to_string()))
}

impl Queue for ReviewStore {
    fn room(&self, requester: &PrincipalId, pending_max: usize) -> usize {
        self.read(|index| index.room(requester, pending_max))
    }

    fn draw(&self, of: &[u8]) -> f64 {
        self.key.draw(of)
    }

    fn hold(&self, rows: Vec<Holding>, pending_max: usize) -> Doing<'_, usize> {
        Box::pin(async move {
            let plain = rows.into_iter().map(Holding::into_parts).collect();
            fault(self.take(plain, pending_max).await)
        })
    }

    fn find(&self, item: ReviewId) -> Option<Item> {
        self.read(|index| index.find(item).cloned())
    }

    fn of_request(&self, request: RequestId) -> Vec<Item> {
        self.read(|index| index.of_request(request))
    }

    fn list(&self, wanted: &dyn Fn(&Item) -> bool, count_max: usize) -> Vec<Item> {
        // Whether an item is wanted may take a decision; nobody waits for that.
        let mut all: Vec<Item> = self.read(|index| index.items().cloned().collect());
        all.sort_by_key(Item::place);
        all.into_iter().filter(|item| wanted(item)).take(count_max).collect()
    }

    fn open(&self, item: ReviewId) -> Doing<'_, Option<Opened>> {
        Box::pin(async move { fault(self.opened(item).await) })
    }

    fn apply<'a>(&'a self, _: &'a Warrant, steps: Vec<Step>) -> Doing<'a, ()> {
        Box::pin(async move { fault(self.changed(steps).await) })
    }

    fn tidy(&self) -> Doing<'_, ()> {
        Box::pin(async move { fault(self.overwrite(&mut *self.changing.lock().await).await) })
    }
}

#[cfg(test)]
mod tests;
