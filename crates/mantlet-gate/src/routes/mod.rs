//! Ways to language models: what the configuration allows on each, and the steps that only prompts take.
//!
//! A route names the models that it leads to, the servers that run them, the options that callers may set, and what the
//! guard does with what it finds. The steps are those of door 1 (see [`crate::mediate::complete`]); this module has what
//! differs from a question to a classifier: a prompt is text of several authors, and an answer may still be under way
//! when its first words leave. It knows no protocol: the listener hands over a [`prompt::Prompt`] and takes
//! [`answer::Event`]s, an [`Upstream`] does the reverse.

pub mod answer;
mod arguments;
mod ask;
mod charge;
mod filter;
mod frame;
mod guard;
mod judge;
mod measure;
pub mod meter;
pub mod prompt;
mod pseudonym;
pub mod rules;
mod running;
mod screen;
mod validate;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, pin::Pin, sync::Arc, time::Duration};

use mantlet_types::{ProjectId, RouteName, entry::Token};

pub use self::{
    answer::{Answer, Event},
    ask::Forwarded,
    judge::Completion,
    prompt::Prompt,
    pseudonym::Pseudonyms,
    rules::Rules,
    running::{Part, Running},
};
pub(crate) use self::{
    ask::{Begun, Replied, ask},
    judge::{Judged, judge},
    measure::Measured,
    running::run,
    screen::screen,
    validate::validate,
};

/// One way to language models.
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// Whose it is.
    pub project: ProjectId,
    /// The models that it leads to; no others are asked.
    pub models: Vec<Token>,
    /// Where they run, in the order in which they are tried.
    pub upstreams: Vec<Arc<dyn Upstream>>,
    /// What is allowed on it.
    pub rules: Rules,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("name", &self.name)
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}

impl Route {
    /// The model that a caller means by a name: one of the route's own, also with the route's name and a slash before it.
    #[must_use]
    pub fn model(&self, named: &str) -> Option<&Token> {
        let known = |name: &str| self.models.iter().find(|model| model.as_str() == name);
        let qualified = || known(named.strip_prefix(self.name.as_str())?.strip_prefix('/')?);
        known(named).or_else(qualified)
    }
}

/// All routes, in the configuration's order.
#[derive(Clone, Debug, Default)]
pub struct Routes(Arc<Vec<Arc<Route>>>);

impl Routes {
    /// These.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self(Arc::new(routes.into_iter().map(Arc::new).collect()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.0.iter()
    }

    /// The projects that they belong to.
    pub(crate) fn projects(&self) -> BTreeMap<RouteName, ProjectId> {
        self.iter().map(|route| (route.name.clone(), route.project.clone())).collect()
    }
}

/// A server that runs language models.
pub trait Upstream: Send + Sync {
    /// Whether it runs this model of the route.
    fn serves(&self, model: &Token) -> bool;

    /// Asks. Whoever stops waiting drops the future, and the other side is told by the end of the connection.
    fn ask<'a>(&'a self, forwarded: &'a Forwarded) -> Asking<'a>;

    /// How many prompts it takes at a time, from everybody together.
    fn concurrent_max(&self) -> usize;

    /// Whether it is asked at present.
    fn breaker(&self) -> Breaker {
        Breaker::Closed
    }
}

/// Whether an upstream is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// By everybody.
    Closed,
    /// By one, to try it.
    HalfOpen,
    /// By nobody.
    Open,
}

/// A reply on its way, or why there is none.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<Reply, UpstreamFault>> + Send + 'a>>;

/// What an upstream gives.
pub enum Reply {
    /// All of it.
    Whole(Answer),
    /// Piece by piece.
    Stream(Box<dyn Events>),
}

/// The pieces of an answer, pulled one after the other: nothing is read ahead of whoever takes them.
pub trait Events: Send {
    /// The next piece; `None` once the answer has ended as the protocol says that answers end.
    fn next(&mut self) -> Pulling<'_>;
}

/// A piece on its way.
pub type Pulling<'a> = Pin<Box<dyn Future<Output = Result<Option<Event>, UpstreamFault>> + Send + 'a>>;

/// Why an upstream gave no answer. Texts are for the log: they name hosts, and never repeat what the other side said.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamFault {
    /// It could not be reached, or says that it has no answer: nothing was taken.
    #[error("{0}")]
    Broken(String),
    /// It has the prompt, and was too slow, broke off, or said what is no answer: it may charge for it.
    #[error("{0}")]
    Lost(String),
    /// It was not asked, or says that it is asked too much.
    #[error("{why}")]
    Busy {
        /// Why.
        why: String,
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
    /// It does not take the prompt: the same one would be refused again, anywhere.
    #[error("{0}")]
    Refused(String),
}
