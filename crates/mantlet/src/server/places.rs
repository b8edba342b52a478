//! Places for connections: so many in all, and of those no more than a share for one address.
//!
//! Without shares, one client that opens every place and then does nothing keeps out everybody else.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mantlet_gate::perimeter::origin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An address has at most this part of all places: four together can still fill the server, one cannot.
const SHARE_PART: usize = 4;

/// Whatever the part, an address has this many places: browsers and connection pools behind one translated address.
const SHARE_MIN: usize = 64;

/// Places of one kind of connection.
#[derive(Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    shares: Shares,
}

/// A place, not yet anybody's.
pub(super) struct Vacancy {
    _permit: OwnedSemaphorePermit,
}

/// A place of one connection; free again when this goes.
pub(super) struct Place {
    _vacancy: Vacancy,
    _share: Share,
}

impl Places {
    /// So many places; an address has a quarter of them, or 64 if that is more.
    #[must_use]
    pub(super) fn new(all: usize) -> Self {
        Self::shared(all, (all / SHARE_PART).max(SHARE_MIN))
    }

    /// So many places, and so many of them for one address.
    #[must_use]
    pub(super) fn shared(all: usize, each_max: usize) -> Self {
        let all = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Self { all, shares: Shares::new(each_max) }
    }

    /// Waits for a place. `None` if there will be no more.
    pub(super) async fn vacancy(&self) -> Option<Vacancy> {
        Arc::clone(&self.all).acquire_owned().await.ok().map(|permit| Vacancy { _permit: permit })
    }

    /// Gives a place to an address, unless it has its share already.
    #[must_use]
    pub(super) fn seat(&self, vacancy: Vacancy, ip: IpAddr, is_proxy: bool) -> Option<Place> {
        Some(Place { _vacancy: vacancy, _share: self.shares.take(ip, is_proxy)? })
    }
}

/// So much of something for each address.
#[derive(Clone)]
pub(super) struct Shares(Arc<Held>);

struct Held {
    by_origin: Mutex<HashMap<IpAddr, usize>>,
    each_max: usize,
}

/// One of an address's share; given back when this goes.
pub(super) struct Share(Option<(Arc<Held>, IpAddr)>);

impl Shares {
    /// So many for each address.
    #[must_use]
    pub(super) fn new(each_max: usize) -> Self {
        Self(Arc::new(Held { by_origin: Mutex::default(), each_max }))
    }

    /// One more, unless the address has its share already. A trusted proxy's address stands for many clients and is not
    /// counted.
    #[must_use]
    pub(super) fn take(&self, ip: IpAddr, is_proxy: bool) -> Option<Share> {
        if is_proxy {
            return Some(Share(None));
        }
        let origin = origin(ip);
        let mut by_origin = self.0.lock();
        let count = by_origin.entry(origin).or_default();
        if *count >= self.0.each_max {
            return None;
        }
        *count += 1;
        Some(Share(Some((Arc::clone(&self.0), origin))))
    }
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Counts are changed in one step each, so a panic elsewhere cannot have left half of one.
        self.by_origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((held, origin)) = &self.0 else { return };
        let mut by_origin = held.lock();
        if let Some(count) = by_origin.get_mut(origin) {
            *count -= 1;
            if *count == 0 {
                by_origin.remove(origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn one_address_cannot_take_every_place() {
        let places = Places::new(1_000);
        let mut taken = Vec::new();
        for _ in 0..250 {
            taken.push(places.seat(places.vacancy().await.unwrap(), ip("192.0.2.1"), false).unwrap());
        }
        assert!(places.seat(places.vacancy().await.unwrap(), ip("::ffff:192.0.2.1"), false).is_none());
        let other = places.seat(places.vacancy().await.unwrap(), ip("192.0.2.2"), false);
        let proxied = places.seat(places.vacancy().await.unwrap(), ip("192.0.2.1"), true);
        assert!(other.is_some() && proxied.is_some());
        taken.pop();
        assert!(places.seat(places.vacancy().await.unwrap(), ip("192.0.2.1"), false).is_some());
        drop((taken, other, proxied));
        assert_eq!((places.all.available_permits(), places.shares.0.lock().len()), (1_000, 0));
    }

    #[test]
    fn a_subscriber_s_addresses_are_one() {
        let shares = Shares::new(1);
        let first = shares.take(ip("2001:db8::1"), false);
        assert!(first.is_some() && shares.take(ip("2001:db8::2"), false).is_none());
        assert!(shares.take(ip("2001:db8:0:1::1"), false).is_some());
    }

    #[test]
    fn a_small_server_still_gives_an_address_a_browser_s_worth() {
        assert_eq!(Places::new(100).shares.0.each_max, 64);
    }
}
