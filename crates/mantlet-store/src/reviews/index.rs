//! What is known of held rows without opening them, in memory: looked up by item and by request, counted by principal.

use std::collections::{BTreeMap, HashMap};

use mantlet_gate::reviews::{Item, Step};
use mantlet_types::{
    PrincipalId, RequestId, ReviewId,
    limits::{REVIEWS_BYTES_MAX, REVIEWS_MAX},
};
use zeroize::Zeroizing;

/// A row that is not yet sealed: what is known of it, and what is inside.
pub(super) type Plain = (Item, Zeroizing<Vec<u8>>);

/// Items by name, by request, and in numbers.
#[derive(Default)]
pub(super) struct Index {
    items: BTreeMap<ReviewId, Entry>,
    by_request: HashMap<RequestId, Vec<ReviewId>>,
    /// Those that wait for a person.
    pending: HashMap<PrincipalId, usize>,
    /// Those of which something is kept, and how much that is.
    kept: usize,
    bytes: usize,
}

struct Entry {
    item: Item,
    /// What is kept of it, sealed.
    bytes: usize,
}

impl Index {
    pub(super) fn find(&self, item: ReviewId) -> Option<&Item> {
        self.items.get(&item).map(|entry| &entry.item)
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values().map(|entry| &entry.item)
    }

    pub(super) fn of_request(&self, request: RequestId) -> Vec<Item> {
        let ids = self.by_request.get(&request).map_or(&[][..], Vec::as_slice);
        let mut items: Vec<Item> = ids.iter().filter_map(|id| self.find(*id).cloned()).collect();
        items.sort_by_key(|item| item.row);
        items
    }

    /// How many more rows fit, of this principal and altogether.
    pub(super) fn room(&self, requester: &PrincipalId, pending_max: usize) -> usize {
        let pending = self.pending.get(requester).copied().unwrap_or(0);
        pending_max.saturating_sub(pending).min(REVIEWS_MAX.saturating_sub(self.kept))
    }

    /// How many of these, the first ones, fit. They are of one principal.
    pub(super) fn fitting(&self, rows: &[Plain], pending_max: usize) -> usize {
        let Some((first, _)) = rows.first() else { return 0 };
        let room = self.room(&first.requester, pending_max);
        let sizes = rows.iter().take(room).scan(self.bytes, |bytes, (_, plain)| {
            *bytes = bytes.saturating_add(plain.len());
            Some(*bytes)
        });
        sizes.take_while(|bytes| *bytes <= REVIEWS_BYTES_MAX).count()
    }

    /// Puts an item in the place of what was there; `bytes` only where they are not what they were.
    pub(super) fn put(&mut self, item: Item, bytes: Option<usize>) {
        let old = self.remove(item.id);
        let bytes = bytes.or(old).unwrap_or(0);
        if item.status.is_open() {
            *self.pending.entry(item.requester.clone()).or_default() += 1;
        }
        if item.status.is_kept() {
            self.kept += 1;
        }
        self.bytes += bytes;
        self.by_request.entry(item.request_id).or_default().push(item.id);
        self.items.insert(item.id, Entry { item, bytes });
    }

    pub(super) fn follow(&mut self, step: Step) {
        match step {
            Step::Put(item) | Step::Decide(item, _) => self.put(item, None),
            Step::End(item) => self.put(item, Some(0)),
            Step::Forget(item) => drop(self.remove(item)),
        }
    }

    /// Takes an item out; how much was kept of it.
    fn remove(&mut self, item: ReviewId) -> Option<usize> {
        let Entry { item, bytes } = self.items.remove(&item)?;
        if item.status.is_open()
            && let Some(pending) = self.pending.get_mut(&item.requester)
        {
            *pending = pending.saturating_sub(1);
            if *pending == 0 {
                self.pending.remove(&item.requester);
            }
        }
        if item.status.is_kept() {
            self.kept = self.kept.saturating_sub(1);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(ids) = self.by_request.get_mut(&item.request_id) {
            ids.retain(|id| *id != item.id);
            if ids.is_empty() {
                self.by_request.remove(&item.request_id);
            }
        }
        Some(bytes)
    }
}
