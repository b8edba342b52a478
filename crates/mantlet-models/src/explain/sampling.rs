//! Shapley values of anything that can be evaluated, by sampling.
//!
//! In a random order of the features, the background row b becomes x feature by feature; what the output gains with a
//! feature is one sample of its Shapley value (Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value
//! based on sampling", 2009). Each order is also walked backwards with the same b, because errors of the two cancel to a
//! large part (Mitchell et al., "Sampling Permutations for Shapley Value Estimation", 2022, on antithetic sampling).
//!
//! The gains of one walk sum to f(x) - f(b) whatever they are. The mean of f(b) over the rows drawn differs from that
//! over the whole background, which is known; each feature takes a share of the difference by its variance, as in
//! generalized least squares, so that attributions sum to f(x) - base exactly. Standard errors are those of the pairs
//! of walks after that correction.

use crate::random::Random;

/// One row to evaluate: the features that are taken from x, all others from this row of the background.
pub(crate) struct Mixture<'a> {
    pub(crate) background_row: usize,
    pub(crate) from_x: &'a [bool],
}

/// What is sampled.
pub(crate) struct Game<'a> {
    /// Number of features.
    pub(crate) features: usize,
    /// f(x).
    pub(crate) output: f64,
    /// f of each background row; at least one.
    pub(crate) background: &'a [f64],
    /// Mean of f over the background.
    pub(crate) base: f64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) attributions: Vec<f64>,
    pub(crate) errors: Vec<f64>,
    /// Evaluations that were made.
    pub(crate) evaluations: usize,
}

/// Evaluations for one order of so many features there and back.
pub(crate) const fn pair(features: usize) -> usize {
    2 * features.saturating_sub(1)
}

/// The least evaluations with which a standard error can be stated: two orders.
pub(crate) const fn least(features: usize) -> usize {
    2 * pair(features)
}

/// Samples with at most so many evaluations, but at least [`least`]; `evaluate` is asked for f of several mixtures at a
/// time, at most `batch` of them unless one pair has more.
pub(crate) fn sample<E>(
    game: &Game<'_>,
    evaluations_max: usize,
    batch: usize,
    random: &mut Random,
    mut evaluate: impl FnMut(&[Mixture<'_>]) -> Result<Vec<f64>, E>,
) -> Result<Sample, E> {
    let pairs = (evaluations_max / pair(game.features).max(1)).max(2);
    // One feature has one order: its value is known without any evaluation.
    let pairs = if game.features <= 1 { game.background.len().max(2) } else { pairs };
    let pairs_at_once = (batch / pair(game.features).max(1)).max(1);
    let mut gains = Vec::with_capacity(pairs * game.features);
    let mut deck = Deck { cards: (0..game.background.len()).collect(), at: game.background.len() };
    let mut evaluations = 0;
    for start in (0..pairs).step_by(pairs_at_once) {
        let walks: Vec<Walk> =
            (start..pairs.min(start + pairs_at_once)).map(|_| Walk::new(game, &mut deck, random)).collect();
        let mixtures: Vec<Mixture<'_>> = walks.iter().flat_map(Walk::mixtures).collect();
        let values = if mixtures.is_empty() { Vec::new() } else { evaluate(&mixtures)? };
        evaluations += values.len();
        for (index, walk) in walks.iter().enumerate() {
            let own = pair(game.features);
            let values = values.get(index * own..(index + 1) * own).unwrap_or_default();
            gains.extend(walk.gains(game, values));
        }
    }
    let (attributions, errors) = estimate(game, &gains);
    Ok(Sample { attributions, errors, evaluations })
}

/// Background rows in random order, every one once before any twice.
struct Deck {
    cards: Vec<usize>,
    at: usize,
}

impl Deck {
    fn draw(&mut self, random: &mut Random) -> usize {
        if self.at >= self.cards.len() {
            random.shuffle(&mut self.cards);
            self.at = 0;
        }
        self.at += 1;
        self.cards.get(self.at - 1).copied().unwrap_or(0)
    }
}

/// One order of the features, there and back, for one background row.
struct Walk {
    background_row: usize,
    order: Vec<usize>,
    /// Which features are from x, after each step but the last.
    steps: Vec<Vec<bool>>,
}

impl Walk {
    fn new(game: &Game<'_>, deck: &mut Deck, random: &mut Random) -> Self {
        let background_row = deck.draw(random);
        let mut order: Vec<usize> = (0..game.features).collect();
        random.shuffle(&mut order);
        let mut steps = Vec::with_capacity(pair(game.features));
        let mut walk = |order: &mut dyn Iterator<Item = &usize>| {
            let mut from_x = vec![false; game.features];
            for feature in order.take(game.features.saturating_sub(1)) {
                from_x[*feature] = true;
                steps.push(from_x.clone());
            }
        };
        walk(&mut order.iter());
        walk(&mut order.iter().rev());
        Self { background_row, order, steps }
    }

    fn mixtures(&self) -> impl Iterator<Item = Mixture<'_>> {
        self.steps.iter().map(|from_x| Mixture { background_row: self.background_row, from_x })
    }

    /// What each feature gained, on average of there and back.
    fn gains(&self, game: &Game<'_>, values: &[f64]) -> Vec<f64> {
        let mut gains = vec![0.0; game.features];
        let (there, back) = values.split_at(values.len() / 2);
        let begin = game.background.get(self.background_row).copied().unwrap_or(game.base);
        let mut add = |order: &mut dyn Iterator<Item = &usize>, values: &[f64]| {
            let mut before = begin;
            let values = values.iter().copied().chain([game.output]);
            for (feature, value) in order.zip(values) {
                gains[*feature] += (value - before) / 2.0;
                before = value;
            }
        };
        add(&mut self.order.iter(), there);
        add(&mut self.order.iter().rev(), back);
        gains
    }
}

/// Means and standard errors of the pairs' gains, corrected to sum to output - base.
fn estimate(game: &Game<'_>, gains: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let features = game.features.max(1);
    let pairs = (gains.len() / features).max(1) as f64;
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / pairs;
    let of = |feature: usize| gains.iter().skip(feature).step_by(features).copied();
    let means: Vec<f64> = (0..game.features).map(|feature| mean(&mut of(feature))).collect();
    let square = |feature: usize| mean(&mut of(feature).map(|gain| (gain - means[feature]).powi(2)));
    let variances: Vec<f64> = (0..game.features).map(square).collect();
    let shares = shares(&variances, &means);
    let whole = game.output - game.base;
    let mut corrected = Vec::with_capacity(gains.len());
    for gains in gains.chunks_exact(features) {
        let missing = whole - gains.iter().sum::<f64>();
        corrected.extend(gains.iter().zip(&shares).map(|(gain, share)| gain + share * missing));
    }
    let of = |feature: usize| corrected.iter().skip(feature).step_by(features).copied();
    let attributions: Vec<f64> = (0..game.features).map(|feature| mean(&mut of(feature))).collect();
    let error = |feature: usize| {
        let squares: f64 = of(feature).map(|gain| (gain - attributions[feature]).powi(2)).sum();
        (squares / (pairs - 1.0).max(1.0) / pairs).sqrt()
    };
    let errors = (0..game.features).map(error).collect();
    (attributions, errors)
}

/// Who takes how much of a difference: by variance; where nothing varies, those who gained anything; else everybody.
fn shares(variances: &[f64], means: &[f64]) -> Vec<f64> {
    let normal = |weights: Vec<f64>| {
        let sum: f64 = weights.iter().sum();
        (sum > 0.0 && sum.is_finite()).then(|| weights.iter().map(|weight| weight / sum).collect())
    };
    normal(variances.to_vec())
        .or_else(|| normal(means.iter().map(|mean| f64::from(u8::from(*mean != 0.0))).collect()))
        .unwrap_or_else(|| vec![1.0 / variances.len().max(1) as f64; variances.len()])
}

#[cfg(test)]
mod tests;
