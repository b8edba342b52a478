//! What is counted of routes: how prompts ended, what they took, what the guard found, how upstreams did. Every label is an
//! operator's word or one of ours, so nobody else makes the numbers of series grow. Prompts are counted by the entries that are
//! written of them, so the numbers are those of the log.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use mantlet_types::{
    Code, Entry, RouteName,
    entry::{Event, Phase, Token},
};

use super::UpstreamFault;

/// How a prompt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With an answer.
    Answered,
    /// It waits for a person.
    Held,
    /// It was too much for a limit or a budget.
    Limited,
    /// The guard did not let it pass.
    Blocked,
    /// Its answer was not let out.
    Withheld,
    /// Its caller went away.
    Cancelled,
    /// It was no prompt that the route takes.
    Invalid,
    /// There was no answer.
    Failed,
}

impl Ended {
    /// Every end, in the order of the counters.
    pub const ALL: [Self; 8] = [
        Self::Answered,
        Self::Held,
        Self::Limited,
        Self::Blocked,
        Self::Withheld,
        Self::Cancelled,
        Self::Invalid,
        Self::Failed,
    ];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Held => "held",
            Self::Limited => "limited",
            Self::Blocked => "blocked",
            Self::Withheld => "withheld",
            Self::Cancelled => "cancelled",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
        }
    }

    fn of(entry: &Entry) -> Self {
        let Some(code) = entry.error_code.as_ref().map(Token::as_str) else { return Self::Answered };
        let is = |known: Code| code == known.as_str();
        match entry.status {
            _ if is(Code::Held) => Self::Held,
            _ if is(Code::Blocked) => Self::Blocked,
            _ if is(Code::Withheld) => Self::Withheld,
            _ if is(Code::Cancelled) => Self::Cancelled,
            Some(429) => Self::Limited,
            Some(400..=499) => Self::Invalid,
            _ => Self::Failed,
        }
    }
}

/// How an upstream did that was to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// It began to answer.
    Answered,
    /// It could not be reached, or said that it cannot.
    Broken,
    /// It had the prompt, and gave no answer.
    Lost,
    /// It was not asked, or says that it is asked too much.
    Busy,
    /// It does not take the prompt.
    Refused,
}

impl Did {
    /// Every way, in the order of the counters.
    pub const ALL: [Self; 5] = [Self::Answered, Self::Broken, Self::Lost, Self::Busy, Self::Refused];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Broken => "broken",
            Self::Lost => "lost",
            Self::Busy => "busy",
            Self::Refused => "refused",
        }
    }

    pub(super) const fn of<T>(done: &Result<T, UpstreamFault>) -> Self {
        match done {
            Ok(_) => Self::Answered,
            Err(UpstreamFault::Broken(_)) => Self::Broken,
            Err(UpstreamFault::Lost(_)) => Self::Lost,
            Err(UpstreamFault::Busy { .. }) => Self::Busy,
            Err(UpstreamFault::Refused(_)) => Self::Refused,
        }
    }
}

/// What the guard says of prompts, in the order of the counters.
pub const VERDICTS: [&str; 3] = ["clean", "suspect", "attack"];

/// The counters of one model on one route.
#[derive(Debug, Default)]
struct Counts {
    ended: [AtomicU64; Ended::ALL.len()],
    verdicts: [AtomicU64; VERDICTS.len()],
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost_micros: AtomicU64,
}

/// The counters of one model on one route at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Prompts by how they ended, in the order of [`Ended::ALL`].
    pub ended: [u64; Ended::ALL.len()],
    /// Prompts by what the guard says, in the order of [`VERDICTS`].
    pub verdicts: [u64; VERDICTS.len()],
    /// Tokens of prompts.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Cost, in millionths of the currency.
    pub cost_micros: u64,
}

type Calls = [AtomicU64; Did::ALL.len()];

/// All counters.
#[derive(Debug, Default)]
pub struct Meter {
    prompts: RwLock<BTreeMap<(RouteName, Token), Arc<Counts>>>,
    upstreams: RwLock<BTreeMap<(RouteName, usize), Arc<Calls>>>,
}

impl Meter {
    /// Counts a prompt by its last entry.
    pub(crate) fn took(&self, entry: &Entry) {
        let Some((route, model)) = entry.route.as_ref().zip(entry.route_model.as_ref()) else { return };
        if entry.event != Event::Completion || entry.phase == Phase::Intent {
            return;
        }
        let counts = of(&self.prompts, (route.clone(), model.clone()));
        add(counts.ended.get(Ended::of(entry) as usize), 1);
        let said = entry.guard.as_ref().map(Token::as_str);
        let verdict = said.and_then(|said| VERDICTS.iter().position(|known| *known == said));
        add(verdict.and_then(|verdict| counts.verdicts.get(verdict)), 1);
        for (counter, more) in [
            (&counts.input_tokens, entry.input_tokens),
            (&counts.output_tokens, entry.output_tokens),
            (&counts.cost_micros, entry.cost_micros),
        ] {
            add(Some(counter), more.unwrap_or(0));
        }
    }

    /// Counts how the route's upstream in this place did.
    pub(super) fn did(&self, route: &RouteName, place: usize, did: Did) {
        add(of(&self.upstreams, (route.clone(), place)).get(did as usize), 1);
    }

    /// The counters of each model of a route, as far as it has been asked.
    #[must_use]
    pub fn totals(&self, route: &RouteName, model: &Token) -> Totals {
        let counts = of(&self.prompts, (route.clone(), model.clone()));
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        Totals {
            ended: counts.ended.each_ref().map(load),
            verdicts: counts.verdicts.each_ref().map(load),
            input_tokens: load(&counts.input_tokens),
            output_tokens: load(&counts.output_tokens),
            cost_micros: load(&counts.cost_micros),
        }
    }

    /// Calls of the route's upstream in this place, in the order of [`Did::ALL`].
    #[must_use]
    pub fn calls(&self, route: &RouteName, place: usize) -> [u64; Did::ALL.len()] {
        of(&self.upstreams, (route.clone(), place)).each_ref().map(|counter| counter.load(Relaxed))
    }
}

fn add(counter: Option<&AtomicU64>, more: u64) {
    if let Some(counter) = counter {
        // A counter that began again from zero would look like a restart.
        let _ = counter.fetch_update(Relaxed, Relaxed, |count| Some(count.saturating_add(more)));
    }
}

/// The counters of this name. Names are those of the configuration, so there are only so many.
fn of<K: Ord, C: Default>(all: &RwLock<BTreeMap<K, Arc<C>>>, key: K) -> Arc<C> {
    // A counter that panicked midway would have left a number, not a broken map.
    if let Some(counts) = all.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Arc::clone(counts);
    }
    Arc::clone(all.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(code: Option<Code>) -> Entry {
        Entry {
            route: Some("r".parse().unwrap()),
            route_model: Some(Token::of("m")),
            status: Some(code.map_or(200, Code::http)),
            error_code: code.map(|code| Token::of(code.as_str())),
            guard: Some(Token::of("suspect")),
            input_tokens: Some(3),
            cost_micros: Some(7),
            ..Entry::new(Event::Completion, "node-1".parse().unwrap())
        }
    }

    #[test]
    fn prompts_count_by_their_last_entry() {
        let meter = Meter::default();
        meter.took(&Entry { phase: Phase::Intent, ..entry(None) });
        meter.took(&Entry { route: None, ..entry(None) });
        for code in [None, Some(Code::BudgetSpent), Some(Code::RateLimited), Some(Code::Unavailable)] {
            meter.took(&entry(code));
        }
        let totals = meter.totals(&"r".parse().unwrap(), &Token::of("m"));
        assert_eq!(totals.ended, [1, 0, 2, 0, 0, 0, 0, 1]);
        assert_eq!(totals.verdicts, [0, 4, 0]);
        assert_eq!((totals.input_tokens, totals.output_tokens, totals.cost_micros), (12, 0, 28));
    }

    #[test]
    fn every_code_is_an_end() {
        for (code, expect) in [
            (Code::Held, Ended::Held),
            (Code::Blocked, Ended::Blocked),
            (Code::Withheld, Ended::Withheld),
            (Code::Cancelled, Ended::Cancelled),
            (Code::InvalidInput, Ended::Invalid),
            (Code::TooLarge, Ended::Invalid),
            (Code::AuditUnavailable, Ended::Failed),
        ] {
            assert_eq!(Ended::of(&entry(Some(code))), expect);
        }
    }
}
