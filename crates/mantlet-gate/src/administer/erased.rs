//! Deeds and petitions without their types, so that door 2 is compiled once and not once more for every deed.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use mantlet_types::{
    Rejection, Sha256,
    entry::{Event, Token},
};

use super::{Claims, Deed, Done, Office, Petition};
use crate::{directory::Directory, identity::Principal};

/// A future whose type nobody needs to know.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Petition`].
pub(super) trait AnyPetition: Send {
    fn event(&self) -> Event;

    fn entry_claims(&self, caller: &Principal, directory: &Directory) -> Result<Option<Claims>, Rejection>;

    fn read(self: Box<Self>) -> Boxed<'static, Result<Box<dyn AnyDeed>, Rejection>>;
}

/// A [`Deed`], which gives its reply to whoever asked and says here with what HTTP status it goes.
pub(super) trait AnyDeed: Send {
    fn changes(&self) -> bool;

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection>;

    fn subject(&self) -> Option<Token>;

    fn manifest(&self) -> Option<Sha256>;

    fn act<'a>(self: Box<Self>, office: &'a Office<'a>) -> Boxed<'a, Result<Done<u16>, Rejection>>;
}

/// Where a deed leaves its reply.
pub(super) struct Kept<R>(Arc<Mutex<Option<R>>>);

impl<R> Kept<R> {
    pub(super) fn empty() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    pub(super) fn take(&self) -> Option<R> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, reply: R) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    }
}

impl<R> Clone for Kept<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A petition or a deed, and where its reply goes.
pub(super) struct Asked<T, R> {
    pub(super) asked: T,
    pub(super) reply: Kept<R>,
}

impl<P: Petition> AnyPetition for Asked<P, <P::Deed as Deed>::Reply> {
    fn event(&self) -> Event {
        self.asked.event()
    }

    fn entry_claims(&self, caller: &Principal, directory: &Directory) -> Result<Option<Claims>, Rejection> {
        self.asked.entry_claims(caller, directory)
    }

    fn read(self: Box<Self>) -> Boxed<'static, Result<Box<dyn AnyDeed>, Rejection>> {
        let Self { asked, reply } = *self;
        Box::pin(async move {
            let deed = asked.read().await?;
            Ok(Box::new(Asked { asked: deed, reply }) as Box<dyn AnyDeed>)
        })
    }
}

impl<D: Deed> AnyDeed for Asked<D, D::Reply> {
    fn changes(&self) -> bool {
        self.asked.changes()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        self.asked.claims(caller, directory)
    }

    fn subject(&self) -> Option<Token> {
        self.asked.subject()
    }

    fn manifest(&self) -> Option<Sha256> {
        self.asked.manifest()
    }

    fn act<'a>(self: Box<Self>, office: &'a Office<'a>) -> Boxed<'a, Result<Done<u16>, Rejection>> {
        let Self { asked, reply: kept } = *self;
        Box::pin(async move {
            let Done { reply, changes, loaded, unloaded, settings } = asked.act(office).await?;
            let status = D::status(&reply);
            kept.put(reply);
            Ok(Done { reply: status, changes, loaded, unloaded, settings })
        })
    }
}
