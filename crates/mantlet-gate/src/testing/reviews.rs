//! The queue of held answers in memory.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::ThreadId,
};

use mantlet_types::{PrincipalId, RequestId, ReviewId};

use crate::{
    administer::Warrant,
    ports::StoreFault,
    reviews::{Contents, Decision, Doing, Holding, Item, Opened, Queue, Step},
};

/// A queue that remembers, and forgets where it is told to.
#[derive(Default)]
pub struct FakeQueue {
    broken: AtomicBool,
    drawn_by: Mutex<HashSet<ThreadId>>,
    items: Mutex<BTreeMap<ReviewId, Kept>>,
}

struct Kept {
    item: Item,
    contents: Option<Contents>,
    decision: Option<Decision>,
}

impl FakeQueue {
    /// From here on it takes and opens nothing.
    pub fn fail(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// The threads that drew lots.
    pub fn drawn_by(&self) -> HashSet<ThreadId> {
        std::mem::take(&mut *self.drawn_by.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn items(&self) -> std::sync::MutexGuard<'_, BTreeMap<ReviewId, Kept>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), StoreFault> {
        let broken = self.broken.load(Ordering::SeqCst);
        if broken { Err(StoreFault("broken".to_owned())) } else { Ok(()) }
    }
}

impl Queue for FakeQueue {
    fn room(&self, requester: &PrincipalId, pending_max: usize) -> usize {
        let waits = |kept: &&Kept| kept.item.requester == *requester && kept.item.status.is_open();
        pending_max.saturating_sub(self.items().values().filter(waits).count())
    }

    fn draw(&self, of: &[u8]) -> f64 {
        self.drawn_by.lock().unwrap_or_else(PoisonError::into_inner).insert(std::thread::current().id());
        f64::from(crc32fast::hash(of)) / f64::from(u32::MAX)
    }

    fn hold(&self, rows: Vec<Holding>, pending_max: usize) -> Doing<'_, usize> {
        Box::pin(async move {
            self.check()?;
            let mut taken = 0;
            for row in rows {
                let (item, contents) = row.into_parts();
                if self.room(&item.requester, pending_max) > 0 {
                    let contents = serde_json::from_slice(&contents).ok();
                    self.items().insert(item.id, Kept { item, contents, decision: None });
                    taken += 1;
                }
            }
            Ok(taken)
        })
    }

    fn find(&self, item: ReviewId) -> Option<Item> {
        self.items().get(&item).map(|kept| kept.item.clone())
    }

    fn of_request(&self, request: RequestId) -> Vec<Item> {
        self.list(&|item| item.request_id == request, usize::MAX)
    }

    fn list(&self, wanted: &dyn Fn(&Item) -> bool, count_max: usize) -> Vec<Item> {
        let mut all: Vec<Item> = self.items().values().map(|kept| kept.item.clone()).collect();
        all.sort_by_key(Item::place);
        all.into_iter().filter(|item| wanted(item)).take(count_max).collect()
    }

    fn open(&self, item: ReviewId) -> Doing<'_, Option<Opened>> {
        Box::pin(async move {
            self.check()?;
            let items = self.items();
            let kept =
                items.get(&item).and_then(|kept| Some((kept.contents.clone()?, kept.decision.clone())));
            Ok(kept.map(|(contents, decision)| Opened { contents, decision }))
        })
    }

    fn apply<'a>(&'a self, _: &'a Warrant, steps: Vec<Step>) -> Doing<'a, ()> {
        Box::pin(async move {
            self.check()?;
            let mut items = self.items();
            for step in steps {
                let (item, ends, decision) = match step {
                    Step::Put(item) => (item, false, None),
                    Step::Decide(item, decision) => (item, false, Some(*decision)),
                    Step::End(item) => (item, true, None),
                    Step::Forget(item) => {
                        items.remove(&item);
                        continue;
                    }
                };
                let Some(kept) = items.get_mut(&item.id) else { continue };
                kept.item = item;
                kept.decision = decision.or_else(|| kept.decision.take());
                if ends {
                    (kept.contents, kept.decision) = (None, None);
                }
            }
            Ok(())
        })
    }
}
