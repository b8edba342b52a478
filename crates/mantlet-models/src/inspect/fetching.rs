//! Room for what is asked for by signed URLs.
//!
//! Packages are large and whoever brings a URL may read slowly, so what they take is bounded: a few at once in all, and fewer
//! for one URL or from one place, so that nobody holds up the others by leaving what they asked for in the pipe. What is small
//! needs no room.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ipnet::{Ipv4Net, Ipv6Net};
use mantlet_types::{Rejection, url::UrlId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ROOM_TIMEOUT;

/// What takes no more memory than this, in bytes, needs no room: a request in any other route may take as much.
pub const SMALL_BYTES: u64 = 1 << 20;

/// Large ones at once. Each may be a package of some gibibytes; what is usual is some mebibytes.
const PLACES: usize = 4;

/// Of these, for one URL, and for one address: half of them.
const PLACES_EACH: usize = PLACES / 2;

/// Who takes places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Taker {
    /// A URL, whoever brings it.
    Url(UrlId),
    /// An address: of IPv6 the network that one subscriber has.
    From(IpAddr),
}

impl Taker {
    fn from(address: IpAddr) -> Self {
        let prefix = |net: Ipv6Net| IpAddr::V6(net.network());
        Self::From(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Net::from(address).addr()),
            IpAddr::V6(address) => Ipv6Net::new(address, 64).map_or(IpAddr::V6(address), prefix),
        })
    }
}

/// Room for large packages, and who has how much of it.
#[derive(Debug)]
pub struct Fetching {
    all: Arc<Semaphore>,
    each: Mutex<HashMap<Taker, Weak<Semaphore>>>,
}

impl Default for Fetching {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(PLACES)), each: Mutex::default() }
    }
}

/// A place that is taken until this goes.
#[derive(Debug)]
pub struct Room {
    _of: [OwnedSemaphorePermit; 3],
}

impl Fetching {
    /// A place for what this URL is brought for, from there.
    ///
    /// # Errors
    /// 503 if there is none for long.
    pub async fn enter(&self, url: UrlId, from: IpAddr) -> Result<Room, Rejection> {
        // The common places last: whoever waits for one of their own takes none of them meanwhile.
        let ways = [self.of(Taker::Url(url)), self.of(Taker::from(from)), Arc::clone(&self.all)];
        let enter = async {
            let [url, from, all] = ways;
            Ok::<_, tokio::sync::AcquireError>(Room {
                _of: [url.acquire_owned().await?, from.acquire_owned().await?, all.acquire_owned().await?],
            })
        };
        let failed = |error: &dyn std::fmt::Display| Rejection::unavailable(error.to_string());
        tokio::time::timeout(ROOM_TIMEOUT, enter)
            .await
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))
    }

    /// The places of one taker. There are as many entries as takers who have or want one now.
    fn of(&self, taker: Taker) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        each.retain(|_, places| places.strong_count() > 0);
        if let Some(places) = each.get(&taker).and_then(Weak::upgrade) {
            return places;
        }
        let places = Arc::new(Semaphore::new(PLACES_EACH));
        each.insert(taker, Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(byte: u8) -> UrlId {
        UrlId([byte; 16])
    }

    fn from(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_url_or_one_address_takes_half_of_it_and_no_more() {
        for (urls, addresses) in [
            ([1, 1, 1], ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
            ([1, 2, 3], ["2001:db8::1", "2001:db8::2", "2001:db8::3"]),
        ] {
            let fetching = Fetching::default();
            let mut held = Vec::new();
            for at in 0..PLACES_EACH {
                held.push(fetching.enter(url(urls[at]), from(addresses[at])).await.unwrap());
            }
            let third = fetching.enter(url(urls[2]), from(addresses[2])).await;
            assert_eq!(third.unwrap_err().code, mantlet_types::Code::Unavailable);
            // Somebody else does not notice.
            fetching.enter(url(9), from("192.0.2.1")).await.unwrap();
            held.pop();
            fetching.enter(url(urls[2]), from(addresses[2])).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_so_many_in_all_and_nothing_is_kept_of_who_left() {
        let fetching = Fetching::default();
        let mut held = Vec::new();
        for at in 0..PLACES {
            let at = u8::try_from(at).unwrap();
            held.push(fetching.enter(url(at), IpAddr::from([10, 0, 0, at])).await.unwrap());
        }
        assert!(fetching.enter(url(99), from("10.0.0.99")).await.is_err());
        held.clear();
        fetching.enter(url(99), from("10.0.0.99")).await.unwrap();
        assert!(fetching.each.lock().unwrap().len() <= 2);
    }
}
