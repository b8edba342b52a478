//! Samples keep the axioms exactly, their budget always, and the truth within their stated errors.

use proptest::{prelude::*, test_runner::RngSeed};

use super::*;
use crate::explain::tests::shapley;

const FEATURES: usize = 5;

/// A function with interactions of two and three features; the last feature has no influence.
fn output(weights: &[f64], row: &[f64]) -> f64 {
    let [a, b, c, d, _] = row else { panic!("five features") };
    let [i, j, k, l, m] = weights else { panic!("five weights") };
    i * a + j * b * c + k * a * b * d + l * (c + d).tanh() + m * d * d
}

#[derive(Debug)]
struct World {
    weights: Vec<f64>,
    x: Vec<f64>,
    background: Vec<Vec<f64>>,
}

impl World {
    fn mixed(&self, row: usize, from_x: &[bool]) -> f64 {
        let pick = |index: usize| if from_x[index] { self.x[index] } else { self.background[row][index] };
        output(&self.weights, &(0..FEATURES).map(pick).collect::<Vec<_>>())
    }

    fn sample(&self, evaluations: usize, batch: usize, seed: u64) -> (Sample, usize) {
        let said: Vec<f64> = self.background.iter().map(|row| output(&self.weights, row)).collect();
        let base = said.iter().sum::<f64>() / said.len() as f64;
        let game =
            Game { features: FEATURES, output: output(&self.weights, &self.x), background: &said, base };
        let mut largest = 0;
        let sample = sample(&game, evaluations, batch, &mut Random::new(seed), |mixtures| {
            largest = largest.max(mixtures.len());
            Ok::<_, ()>(mixtures.iter().map(|m| self.mixed(m.background_row, m.from_x)).collect())
        });
        let sample = sample.unwrap();
        let missing = game.output - base - sample.attributions.iter().sum::<f64>();
        assert!(missing.abs() < 1e-9, "attributions miss their sum by {missing}");
        (sample, largest)
    }

    fn truth(&self) -> Vec<f64> {
        let rows = self.background.len();
        shapley(FEATURES, |from_x| (0..rows).map(|row| self.mixed(row, from_x)).sum::<f64>() / rows as f64)
    }
}

fn world() -> impl Strategy<Value = World> {
    let row = || prop::collection::vec(-2.0..2.0_f64, FEATURES);
    let weights = prop::collection::vec(-1.0..1.0_f64, FEATURES);
    (weights, row(), prop::collection::vec(row(), 1..12)).prop_map(|(weights, x, background)| World {
        weights,
        x,
        background,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(5), cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn samples_are_near_the_truth_and_say_how_near(world in world(), seed in any::<u64>()) {
        let truth = world.truth();
        let (sample, _) = world.sample(4_000, 100, seed);
        for ((found, error), expect) in sample.attributions.iter().zip(&sample.errors).zip(&truth) {
            // 500 pairs: five standard errors are passed once in two million.
            prop_assert!((found - expect).abs() <= 5.0 * error + 1e-9, "{} ± {}: {}", found, error, expect);
        }
        prop_assert_eq!((sample.attributions[FEATURES - 1], sample.errors[FEATURES - 1]), (0.0, 0.0));
    }

    #[test]
    fn a_budget_is_kept_and_a_seed_repeats(world in world(), evaluations in 0..200_usize, batch in 1..50_usize) {
        let (sample, largest) = world.sample(evaluations, batch, 1);
        prop_assert!(sample.evaluations <= evaluations.max(least(FEATURES)));
        prop_assert!(largest <= batch.max(pair(FEATURES)));
        let (again, _) = world.sample(evaluations, 1_000, 1);
        prop_assert_eq!(sample.attributions, again.attributions);
    }
}

/// How far samples scatter about the truth, and how far they say so, for each feature with influence.
fn scatter(rows: usize) -> Vec<(f64, f64)> {
    let cell = |row: usize, feature: usize| ((row * 37 + feature * 53) % 101) as f64 / 25.0 - 2.0;
    let world = World {
        weights: vec![0.3, -0.8, 0.5, 0.9, -0.2],
        x: vec![1.0, 2.0, -1.5, 0.5, 1.0],
        background: (0..rows).map(|row| (0..FEATURES).map(|feature| cell(row, feature)).collect()).collect(),
    };
    let truth = world.truth();
    let samples: Vec<Sample> = (0..400).map(|seed| world.sample(320, 100, seed).0).collect();
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / samples.len() as f64;
    let of = |feature: usize| {
        let square = |sample: &Sample| (sample.attributions[feature] - truth[feature]).powi(2);
        (mean(&square).sqrt(), mean(&|sample| sample.errors[feature]))
    };
    (0..FEATURES - 1).map(of).collect()
}

#[test]
fn stated_errors_are_what_samples_scatter_by() {
    // 40 pairs of 400 rows: almost as if each was drawn by itself.
    for (scatter, stated) in scatter(400) {
        assert!((0.85..1.25).contains(&(stated / scatter)), "{scatter} {stated}");
    }
    // Of ten rows each was drawn four times, which is better than the samples know.
    for (scatter, stated) in scatter(10) {
        assert!(scatter <= stated, "{scatter} {stated}");
    }
}

#[test]
fn one_feature_takes_all_and_needs_no_evaluation() {
    let background = [1.0, 2.0, 6.0];
    let game = Game { features: 1, output: 5.0, background: &background, base: 3.0 };
    let sample = sample(&game, 100, 10, &mut Random::new(0), |_| Err::<Vec<f64>, _>("asked"));
    let sample = sample.unwrap();
    assert_eq!((sample.attributions, sample.evaluations), (vec![2.0], 0));
}
