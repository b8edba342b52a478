//! The verdicts of other tools, for those who move from them and want to see the same numbers first. Their bins, their limits and
//! their habits, the noisy ones included; [`super::check`] is what to stay with.

pub mod evidently;
pub mod nannyml;

use crate::stats::Sorted;

/// Bins of equal width as `numpy.histogram` fills them: each holds its lower edge, and the last its upper one as well.
pub(crate) fn histogram(sample: &Sorted, edges: &[f64]) -> Vec<f64> {
    let values = sample.values();
    let last = edges.len().saturating_sub(1);
    let upto = |(index, edge): (usize, &f64)| {
        if index == last {
            values.partition_point(|value| value <= edge)
        } else {
            values.partition_point(|value| value < edge)
        }
    };
    let places: Vec<usize> = edges.iter().enumerate().map(upto).collect();
    places.windows(2).map(|pair| if let [a, b] = pair { b.saturating_sub(*a) as f64 } else { 0.0 }).collect()
}

/// Edges of bins of equal width that are as near to a wished width as a whole number of them allows.
pub(crate) fn even_edges(min: f64, max: f64, width: f64) -> Vec<f64> {
    /// More bins than any sample that is read could fill.
    const BINS_MAX: f64 = 1e6;
    let bins = if width > 0.0 { ((max - min) / width).ceil().clamp(1.0, BINS_MAX) } else { 1.0 };
    let (low, high) = if min < max { (min, max) } else { (min - 0.5, max + 0.5) };
    let step = (high - low) / bins;
    let bins = bins as usize;
    (0..=bins).map(|i| if i == bins { high } else { low + i as f64 * step }).collect()
}
