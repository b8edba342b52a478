//! Figures of a detector: recall at a fixed share of false alarms, intervals, area under the curve.

use serde::Serialize;

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, Serialize, PartialEq)]
pub(super) struct Share {
    /// How many.
    pub hits: usize,
    /// Of how many.
    pub of: usize,
    /// The share.
    pub share: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl Share {
    /// Wilson's score interval (Wilson 1927): unlike the usual one it is honest near 0 and 1 and for few rows.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of rows of a file")]
    pub(super) fn new(hits: usize, of: usize) -> Self {
        const Z: f64 = 1.959_963_985;
        let n = of.max(1) as f64;
        let share = hits as f64 / n;
        let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let (low, high) =
            if of == 0 { (0.0, 1.0) } else { ((middle - half).max(0.0), (middle + half).min(1.0)) };
        Self { hits, of, share, low, high }
    }
}

/// The least score that at most this share of benign scores reach. Texts that reach it are flagged. With no benign scores
/// nothing can be said, and nothing is flagged.
#[must_use]
pub(super) fn threshold(benign: &[f32], fpr: f64) -> f32 {
    let mut falling = benign.to_vec();
    falling.sort_by(|left, right| right.total_cmp(left));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a count"
    )]
    let flagged = (falling.len() as f64 * fpr) as usize;
    // The first score that must not be flagged; what is above it may be.
    falling.get(flagged).map_or(f32::INFINITY, |score| score.next_up())
}

/// The probability that an attack scores higher than a benign text, half where they are equal (Mann and Whitney 1947).
/// `None` without texts of both kinds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of rows of a file")]
pub(super) fn auc(attacks: &[f32], benign: &[f32]) -> Option<f64> {
    if attacks.is_empty() || benign.is_empty() {
        return None;
    }
    let mut sorted = benign.to_vec();
    sorted.sort_by(f32::total_cmp);
    let wins: f64 = attacks
        .iter()
        .map(|score| {
            let below = sorted.partition_point(|other| other < score);
            let equal = sorted.partition_point(|other| other <= score) - below;
            below as f64 + equal as f64 / 2.0
        })
        .sum();
    Some(wins / attacks.len() as f64 / benign.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_literature() {
        // Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let share = Share::new(hits, of);
            assert!((share.low - low).abs() < 5e-5 && (share.high - high).abs() < 5e-5, "{share:?}");
        }
    }

    #[test]
    fn no_more_than_the_share_is_flagged_even_where_scores_are_equal() {
        let benign: Vec<f32> = (0..200_u8).map(|n| f32::from(n / 2)).collect();
        for fpr in [0.0, 0.01, 0.1, 0.5] {
            let limit = threshold(&benign, fpr);
            let flagged = benign.iter().filter(|score| **score >= limit).count();
            assert!(flagged as f64 <= 200.0 * fpr, "{fpr}: {flagged}");
        }
        assert_eq!(benign.iter().filter(|score| **score >= threshold(&benign, 0.01)).count(), 2);
        assert_eq!(threshold(&[], 0.01), f32::INFINITY);
    }

    #[test]
    fn areas_count_equals_half() {
        assert_eq!(auc(&[1.0, 0.5], &[0.0, 0.5]), Some(0.875));
        assert_eq!(auc(&[], &[0.0]), None);
    }
}
