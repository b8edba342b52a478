//! Looking whether models answer where they run: one task for each model in use, which ends with it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::runtime::Handle;

use super::link::Link;

/// Every model that is reached somewhere, as long as anybody holds it.
#[derive(Default)]
pub(super) struct Watched {
    links: Vec<Weak<Link>>,
    /// Where tasks run, once somebody serves.
    runtime: Option<Handle>,
}

impl Watched {
    /// A model that is reached already.
    pub(super) fn find(&mut self, is: impl Fn(&Link) -> bool) -> Option<Arc<Link>> {
        self.links().into_iter().find(|link| is(link))
    }

    /// All of them; those that nobody holds any more are forgotten.
    pub(super) fn links(&mut self) -> Vec<Arc<Link>> {
        self.links.retain(|link| link.strong_count() > 0);
        self.links.iter().filter_map(Weak::upgrade).collect()
    }

    /// Another one.
    pub(super) fn add(&mut self, link: &Arc<Link>) {
        self.links.push(Arc::downgrade(link));
        if let Some(runtime) = &self.runtime {
            runtime.spawn(watch(Arc::downgrade(link)));
        }
    }

    /// Begins to look.
    pub(super) fn begin(&mut self, runtime: Handle) {
        for link in self.links() {
            runtime.spawn(watch(Arc::downgrade(&link)));
        }
        self.runtime = Some(runtime);
    }
}

/// Looks at once, and then every so often while anybody holds the model.
async fn watch(link: Weak<Link>) {
    loop {
        let interval: Duration = {
            let Some(link) = link.upgrade() else { return };
            link.probe().await;
            link.peer().settings().probe_interval
        };
        tokio::time::sleep(interval).await;
    }
}
