//! How well scores order the rows: the area under the ROC curve, its variance, and the curve.

use super::interval::{Estimate, Method, Z};

/// Points of a curve that is drawn; more are not seen.
const POINTS_MAX: usize = 200;

/// An AUC and what each row contributes to it.
///
/// The structural components of DeLong, DeLong and Clarke-Pearson, "Comparing the Areas under Two or More Correlated
/// Receiver Operating Characteristic Curves" (Biometrics 1988), computed from midranks in O(n log n) as Sun and Xu show
/// ("Fast Implementation of DeLong's Algorithm", IEEE Signal Processing Letters 2014).
pub(super) struct Area {
    /// The share of pairs of a positive and a negative row that the scores put in the right order; a tie counts half.
    pub(super) value: f64,
    /// For each row: the share of rows of the other kind that it stands on the right side of.
    components: Vec<f64>,
    is_positive: Vec<bool>,
    positives: usize,
}

impl Area {
    /// The area under the curve of `scores`; `None` unless there are rows of both kinds and all scores are numbers.
    pub(super) fn of(scores: &[f64], is_positive: Vec<bool>) -> Option<Self> {
        let positives = is_positive.iter().filter(|positive| **positive).count();
        let negatives = is_positive.len().checked_sub(positives)?;
        if positives == 0 || negatives == 0 || scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        let all = midranks(scores, |_| true);
        let own_positive = midranks(scores, |row| is_positive[row]);
        let own_negative = midranks(scores, |row| !is_positive[row]);
        let component = |row: usize| {
            if is_positive[row] {
                (all[row] - own_positive[row]) / negatives as f64
            } else {
                1.0 - (all[row] - own_negative[row]) / positives as f64
            }
        };
        let components: Vec<f64> = (0..scores.len()).map(component).collect();
        let of_positives = components.iter().zip(&is_positive).filter(|(_, positive)| **positive);
        let value = of_positives.map(|(component, _)| component).sum::<f64>() / positives as f64;
        Some(Self { value, components, is_positive, positives })
    }

    /// DeLong's interval: value ± z √(S₁₀/m + S₀₁/n), cut to 0 and 1. Absent where it would have no width: a perfect order
    /// of few rows is not certain to stay perfect, and the variance does not know that; nor does a single row have one.
    pub(super) fn estimate(&self) -> Estimate {
        let variance =
            self.spread(true) / self.positives as f64 + self.spread(false) / self.negatives() as f64;
        ends(self.value, variance, Method::Delong)
    }

    fn negatives(&self) -> usize {
        self.components.len() - self.positives
    }

    /// Whether there are enough rows of both kinds to have a variance.
    fn varies(&self) -> bool {
        self.positives >= 2 && self.negatives() >= 2
    }

    /// The sample variance of the components of one kind; NaN of a single row.
    fn spread(&self, positive: bool) -> f64 {
        let own = || self.components.iter().zip(&self.is_positive).filter(move |(_, is)| **is == positive);
        let count = own().count();
        own().map(|(component, _)| (component - self.value).powi(2)).sum::<f64>() / (count as f64 - 1.0)
    }

    /// How far one row moves the area from where it is.
    fn influence(&self, row: usize) -> f64 {
        let count = if self.is_positive[row] { self.positives } else { self.negatives() };
        (self.components[row] - self.value) / count as f64
    }
}

/// The mean of several classes' areas over the same rows, with an interval that knows that they are the same rows.
pub(super) fn macro_area(areas: &[Area]) -> Option<Estimate> {
    let classes = areas.len() as f64;
    let rows = areas.first()?.components.len();
    let value = areas.iter().map(|area| area.value).sum::<f64>() / classes;
    let moved = |row: usize| areas.iter().map(|area| area.influence(row)).sum::<f64>() / classes;
    let variance = (0..rows).map(|row| moved(row).powi(2)).sum::<f64>();
    let variance = if areas.iter().all(Area::varies) { variance } else { f64::NAN };
    Some(ends(value, variance, Method::StructuralComponents))
}

fn ends(value: f64, variance: f64, method: Method) -> Estimate {
    // Rounding leaves some 10⁻³³ of a variance that is zero.
    let half = Z * variance.sqrt();
    let ends = (half > 1e-12).then(|| ((value - half).max(0.0), (value + half).min(1.0)));
    Estimate::with(value, ends, method)
}

/// Ranks among the rows that belong, counted from 1; equal scores share the middle of theirs. Others have 0.
fn midranks(scores: &[f64], belongs: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).filter(|row| belongs(*row)).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut start = 0;
    while start < order.len() {
        let score = scores[order[start]];
        // Not by total order: −0 and 0 are one score.
        let length = order[start..].iter().take_while(|row| scores[**row] == score).count().max(1);
        let middle = start as f64 + (length as f64 + 1.0) / 2.0;
        order[start..start + length].iter().for_each(|row| ranks[*row] = middle);
        start += length;
    }
    ranks
}

/// The ROC curve as (false positive rate, true positive rate) from (0, 0) to (1, 1), thinned for drawing.
pub(super) fn curve(scores: &[f64], is_positive: &[bool]) -> Vec<(f64, f64)> {
    let positives = is_positive.iter().filter(|positive| **positive).count();
    let negatives = is_positive.len() - positives;
    if positives == 0 || negatives == 0 || scores.iter().any(|score| score.is_nan()) {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut right, mut wrong) = (0_usize, 0_usize);
    let mut points = vec![(0.0, 0.0)];
    for (place, row) in order.iter().enumerate() {
        if is_positive[*row] {
            right += 1;
        } else {
            wrong += 1;
        }
        let next = order.get(place + 1).map(|next| scores[*next]);
        if next != Some(scores[*row]) {
            points.push((wrong as f64 / negatives as f64, right as f64 / positives as f64));
        }
    }
    thin(points)
}

fn thin(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= POINTS_MAX {
        return points;
    }
    let last = points.len() - 1;
    (0..POINTS_MAX).filter_map(|place| points.get(place * last / (POINTS_MAX - 1)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Every pair, one after another.
    fn by_pairs(scores: &[f64], is_positive: &[bool]) -> f64 {
        let rows = |kind: bool| (0..scores.len()).filter(move |row| is_positive[*row] == kind);
        let mut pairs = Vec::new();
        for positive in rows(true) {
            for negative in rows(false) {
                pairs.push(match scores[positive].partial_cmp(&scores[negative]).unwrap() {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                });
            }
        }
        pairs.iter().sum::<f64>() / pairs.len() as f64
    }

    /// DeLong's variance by his definition: means over pairs, kernel by kernel.
    fn variance_by_pairs(scores: &[f64], is_positive: &[bool]) -> f64 {
        let rows = |kind: bool| -> Vec<usize> {
            (0..scores.len()).filter(|row| is_positive[*row] == kind).collect()
        };
        let kernel = |a: f64, b: f64| {
            if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            }
        };
        let (xs, ys) = (rows(true), rows(false));
        let area = by_pairs(scores, is_positive);
        let v10: Vec<f64> = xs
            .iter()
            .map(|x| ys.iter().map(|y| kernel(scores[*x], scores[*y])).sum::<f64>() / ys.len() as f64)
            .collect();
        let v01: Vec<f64> = ys
            .iter()
            .map(|y| xs.iter().map(|x| kernel(scores[*x], scores[*y])).sum::<f64>() / xs.len() as f64)
            .collect();
        let s = |v: &[f64]| v.iter().map(|v| (v - area).powi(2)).sum::<f64>() / (v.len() - 1) as f64;
        s(&v10) / xs.len() as f64 + s(&v01) / ys.len() as f64
    }

    fn sample(seed: u64, rows: usize, levels: usize) -> (Vec<f64>, Vec<bool>) {
        let mut draws = Random::new(seed);
        let mut row = || {
            let is_positive = draws.below(3) == 0;
            let score = (draws.below(levels) + usize::from(is_positive) * levels / 4) as f64 / levels as f64;
            (score, is_positive)
        };
        (0..rows).map(|_| row()).unzip()
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order_and_its_variance_that_of_the_paper() {
        for (seed, rows, levels) in [(1, 40, 5), (2, 60, 1_000), (3, 200, 17), (9, 30, 3)] {
            let (scores, is_positive) = sample(seed, rows, levels);
            let area = Area::of(&scores, is_positive.clone()).unwrap();
            assert!((area.value - by_pairs(&scores, &is_positive)).abs() < 1e-12);
            let half = Z * variance_by_pairs(&scores, &is_positive).sqrt();
            let interval = area.estimate().interval.unwrap();
            assert!((interval.low - (area.value - half).max(0.0)).abs() < 1e-12);
            assert!((interval.high - (area.value + half).min(1.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn the_curve_encloses_the_area() {
        for (seed, rows, levels) in [(5, 50, 6), (6, 120, 100_000)] {
            let (scores, is_positive) = sample(seed, rows, levels);
            let points = curve(&scores, &is_positive);
            assert_eq!((points[0], *points.last().unwrap()), ((0.0, 0.0), (1.0, 1.0)));
            let trapezoids =
                points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * f64::midpoint(pair[0].1, pair[1].1));
            let area = Area::of(&scores, is_positive).unwrap();
            assert!((trapezoids.sum::<f64>() - area.value).abs() < 1e-12);
        }
        let (scores, is_positive) = sample(7, 5_000, 100_000);
        let points = curve(&scores, &is_positive);
        assert!(points.len() <= POINTS_MAX && points.is_sorted());
    }

    #[test]
    fn two_classes_as_a_macro_are_hardly_another_interval() {
        let (scores, is_positive) = sample(8, 300, 1_000);
        let mirrored: Vec<f64> = scores.iter().map(|score| 1.0 - score).collect();
        let other: Vec<bool> = is_positive.iter().map(|positive| !positive).collect();
        let one = Area::of(&scores, is_positive).unwrap();
        let delong = one.estimate();
        let both = macro_area(&[one, Area::of(&mirrored, other).unwrap()]).unwrap();
        assert!((both.value - delong.value).abs() < 1e-12);
        let (a, b) = (both.interval.unwrap(), delong.interval.unwrap());
        assert!((a.low - b.low).abs() < 1e-3 && (a.high - b.high).abs() < 1e-3, "{a:?} {b:?}");
    }

    #[test]
    fn what_has_no_order_has_no_area() {
        assert!(Area::of(&[0.1, 0.2], vec![true, true]).is_none());
        assert!(Area::of(&[0.1, f64::NAN], vec![true, false]).is_none());
        assert!(curve(&[0.1, 0.2], &[false, false]).is_empty());
        let single = Area::of(&[0.1, 0.2, 0.3], vec![false, true, false]).unwrap().estimate();
        assert_eq!(single, Estimate { value: 0.5, interval: None });
        let perfect = Area::of(&[0.9, 0.8, 0.1], vec![true, true, false]).unwrap().estimate();
        assert_eq!(perfect, Estimate { value: 1.0, interval: None });
    }
}
