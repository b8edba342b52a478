//! What counts as drift: how often noise may raise an alarm, and how large a change must be to matter.

use serde::{Deserialize, Serialize};

/// Why rules make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is out of range")]
pub struct RulesError(pub &'static str);

/// The rules of a check. Each default has its reason beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// False discovery rate over all columns of a window, 0 to 1. 0.01: one window in a hundred, before the effect is asked for.
    pub alpha: f64,
    /// Wasserstein-1 over the reference's standard deviation from which on a shift matters. 0.1, as the field has it.
    pub shift_min: f64,
    /// Population stability index from which on a change of shape or of categories matters. 0.1, as the field has it.
    pub psi_min: f64,
    /// Difference of the share of missing values that matters. 0.05: one row in twenty.
    pub missing_min: f64,
    /// Share of rows with categories that the reference does not have, from which on they raise an alarm; named they are at once. 0.01.
    pub new_min: f64,
    /// Values below which a column is not judged. 30: below, the limits of all tests but the exact ones are guesses.
    pub values_min: usize,
    /// Rows of the fast window. 500: the least at which a quarter of a standard deviation in 3 of 20 columns is always found.
    pub fast_rows: usize,
    /// Rows after which the fast window is looked at again. 100.
    pub fast_step: usize,
    /// Rows of the slow window, which is looked at once, when it is full. 5,000: sees a tenth of a standard deviation.
    pub slow_rows: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            alpha: 0.01,
            shift_min: 0.1,
            psi_min: 0.1,
            missing_min: 0.05,
            new_min: 0.01,
            values_min: 30,
            fast_rows: 500,
            fast_step: 100,
            slow_rows: 5_000,
        }
    }
}

/// Rows of a fast window at most: each is held.
pub(crate) const FAST_ROWS_MAX: usize = 100_000;

impl Rules {
    /// Says what is out of range.
    ///
    /// # Errors
    /// The first rule that is.
    pub fn check(&self) -> Result<(), RulesError> {
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let is_floor = |floor: f64| floor >= 0.0 && floor.is_finite();
        let checks = [
            ("alpha", self.alpha > 0.0 && self.alpha < 1.0),
            ("shift_min", is_floor(self.shift_min)),
            ("psi_min", is_floor(self.psi_min)),
            ("missing_min", is_share(self.missing_min)),
            ("new_min", is_share(self.new_min)),
            ("values_min", self.values_min >= 2),
            ("fast_rows", (self.values_min..=FAST_ROWS_MAX).contains(&self.fast_rows)),
            ("fast_step", (1..=self.fast_rows).contains(&self.fast_step)),
            ("slow_rows", self.slow_rows >= self.values_min),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((name, _)) => Err(RulesError(name)),
            None => Ok(()),
        }
    }

    /// The rate for one look at the fast window: each row is in several of its windows, which share the rate.
    #[must_use]
    pub fn alpha_of_fast_look(&self) -> f64 {
        self.alpha / (self.fast_rows as f64 / self.fast_step.max(1) as f64).ceil().max(1.0)
    }
}
