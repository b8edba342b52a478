//! Confidence of one row: calibrated class probabilities.

/// How far from 1 the probabilities of a row may sum: FP16 outputs of a thousand classes come this far off, scores
/// that are no probabilities do not come this near.
const SUM_TOLERANCE: f64 = 1e-3;

/// How far below 0 rounding may take a probability.
const NEGATIVE_TOLERANCE: f64 = 1e-6;

/// Whether the values of a row are probabilities of classes that exclude each other.
pub(super) fn is_distribution(row: &[f64]) -> bool {
    // NaN fails the comparison; infinities fail the sum.
    let sum: f64 = row.iter().sum();
    row.iter().all(|probability| *probability >= -NEGATIVE_TOLERANCE) && (sum - 1.0).abs() <= SUM_TOLERANCE
}

/// Index and value of the largest of a row's scores, the first of equal ones; `None` unless all are finite.
pub(super) fn largest(row: &[f64]) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for (index, score) in row.iter().enumerate() {
        if !score.is_finite() {
            return None;
        }
        if best.is_none_or(|(_, most)| *score > most) {
            best = Some((index, *score));
        }
    }
    best
}

/// The probability of one class after temperature scaling, p_i^(1/T) / Σ p_j^(1/T): Guo, Pleiss, Sun and Weinberger,
/// "On Calibration of Modern Neural Networks" (2017), section 4.2, on logits ln p. `None` if T is not positive.
///
/// `most` is the largest of the probabilities. Dividing by it first keeps the powers between 0 and 1 with one of them
/// 1, so that no temperature makes the sum vanish or overflow.
pub(super) fn calibrated(probabilities: &[f64], class: usize, most: f64, temperature: f64) -> Option<f64> {
    let chosen = probabilities.get(class)?.max(0.0);
    if temperature == 1.0 {
        return Some(chosen.min(1.0));
    }
    if !(temperature > 0.0 && temperature.is_finite() && most > 0.0) {
        return None;
    }
    let scaled = |probability: f64| (probability.max(0.0) / most).powf(temperature.recip());
    let sum: f64 = probabilities.iter().map(|probability| scaled(*probability)).sum();
    Some(scaled(chosen) / sum).filter(|confidence| confidence.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::RngSeed};

    use super::*;

    fn check(row: &[f64], temperature: f64, expect: Option<(usize, f64)>) {
        let found = largest(row)
            .filter(|_| is_distribution(row))
            .and_then(|(class, most)| Some((class, calibrated(row, class, most, temperature)?)))
            .map(|(class, confidence)| (class, (confidence * 1e9).round() / 1e9));
        assert_eq!(found, expect, "{row:?} at {temperature}");
    }

    #[test]
    fn the_largest_probability_wins() {
        check(&[0.2, 0.8], 1.0, Some((1, 0.8)));
        check(&[0.5, 0.5], 1.0, Some((0, 0.5)));
        check(&[1.0], 1.0, Some((0, 1.0)));
        check(&[-1e-7, 1.000_000_1], 1.0, Some((1, 1.0)));
    }

    #[test]
    fn temperature_flattens_or_sharpens() {
        // 0.8² / (0.8² + 0.2²), and the square roots.
        check(&[0.2, 0.8], 0.5, Some((1, 0.941_176_471)));
        check(&[0.2, 0.8], 2.0, Some((1, 0.666_666_667)));
        check(&[0.0, 1.0], 1e-300, Some((1, 1.0)));
        check(&[1e-300, 1.0], 1e3, Some((1, 0.666_139_425)));
    }

    #[test]
    fn what_is_no_distribution_has_no_confidence() {
        for row in [
            &[][..],
            &[0.5, 0.4],
            &[2.3, -1.3],
            &[f64::NAN, 1.0],
            &[f64::INFINITY, 0.0],
            &[f64::INFINITY, f64::NEG_INFINITY],
            &[1.002],
            &[0.0, 0.0],
        ] {
            check(row, 1.0, None);
        }
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            check(&[0.2, 0.8], temperature, None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

        /// The textbook form, softmax(ln p / T), with exponentials that do not vanish in this range.
        #[test]
        fn scaling_agrees_with_the_formula(
            weights in prop::collection::vec(0.01..1.0_f64, 2..12), temperature in 0.2..5.0_f64,
        ) {
            let total: f64 = weights.iter().sum();
            let row: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
            let exponentials: Vec<f64> = row.iter().map(|p| (p.ln() / temperature).exp()).collect();
            let (class, most) = largest(&row).unwrap();
            for index in 0..row.len() {
                let expect = exponentials[index] / exponentials.iter().sum::<f64>();
                let found = calibrated(&row, index, most, temperature).unwrap();
                prop_assert!((found - expect).abs() < 1e-12, "{} {}", found, expect);
                prop_assert!(index == class || row[index] <= row[class]);
            }
        }
    }
}
