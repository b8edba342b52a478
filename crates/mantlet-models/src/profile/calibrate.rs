//! Calibration: how far a model's answers can be trusted, learned from rows that it was not trained on.

use super::{Calibration, ProfileError};
use crate::package::interface::is_distribution;

/// Share of calibration rows whose truth an interval covers, unless asked otherwise.
pub(crate) const COVERAGE_DEFAULT: f64 = 0.9;

/// Probabilities below this count as this: single-precision softmax underflows to zero, which has no logarithm.
const PROBABILITY_MIN: f64 = 1e-30;

/// Inverse temperatures between which the minimum is looked for.
const INVERSE_RANGE: (f64, f64) = (0.05, 20.0);

/// Half the 95 % quantile of χ² with one degree of freedom: how far the log likelihood falls from its maximum to the ends
/// of the 95 % interval (Wilks 1938).
const LIKELIHOOD_DROP: f64 = 1.920_729;

/// Class probabilities of calibration rows with the class that was true.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    /// Logarithms of the probabilities, row after row.
    logs: Vec<f64>,
    classes: usize,
    truths: Vec<usize>,
}

impl Outcomes {
    pub(crate) fn new(classes: usize) -> Self {
        Self { logs: Vec::new(), classes, truths: Vec::new() }
    }

    /// Adds a row; refuses what is no distribution over the classes.
    pub(crate) fn push(&mut self, probabilities: &[f64], truth: usize) -> Result<(), &'static str> {
        if probabilities.len() != self.classes || !is_distribution(probabilities) {
            return Err("the model's probabilities do not lie between 0 and 1 and sum to 1");
        }
        self.logs.extend(probabilities.iter().map(|p| p.max(PROBABILITY_MIN).ln()));
        self.truths.push(truth);
        Ok(())
    }

    fn rows(&self) -> impl Iterator<Item = (&[f64], usize)> {
        self.logs.chunks_exact(self.classes).zip(self.truths.iter().copied())
    }

    /// Mean negative log likelihood at an inverse temperature, in nats.
    fn nll(&self, inverse: f64) -> f64 {
        let loss = |(logs, truth): (&[f64], usize)| log_sum(logs, inverse) - inverse * logs[truth];
        self.rows().map(loss).sum::<f64>() / self.truths.len() as f64
    }

    /// Its derivative, which grows with the inverse temperature because the loss is convex in it.
    fn slope(&self, inverse: f64) -> f64 {
        let one = |(logs, truth): (&[f64], usize)| {
            let total = log_sum(logs, inverse);
            let expected: f64 = logs.iter().map(|log| (inverse * log - total).exp() * log).sum();
            expected - logs[truth]
        };
        self.rows().map(one).sum()
    }

    /// The temperature of least negative log likelihood (Guo et al., "On Calibration of Modern Neural Networks",
    /// ICML 2017), by bisection: deterministic, and the loss has one minimum.
    ///
    /// A temperature below 1 raises confidence, so it must be owed to evidence and not to luck: then the temperature is
    /// the one nearest to 1 within the minimum's 95 % likelihood interval. A hundred rows with hardly an error would
    /// otherwise make a model sure of everything, which test rows then contradict.
    pub(crate) fn fit(&self) -> Calibration {
        let best = self.minimum();
        let inverse = if best > 1.0 { self.least_sharp(best) } else { best };
        Calibration::Probability {
            rows: self.truths.len() as u64,
            temperature: rounded(1.0 / inverse),
            nll_before: rounded(self.nll(1.0)),
            nll_after: rounded(self.nll(inverse)),
        }
    }

    /// The inverse temperature of least loss.
    fn minimum(&self) -> f64 {
        let (low, high) = INVERSE_RANGE;
        if self.truths.is_empty() {
            1.0
        } else if self.slope(high) <= 0.0 {
            high
        } else if self.slope(low) >= 0.0 {
            low
        } else {
            bisect(low, high, |inverse| self.slope(inverse) < 0.0)
        }
    }

    /// The least inverse temperature of at least 1 that the rows do not speak against.
    fn least_sharp(&self, best: f64) -> f64 {
        let rows = self.truths.len() as f64;
        let speaks_against = |inverse: f64| rows * (self.nll(inverse) - self.nll(best)) > LIKELIHOOD_DROP;
        if speaks_against(1.0) { bisect(1.0, best, speaks_against) } else { 1.0 }
    }
}

/// Where `is_low` turns from true to false between two numbers.
fn bisect(mut low: f64, mut high: f64, is_low: impl Fn(f64) -> bool) -> f64 {
    // 60 halvings reach the resolution of a double.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if is_low(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Six decimals: more than any number of rows determines, and where `exp` and `ln` of two machines still agree.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

fn log_sum(logs: &[f64], inverse: f64) -> f64 {
    let max = logs.iter().fold(f64::NEG_INFINITY, |max, log| max.max(inverse * log));
    max + logs.iter().map(|log| (inverse * log - max).exp()).sum::<f64>().ln()
}

/// Half the width of split-conformal intervals (Lei et al., "Distribution-Free Predictive Inference for Regression",
/// JASA 2018): the ⌈(n+1)·coverage⌉-th smallest absolute residual.
///
/// # Errors
/// Too few rows: with n of them no coverage above n/(n+1) can be promised.
pub(crate) fn half_width(mut residuals: Vec<f64>, coverage: f64) -> Result<Calibration, ProfileError> {
    if !(coverage > 0.0 && coverage < 1.0) {
        return Err(ProfileError::Coverage);
    }
    let rows = residuals.len();
    let rank = rank(rows, coverage);
    if rank > rows {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and only names a number"
        )]
        let guess = (coverage / (1.0 - coverage)) as usize;
        let needed =
            (guess.saturating_sub(2)..).find(|rows| *rows > 0 && self::rank(*rows, coverage) <= *rows);
        return Err(ProfileError::TooFew { rows, coverage, needed: needed.unwrap_or(usize::MAX) });
    }
    residuals.sort_by(f64::total_cmp);
    Ok(Calibration::Interval { rows: rows as u64, coverage, half_width: residuals[rank - 1] })
}

/// ⌈(n+1)·coverage⌉, computed so that 0.9 × 10 is 9 and not a hair more.
fn rank(rows: usize, coverage: f64) -> usize {
    let exact = (rows as f64 + 1.0) * coverage;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and below the row count"
    )]
    let rank = (exact - 1e-9).ceil().max(1.0) as usize;
    rank
}
