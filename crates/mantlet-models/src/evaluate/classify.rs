//! Figures of a classifier. Definitions are those of scikit-learn, with which the tests compare.

use std::time::Instant;

use super::{
    interval::{self, Estimate, Method, share},
    rank::{self, Area},
    report::{Bin, Class, ClassFigures},
};

/// Bins of the expected calibration error: those of Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural
/// Networks" (ICML 2017).
pub(super) const BINS: usize = 15;

/// One row: what is true, and what the model made of it.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) truth: usize,
    pub(super) said: usize,
    pub(super) confidence: Option<f64>,
    pub(super) served: bool,
    /// One per class.
    pub(super) probabilities: &'a [f64],
}

impl Row<'_> {
    fn is_right(&self) -> bool {
        self.truth == self.said
    }

    pub(super) fn log_loss(&self) -> f64 {
        let probability = self.probabilities.get(self.truth).copied().unwrap_or(0.0);
        // Bounded as scikit-learn bounds them: a single impossible truth must not make the mean infinite.
        -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    }

    /// The squared error of the second of two classes, or summed over more (Brier 1950).
    pub(super) fn brier(&self) -> f64 {
        let error = |(class, probability): (usize, &f64)| {
            (probability - f64::from(u8::from(class == self.truth))).powi(2)
        };
        match self.probabilities {
            [_, second] => error((1, second)),
            all => all.iter().enumerate().map(error).sum(),
        }
    }
}

/// Rows of one model.
pub(super) struct Rows<'a> {
    pub(super) rows: Vec<Row<'a>>,
    pub(super) classes: usize,
    /// Whether the scores are probabilities, of which losses can be taken.
    pub(super) are_probabilities: bool,
    /// When nobody waits any longer.
    pub(super) ends: Option<Instant>,
}

/// What is resampled, in this order, before the F1 of each class.
const RESAMPLED: usize = 3;

/// Classes up to which there is a confusion matrix; it grows with their square.
const CONFUSED_MAX: usize = 128;

impl Rows<'_> {
    /// The figures of these rows and the F1 score of every class; `None` of no rows.
    pub(super) fn figures(&self) -> Option<(ClassFigures, Vec<Option<Estimate>>)> {
        let right = self.rows.iter().filter(|row| row.is_right()).count();
        let accuracy = share(right, self.rows.len())?;
        let resampled = self.resampled();
        let estimate = |value: f64, at: usize| {
            Estimate::with(value, resampled.get(at).copied().flatten(), Method::Bootstrap)
        };
        let mean = |loss: &dyn Fn(&Row<'_>) -> f64, at| {
            let sum: f64 = self.rows.iter().map(loss).sum();
            self.are_probabilities.then(|| estimate(sum / self.rows.len() as f64, at))
        };
        let scores = self.f1(self.rows.iter());
        let f1 = scores
            .iter()
            .enumerate()
            .map(|(class, value)| value.is_finite().then(|| estimate(*value, RESAMPLED + class)));
        let figures = ClassFigures {
            accuracy,
            roc_auc: self.area(),
            log_loss: mean(&|row| row.log_loss(), 0),
            brier: mean(&|row| row.brier(), 1),
            ece: Some(self.ece(self.rows.iter())).filter(|ece| ece.is_finite()).map(|ece| estimate(ece, 2)),
        };
        Some((figures, f1.collect()))
    }

    fn resampled(&self) -> Vec<Option<(f64, f64)>> {
        let losses: Vec<(f64, f64)> = self.rows.iter().map(|row| (row.log_loss(), row.brier())).collect();
        interval::bootstrap(self.rows.len(), RESAMPLED + self.classes, self.ends, |drawn, out| {
            let count = drawn.len() as f64;
            let rows = || drawn.iter().filter_map(|index| self.rows.get(*index));
            let sums = drawn.iter().filter_map(|index| losses.get(*index));
            let (log_loss, brier) = sums.fold((0.0, 0.0), |sums, loss| (sums.0 + loss.0, sums.1 + loss.1));
            let f1 = self.f1(rows());
            let values = [log_loss / count, brier / count, self.ece(rows())].into_iter().chain(f1);
            out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
        })
    }

    /// The area for two classes, or the mean of each class's against all others; absent if a class is.
    fn area(&self) -> Option<Estimate> {
        if self.classes == 2 {
            return self.area_of(1).map(|area| area.estimate());
        }
        rank::macro_area(&(0..self.classes).map(|class| self.area_of(class)).collect::<Option<Vec<_>>>()?)
    }

    fn area_of(&self, class: usize) -> Option<Area> {
        Area::of(&self.scores(class), self.is(class))
    }

    fn scores(&self, class: usize) -> Vec<f64> {
        self.rows.iter().map(|row| row.probabilities.get(class).copied().unwrap_or(f64::NAN)).collect()
    }

    fn is(&self, class: usize) -> Vec<bool> {
        self.rows.iter().map(|row| row.truth == class).collect()
    }

    /// The ROC curve of the second of two classes.
    pub(super) fn roc(&self) -> Vec<(f64, f64)> {
        if self.classes == 2 { rank::curve(&self.scores(1), &self.is(1)) } else { Vec::new() }
    }

    /// 2 TP / (2 TP + FP + FN) of every class; NaN for one that is neither true nor said.
    fn f1<'b>(&self, rows: impl Iterator<Item = &'b Row<'b>>) -> Vec<f64> {
        // True positives, and twice them with false positives and negatives.
        let mut counts = vec![(0.0, 0.0); self.classes];
        for row in rows {
            for class in [row.truth, row.said] {
                if let Some(count) = counts.get_mut(class) {
                    count.0 += f64::from(u8::from(row.is_right()));
                    count.1 += 1.0;
                }
            }
        }
        counts.into_iter().map(|(right, all)| right / all).collect()
    }

    /// Σ over bins of their share of rows × |mean confidence − share that is right|; NaN if a row has no confidence.
    fn ece<'b>(&self, rows: impl Iterator<Item = &'b Row<'b>>) -> f64 {
        let (bins, count) = binned(rows);
        bins.iter().map(|bin| (bin.confidence - bin.right).abs()).sum::<f64>() / count
    }

    /// The bins of the calibration error that hold a row.
    pub(super) fn reliability(&self) -> Vec<Bin> {
        let (bins, count) = binned(self.rows.iter());
        if !count.is_finite() {
            return Vec::new();
        }
        let bin = |(index, bin): (usize, &Binned)| Bin {
            low: index as f64 / BINS as f64,
            high: (index + 1) as f64 / BINS as f64,
            rows: bin.rows,
            confidence: bin.confidence / bin.rows as f64,
            accuracy: bin.right / bin.rows as f64,
        };
        bins.iter().enumerate().filter(|(_, bin)| bin.rows > 0).map(bin).collect()
    }

    /// Rows by true class and by answer; nothing for more classes than [`CONFUSED_MAX`].
    pub(super) fn confusion(&self) -> Vec<Vec<usize>> {
        if self.classes > CONFUSED_MAX {
            return Vec::new();
        }
        let mut counts = vec![vec![0; self.classes]; self.classes];
        for row in &self.rows {
            if let Some(count) = counts.get_mut(row.truth).and_then(|said| said.get_mut(row.said)) {
                *count += 1;
            }
        }
        counts
    }

    /// Class by class.
    pub(super) fn classes(&self, labels: &[String], f1: Vec<Option<Estimate>>) -> Vec<Class> {
        let class = |(class, (label, f1)): (usize, (&String, Option<Estimate>))| {
            let count = |is: &dyn Fn(&Row<'_>) -> bool| self.rows.iter().filter(|row| is(row)).count();
            let support = count(&|row| row.truth == class);
            let found = count(&|row| row.truth == class && row.is_right());
            Class {
                label: label.clone(),
                support,
                precision: share(found, count(&|row| row.said == class)),
                recall: share(found, support),
                f1,
                roc_auc: self.area_of(class).map(|area| area.estimate()),
            }
        };
        labels.iter().zip(f1).enumerate().map(class).collect()
    }

    /// How many rows are served, and how many of these are right.
    pub(super) fn served(&self) -> (usize, usize) {
        let served = || self.rows.iter().filter(|row| row.served);
        (served().count(), served().filter(|row| row.is_right()).count())
    }
}

/// Sums over the rows of a bin.
#[derive(Clone, Copy, Default)]
struct Binned {
    rows: usize,
    confidence: f64,
    right: f64,
}

/// Rows by confidence, in bins closed above, and their number; NaN if one of them has no confidence.
fn binned<'b>(rows: impl Iterator<Item = &'b Row<'b>>) -> ([Binned; BINS], f64) {
    let mut bins = [Binned::default(); BINS];
    let mut count = 0.0;
    for row in rows {
        let Some(confidence) = row.confidence else { return (bins, f64::NAN) };
        if let Some(bin) = bins.get_mut(bin(confidence)) {
            bin.rows += 1;
            bin.confidence += confidence;
            bin.right += f64::from(u8::from(row.is_right()));
        }
        count += 1.0;
    }
    (bins, count)
}

/// The bin of a confidence.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a confidence is 0 to 1, and what is outside saturates"
)]
pub(super) fn bin(confidence: f64) -> usize {
    ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
}
