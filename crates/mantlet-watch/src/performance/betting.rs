//! Tests by betting: wealth that nobody can expect to grow while a hypothesis holds. It may be looked at after every observation: that it ever reaches
//! 1/alpha has a probability of at most alpha (Ville 1939; Vovk et al. 2005 for p-values, Waudby-Smith and Ramdas 2024 for bounded means).

use serde::{Deserialize, Serialize};

/// Exponents of the power bets against uniform p-values.
const POWERS: [f64; 4] = [0.1, 0.25, 0.5, 0.75];
/// Rates that bets against an event's rate lay on.
const RATES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.95];
/// A p-value below this counts as this: a power bet on zero would win everything at once. It only lowers the wealth.
const P_MIN: f64 = 1e-6;

/// The logarithm of a mean, given as logarithms.
fn log_mean(logs: &[f64]) -> f64 {
    let max = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + (logs.iter().map(|log| (log - max).exp()).sum::<f64>() / logs.len() as f64).ln()
}

/// Wealth laid in equal parts on several bets; the logarithm of each part is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixture<const N: usize> {
    #[serde(with = "parts")]
    logs: [f64; N],
}

/// Arrays of any length in the serial form.
mod parts {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<const N: usize, S: Serializer>(
        logs: &[f64; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        logs.as_slice().serialize(to)
    }

    pub(super) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[f64; N], D::Error> {
        let logs = Vec::<f64>::deserialize(from)?;
        let logs: [f64; N] = logs.try_into().map_err(|_| D::Error::custom("another number of bets"))?;
        if logs.iter().all(|log| log.is_finite()) {
            Ok(logs)
        } else {
            Err(D::Error::custom("a bet is not finite"))
        }
    }
}

impl<const N: usize> Default for Mixture<N> {
    fn default() -> Self {
        Self { logs: [0.0; N] }
    }
}

impl<const N: usize> Mixture<N> {
    /// The logarithm of the wealth, which was 0 at the start.
    #[must_use]
    pub fn log_wealth(&self) -> f64 {
        log_mean(&self.logs)
    }

    fn multiply(&mut self, factors: impl IntoIterator<Item = f64>) {
        for (log, factor) in self.logs.iter_mut().zip(factors) {
            *log += factor;
        }
    }
}

/// Bets that p-values are not uniform: small ones, and on the other side large ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UniformBet {
    small: Mixture<4>,
    large: Mixture<4>,
}

impl UniformBet {
    /// Takes a p-value; what is none is taken for the most likely one, 1 on either side, which wins nothing.
    pub fn observe(&mut self, p: f64) {
        let p = if p.is_nan() { 0.5 } else { p.clamp(0.0, 1.0) };
        let power = |p: f64| POWERS.map(|power| power.ln() + (power - 1.0) * p.max(P_MIN).ln());
        self.small.multiply(power(p));
        self.large.multiply(power(1.0 - p));
    }

    /// The logarithm of the wealth of the bet on small p-values.
    #[must_use]
    pub fn log_wealth(&self) -> f64 {
        self.small.log_wealth()
    }

    /// The same, half of it laid on large ones.
    #[must_use]
    pub fn log_wealth_two_sided(&self) -> f64 {
        log_mean(&[self.small.log_wealth(), self.large.log_wealth()])
    }
}

/// Bets that an event is more frequent than tolerated: on each of a few rates above it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BernoulliBet {
    tolerated: f64,
    wealth: Mixture<5>,
}

impl BernoulliBet {
    /// Bets against a rate; `None` if it is not within (0, 0.6), above which no bet is left.
    #[must_use]
    pub fn new(tolerated: f64) -> Option<Self> {
        (tolerated > 0.0 && tolerated < 0.6).then(|| Self { tolerated, wealth: Mixture::default() })
    }

    /// Takes an observation. Of rates that are not half as high again as the tolerated one nothing could be won in time, so what would be laid on
    /// them is laid on the others.
    pub fn observe(&mut self, is_event: bool) {
        let p = self.tolerated;
        self.wealth.multiply(RATES.map(|q| match (q > 1.5 * p, is_event) {
            (true, true) => (q / p).ln(),
            (true, false) => ((1.0 - q) / (1.0 - p)).ln(),
            (false, _) => 0.0,
        }));
    }

    /// The logarithm of the wealth.
    #[must_use]
    pub fn log_wealth(&self) -> f64 {
        let mut laid = [0.0; RATES.len()];
        let mut count = 0;
        for (log, _) in self.wealth.logs.iter().zip(RATES).filter(|(_, q)| *q > 1.5 * self.tolerated) {
            if let Some(slot) = laid.get_mut(count) {
                *slot = *log;
            }
            count += 1;
        }
        log_mean(laid.get(..count).unwrap_or_default())
    }
}

/// Watches the error rate as labels come, from reviews or an upload, in any order that does not depend on the errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRate {
    bet: BernoulliBet,
    seen: u64,
    errors: u64,
}

impl ErrorRate {
    /// Watches whether errors are more frequent than `tolerated`; `None` if that is not within (0, 0.6).
    #[must_use]
    pub fn new(tolerated: f64) -> Option<Self> {
        BernoulliBet::new(tolerated).map(|bet| Self { bet, seen: 0, errors: 0 })
    }

    /// Takes an answer's truth.
    pub fn observe(&mut self, is_error: bool) {
        self.seen = self.seen.saturating_add(1);
        self.errors = self.errors.saturating_add(u64::from(is_error));
        self.bet.observe(is_error);
    }

    /// Whether the rate is above the tolerated one: a false alarm, at any time, has a probability of at most `alpha`.
    #[must_use]
    pub fn is_alarm(&self, alpha: f64) -> bool {
        self.bet.log_wealth() >= -alpha.ln()
    }

    /// Labels and errors so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.seen, self.errors)
    }
}
