//! What the gate needs of a queue: to hold rows durably, to find them, and to change them with a warrant.

use std::pin::Pin;

use mantlet_types::{PrincipalId, RequestId, ReviewId};

use super::{Contents, Decision, Holding, Item};
use crate::{administer::Warrant, ports::StoreFault};

/// Work of a queue under way.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send + 'a>>;

/// What is inside a held row.
pub struct Opened {
    /// What was asked, and what the model said of it.
    pub contents: Contents,
    /// What a person has decided, if anybody has.
    pub decision: Option<Decision>,
}

/// One change to a held row.
#[derive(Clone, Debug)]
pub enum Step {
    /// The item is as stated.
    Put(Item),
    /// It is as stated, and this was decided.
    Decide(Item, Box<Decision>),
    /// It is as stated, and whatever it held is gone with its key.
    End(Item),
    /// Even that there was one is forgotten.
    Forget(ReviewId),
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decision(…)")
    }
}

/// The answers that wait for a person.
///
/// What is known of items without opening them is told at once; what is inside is read, and opened, one by one.
pub trait Queue: Send + Sync {
    /// How many more rows of this principal fit, where so many may wait at a time.
    fn room(&self, requester: &PrincipalId, pending_max: usize) -> usize;

    /// A number from 0 to below 1 that is the same for the same bytes and cannot be foretold.
    fn draw(&self, of: &[u8]) -> f64;

    /// Makes rows of one principal durable: as many as there is room for, the first ones. Says how many.
    ///
    /// # Errors
    /// If they could not be made durable.
    fn hold(&self, rows: Vec<Holding>, pending_max: usize) -> Doing<'_, usize>;

    /// An item.
    fn find(&self, item: ReviewId) -> Option<Item>;

    /// The items of a request, in the order of its rows.
    fn of_request(&self, request: RequestId) -> Vec<Item>;

    /// Those items that are wanted, the oldest first, at most so many.
    fn list(&self, wanted: &dyn Fn(&Item) -> bool, count_max: usize) -> Vec<Item>;

    /// What is inside an item; nothing where that is forgotten, or there is no such item.
    ///
    /// # Errors
    /// If it cannot be read, or is not what was written.
    fn open(&self, item: ReviewId) -> Doing<'_, Option<Opened>>;

    /// Makes changes durable, all or none. Only door 2 can make a [`Warrant`].
    ///
    /// # Errors
    /// If they were not taken. Traces of what is forgotten may be overwritten later: see [`Self::tidy`].
    fn apply<'a>(&'a self, warrant: &'a Warrant, steps: Vec<Step>) -> Doing<'a, ()>;

    /// Overwrites what is left of what was forgotten, if it could not be at once.
    ///
    /// # Errors
    /// If it still cannot be.
    fn tidy(&self) -> Doing<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// No queue: nothing can be held, so whatever would have to be is not answered.
pub(crate) struct Closed;

impl Closed {
    fn fault<T>() -> Doing<'static, T>
    where
        T: Send + 'static,
    {
        Box::pin(async { Err(StoreFault("there is no queue for held answers".to_owned())) })
    }
}

impl Queue for Closed {
    fn room(&self, _: &PrincipalId, pending_max: usize) -> usize {
        pending_max
    }

    fn draw(&self, _: &[u8]) -> f64 {
        0.0
    }

    fn hold(&self, _: Vec<Holding>, _: usize) -> Doing<'_, usize> {
        Self::fault()
    }

    fn find(&self, _: ReviewId) -> Option<Item> {
        None
    }

    fn of_request(&self, _: RequestId) -> Vec<Item> {
        Vec::new()
    }

    fn list(&self, _: &dyn Fn(&Item) -> bool, _: usize) -> Vec<Item> {
        Vec::new()
    }

    fn open(&self, _: ReviewId) -> Doing<'_, Option<Opened>> {
        Self::fault()
    }

    fn apply<'a>(&'a self, _: &'a Warrant, _: Vec<Step>) -> Doing<'a, ()> {
        Self::fault()
    }
}
