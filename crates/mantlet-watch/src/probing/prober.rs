//! The tolerant e-process of one principal.

use serde::{Deserialize, Serialize};

use super::{
    Ordinary, Query,
    ring::{Ring, Seen},
};
use crate::{anomaly::AnomalyError, performance::BernoulliBet};

/// Rates of events that are tolerated of an honest principal. An event is a p-value of at most 0.05; what lies between is for skewed customers, and
/// for the error of finite calibration rows: that a cut at 0.05 has a true rate above 0.15 has a chance of 0.0004 with 100 of them.
const TOLERATED: Tolerated = Tolerated { far: 0.15, lonely: 0.15, marginal: 0.30, near: 0.05 };

struct Tolerated {
    far: f64,
    lonely: f64,
    marginal: f64,
    near: f64,
}

/// How a principal is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProberConfig {
    /// Whether near repeats count. Not for principals that send a slowly moving stream, such as a sensor: there every row is near the last.
    pub near_counts: bool,
}

impl Default for ProberConfig {
    fn default() -> Self {
        Self { near_counts: true }
    }
}

/// What is to be done with a principal, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing.
    Quiet,
    /// Tell somebody.
    Alert,
    /// Answer with less.
    Poorer,
    /// Let a person decide.
    Review,
    /// Answer no more.
    CutOff,
}

/// Wealth at which each level begins. The chance that an honest principal ever reaches one is 1 in as many.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// [`Level::Alert`].
    pub alert: f64,
    /// [`Level::Poorer`].
    pub poorer: f64,
    /// [`Level::Review`].
    pub review: f64,
    /// [`Level::CutOff`].
    pub cut_off: f64,
}

impl Default for Levels {
    /// An alert at 1 in 1,000; each further level at ten times the evidence.
    fn default() -> Self {
        Self { alert: 1e3, poorer: 1e4, review: 1e5, cut_off: 1e6 }
    }
}

/// Watches one principal at one model, or a tenant's principals together.
#[derive(Debug, Clone)]
pub struct Prober {
    config: ProberConfig,
    state: ProberState,
}

/// All that a [`Prober`] remembers: 2 bytes a feature for each of 1,024 rows, and a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProberState {
    ring: Ring,
    far: BernoulliBet,
    lonely: BernoulliBet,
    marginal: BernoulliBet,
    near: BernoulliBet,
    queries: u64,
    repeats: u64,
    /// The greatest wealth so far, as a logarithm: evidence once given is not taken back by ordinary queries sent afterwards.
    peak: f64,
}

impl Prober {
    /// Begins to watch; `None` never, as the tolerated rates are constants that can be bet against.
    #[must_use]
    pub fn new(config: ProberConfig) -> Option<Self> {
        let state = ProberState {
            ring: Ring::default(),
            far: BernoulliBet::new(TOLERATED.far)?,
            lonely: BernoulliBet::new(TOLERATED.lonely)?,
            marginal: BernoulliBet::new(TOLERATED.marginal)?,
            near: BernoulliBet::new(TOLERATED.near)?,
            queries: 0,
            repeats: 0,
            peak: 0.0,
        };
        Some(Self { config, state })
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If it is not of this model.
    pub fn resume(
        config: ProberConfig,
        state: ProberState,
        ordinary: &Ordinary,
    ) -> Result<Self, AnomalyError> {
        if state.ring.is_of(ordinary.screen().ranges().len()) && state.peak.is_finite() {
            Ok(Self { config, state })
        } else {
            Err(AnomalyError::Shape)
        }
    }

    /// What is to be saved.
    #[must_use]
    pub fn state(&self) -> &ProberState {
        &self.state
    }

    /// Takes a query and the margin of the model's answer to it. Exact repeats of one of the latest 1,024 count as nothing.
    pub fn observe(&mut self, ordinary: &Ordinary, row: &[f64], margin: f64) {
        self.observe_looked_at(ordinary, row, || ordinary.look(row, margin));
    }

    /// The same with a look that may have been taken before, by the screen.
    pub fn observe_looked_at(&mut self, ordinary: &Ordinary, row: &[f64], look: impl FnOnce() -> Query) {
        let state = &mut self.state;
        state.queries = state.queries.saturating_add(1);
        let seen = state.ring.take(ordinary.quantized(row), &ordinary.steps(), ordinary.near());
        if seen == Seen::Repeat {
            state.repeats = state.repeats.saturating_add(1);
            return;
        }
        let query = look();
        state.far.observe(query.is_far);
        state.lonely.observe(query.is_lonely);
        state.marginal.observe(query.is_marginal);
        if self.config.near_counts {
            state.near.observe(seen == Seen::Near);
        }
        let wealth = self.log_wealth();
        self.state.peak = self.state.peak.max(wealth);
    }

    /// The logarithm of the wealth now: the mean of the four bets, one of which stays at 1 where near repeats do not count.
    #[must_use]
    pub fn log_wealth(&self) -> f64 {
        let state = &self.state;
        let logs = [&state.far, &state.lonely, &state.marginal, &state.near].map(BernoulliBet::log_wealth);
        let max = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        max + (logs.iter().map(|log| (log - max).exp()).sum::<f64>() / logs.len() as f64).ln()
    }

    /// What is to be done, by the greatest wealth so far.
    #[must_use]
    pub fn level(&self, levels: &Levels) -> Level {
        let reached = |wealth: f64| self.state.peak >= wealth.ln();
        [
            (levels.cut_off, Level::CutOff),
            (levels.review, Level::Review),
            (levels.poorer, Level::Poorer),
            (levels.alert, Level::Alert),
        ]
        .into_iter()
        .find(|(wealth, _)| reached(*wealth))
        .map_or(Level::Quiet, |(_, level)| level)
    }

    /// Queries so far, and how many of them were exact repeats.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.state.queries, self.state.repeats)
    }
}
