//! Plots as inline SVG: shapes and classes only, so that the page's style decides the colors in light and in dark.

use std::fmt::Write as _;

use mantlet_models::evaluate::{Bin, Estimate};

use super::{interval, number, page::escaped};

/// Side of a square plot, and the margin that its labels take, in CSS pixels.
const SIDE: f64 = 280.0;
const MARGIN: f64 = 44.0;

/// The frame of a plot over the unit square, with its labels and the diagonal; the caller closes it.
fn frame(title: &str, horizontal: &str, vertical: &str) -> String {
    let whole = SIDE + 2.0 * MARGIN;
    let (low, high) = (MARGIN, MARGIN + SIDE);
    let mut svg = format!(
        r#"<svg viewBox="0 0 {whole} {whole}" role="img" aria-label="{0}"><title>{0}</title>"#,
        escaped(title)
    );
    let _ = write!(
        svg,
        r#"<rect class="frame" x="{low}" y="{low}" width="{SIDE}" height="{SIDE}"/><line class="diagonal" x1="{low}" y1="{high}" x2="{high}" y2="{low}"/>"#
    );
    for tick in [0.0, 0.5, 1.0] {
        let (x, y) = place(tick, tick);
        let (below, left) = (high + 18.0, low - 8.0);
        let _ = write!(svg, r#"<text x="{x}" y="{below}" text-anchor="middle">{tick}</text>"#);
        let _ = write!(svg, r#"<text x="{left}" y="{}" text-anchor="end">{tick}</text>"#, y + 4.0);
    }
    let middle = whole / 2.0;
    let _ = write!(
        svg,
        r#"<text x="{middle}" y="{}" text-anchor="middle">{}</text>"#,
        high + 36.0,
        escaped(horizontal)
    );
    let _ = write!(
        svg,
        r#"<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{}</text>"#,
        escaped(vertical)
    );
    svg
}

/// Where a point of the unit square lies.
fn place(x: f64, y: f64) -> (f64, f64) {
    let round = |value: f64| (value * 10.0).round() / 10.0;
    (round(MARGIN + x * SIDE), round(MARGIN + (1.0 - y) * SIDE))
}

/// The ROC curve.
pub(super) fn roc(points: &[(f64, f64)]) -> String {
    let mut svg = frame("ROC curve", "false positive rate", "true positive rate");
    let line: Vec<String> = points
        .iter()
        .map(|(x, y)| {
            let (x, y) = place(*x, *y);
            format!("{x},{y}")
        })
        .collect();
    let _ = write!(svg, r#"<polyline class="line" points="{}"/></svg>"#, line.join(" "));
    svg
}

/// Confidence against being right: a dot for each bin, as large as the share of rows in it.
pub(super) fn reliability(bins: &[Bin]) -> String {
    let mut svg = frame("Reliability diagram", "confidence", "share that is right");
    let rows: usize = bins.iter().map(|bin| bin.rows).sum();
    for bin in bins {
        let (x, y) = place(bin.confidence, bin.accuracy);
        let (_, on_diagonal) = place(bin.confidence, bin.confidence);
        let radius = ((bin.rows as f64 / rows.max(1) as f64).sqrt() * 16.0).max(2.5);
        let _ = write!(
            svg,
            r#"<line class="gap" x1="{x}" y1="{y}" x2="{x}" y2="{on_diagonal}"/><circle class="dot" cx="{x}" cy="{y}" r="{radius:.1}"><title>{} rows, confidence {}, right {}</title></circle>"#,
            bin.rows,
            number(bin.confidence),
            number(bin.accuracy)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// One estimate for each group, with its interval, beside that of all rows.
pub(super) fn groups(title: &str, groups: &[(&str, Estimate)], all: Estimate) -> String {
    const ROW: f64 = 24.0;
    const LABEL: f64 = 190.0;
    const WIDTH: f64 = 360.0;
    let ends = |estimate: &Estimate| {
        estimate.interval.map_or((estimate.value, estimate.value), |interval| (interval.low, interval.high))
    };
    let every = || groups.iter().map(|(_, estimate)| estimate).chain([&all]).map(ends);
    let low = every().map(|(low, _)| low).fold(f64::INFINITY, f64::min);
    let high = every().map(|(_, high)| high).fold(f64::NEG_INFINITY, f64::max);
    let range = if high > low { high - low } else { 1.0 };
    let at = |value: f64| ((LABEL + (value - low) / range * WIDTH) * 10.0).round() / 10.0;
    let (height, width) = (ROW * (groups.len() as f64 + 1.5), LABEL + WIDTH + 20.0);
    let mut svg = format!(
        r#"<svg class="wide" viewBox="0 0 {width} {height}" role="img" aria-label="{0}"><title>{0}</title>"#,
        escaped(title)
    );
    let (bottom, x) = (height - ROW, at(all.value));
    let _ = write!(svg, r#"<line class="diagonal" x1="{x}" y1="4" x2="{x}" y2="{bottom}"/>"#);
    for (index, (name, estimate)) in groups.iter().enumerate() {
        let y = ROW * (index as f64 + 0.75);
        let (from, to) = ends(estimate);
        let shown: String = name.chars().take(28).collect();
        let _ = write!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="end">{}</text><line class="line" x1="{}" y1="{y}" x2="{}" y2="{y}"/><circle class="dot" cx="{}" cy="{y}" r="4"><title>{}: {} ({})</title></circle>"#,
            LABEL - 10.0,
            y + 4.0,
            escaped(&shown),
            at(from),
            at(to),
            at(estimate.value),
            escaped(name),
            number(estimate.value),
            interval(estimate)
        );
    }
    let label = height - 6.0;
    for (value, anchor) in [(low, "start"), (high, "end")] {
        let _ = write!(
            svg,
            r#"<text x="{}" y="{label}" text-anchor="{anchor}">{}</text>"#,
            at(value),
            number(value)
        );
    }
    svg.push_str("</svg>");
    svg
}
