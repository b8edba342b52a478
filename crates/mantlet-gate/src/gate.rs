//! The gate: its ports, its limits and the snapshot that the next request will see.

use std::{cell::RefCell, net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use mantlet_types::{Code, RequestId, Timestamp};

use crate::{
    budget::Budgets,
    infer::Pool,
    perimeter::{Denials, Limiter},
    ports::{Clock, Ledger, Store},
    reviews::{self, Queue},
    routes::{Pseudonyms, meter::Meter},
    snapshot::Snapshot,
    urls::UrlSigner,
};

/// Random bytes of a request id.
const ENTROPY_BYTES: usize = 10;

/// Both doors in one value. Cheap to share; the binary makes exactly one.
pub struct Gate {
    snapshot: ArcSwap<Snapshot>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limiter: Limiter,
    pub(crate) budgets: Arc<Budgets>,
    pub(crate) meter: Meter,
    pub(crate) denials: Denials,
    pub(crate) pool: Pool,
    pub(crate) reviews: Arc<dyn Queue>,
    urls: Option<UrlSigner>,
    pub(crate) pseudonyms: Option<Pseudonyms>,
    /// One change at a time: a change is decided on the directory that it changes.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Gate {
    /// A gate over these ports.
    #[must_use]
    pub fn new(
        snapshot: Snapshot,
        ledger: Arc<dyn Ledger>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            ledger,
            store,
            clock,
            limiter: Limiter::new(),
            budgets: Arc::default(),
            meter: Meter::default(),
            denials: Denials::new(),
            pool: Pool::new(),
            reviews: Arc::new(reviews::Closed),
            urls: None,
            pseudonyms: None,
            changing: tokio::sync::Mutex::new(()),
        }
    }

    /// The same, with a queue for answers that wait for a person. Without one, no answer can be held, and a model whose
    /// answers are to be held does not answer.
    #[must_use]
    pub fn with_reviews(self, reviews: Arc<dyn Queue>) -> Self {
        Self { reviews, ..self }
    }

    /// The same, with what signs URLs. Without it, none is signed and none counts.
    #[must_use]
    pub fn with_urls(self, urls: UrlSigner) -> Self {
        Self { urls: Some(urls), ..self }
    }

    /// The same, with what names texts and tenants where neither may be told. Without it, entries of completions have no
    /// digests, and nothing that a caller calls its users is forwarded.
    #[must_use]
    pub fn with_pseudonyms(self, pseudonyms: Pseudonyms) -> Self {
        Self { pseudonyms: Some(pseudonyms), ..self }
    }

    /// What routes to language models may use, and have used.
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// What is counted of routes to language models.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What signs URLs.
    pub(crate) fn urls(&self) -> Option<&UrlSigner> {
        self.urls.as_ref()
    }

    /// The answers that wait for a person.
    #[must_use]
    pub fn reviews(&self) -> &Arc<dyn Queue> {
        &self.reviews
    }

    /// What a request arriving now sees from its first step to its last.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts the next generation in place, atomically: requests under way keep theirs.
    pub(crate) fn replace(&self, next: Snapshot) {
        self.snapshot.store(Arc::new(next));
    }

    /// Now, by the gate's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether requests can be answered: the log takes entries, and everything that is live is loaded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ledger.is_open() && self.snapshot.load().unloaded().next().is_none()
    }

    /// Counts a request that a listener turned away before anybody was asked who they are: no such route, no such
    /// method, an address that is not heard, headers over their bound. What knocks is written down even where no door is.
    pub fn turned_away(&self, code: Code, ip: IpAddr) {
        self.ledger.failure(code, ip);
    }

    /// A fresh request id.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        RequestId::new(self.now(), entropy())
    }
}

/// Random bytes for one id. Each thread draws those of many at once, since a call costs far more than its bytes.
fn entropy() -> [u8; ENTROPY_BYTES] {
    thread_local! {
        static DRAWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.len() < ENTROPY_BYTES {
            drawn.resize(64 * ENTROPY_BYTES, 0);
            // A request id is a name, not a secret: without entropy it is merely not unique.
            let _ = aws_lc_rs::rand::fill(drawn);
        }
        let rest = drawn.len().saturating_sub(ENTROPY_BYTES);
        let mut bytes = [0; ENTROPY_BYTES];
        bytes.iter_mut().zip(drawn.drain(rest..)).for_each(|(byte, drawn)| *byte = drawn);
        bytes
    })
}
