//! The Page-Hinkley test (Page 1954) for a change of a mean, with forgetting, as River has it.

use serde::{Deserialize, Serialize};

/// Watches a stream for a change of its mean, up or down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageHinkley {
    observations_min: u64,
    delta: f64,
    threshold: f64,
    forgetting: f64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    seen: u64,
    mean: f64,
    up: f64,
    down: f64,
    /// Least of `up` and greatest of `down`; none before the first observation.
    extremes: Option<(f64, f64)>,
}

impl Default for PageHinkley {
    /// 30 observations at least, changes of 0.005 tolerated, an alarm at 50, forgetting of 1 in 10,000.
    fn default() -> Self {
        Self {
            observations_min: 30,
            delta: 0.005,
            threshold: 50.0,
            forgetting: 1.0 - 0.0001,
            state: State::new(),
        }
    }
}

impl State {
    fn new() -> Self {
        Self { seen: 0, mean: 0.0, up: 0.0, down: 0.0, extremes: None }
    }
}

impl PageHinkley {
    /// Takes a value and says whether the mean has changed; then it begins anew. A value that is not finite is passed over.
    pub fn observe(&mut self, value: f64) -> bool {
        if !value.is_finite() {
            return false;
        }
        let state = &mut self.state;
        state.seen = state.seen.saturating_add(1);
        state.mean += (value - state.mean) / state.seen as f64;
        let deviation = value - state.mean;
        state.up = self.forgetting * state.up + deviation - self.delta;
        state.down = self.forgetting * state.down + deviation + self.delta;
        // The greatest starts at -1, as in River.
        let (least, greatest) = state.extremes.unwrap_or((f64::INFINITY, -1.0));
        let (least, greatest) = (least.min(state.up), greatest.max(state.down));
        state.extremes = Some((least, greatest));
        let is_change = state.seen >= self.observations_min
            && (state.up - least > self.threshold || greatest - state.down > self.threshold);
        if is_change {
            self.state = State::new();
        }
        is_change
    }
}
