//! What watching costs: `cargo bench -p mantlet-watch --bench check`.
//!
//! A full check is 20 columns of a reference of 10,000 rows against a window of 1,000: Kolmogorov-Smirnov with p-value, population stability index,
//! Jensen-Shannon, Wasserstein-1, and the correction over all columns. The goal is one millisecond.

#![expect(clippy::unwrap_used, reason = "a bench without its data has nothing to say")]

use std::sync::Arc;

use divan::{Bencher, black_box};
use mantlet_watch::{
    anomaly::{Rows, Screen, ScreenConfig},
    drift::{Cell, Monitor, Reference, Rules, Values, check},
};

fn main() {
    divan::main();
}

/// SplitMix64, and sums of twelve for something like a normal distribution.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn columns(&mut self, rows: usize) -> Vec<Values> {
        (0..20).map(|_| Values::Numbers((0..rows).map(|_| Some(self.normal())).collect())).collect()
    }
}

fn reference(draws: &mut Draws) -> Reference {
    let names: Vec<String> = (0..20).map(|at| format!("x{at}")).collect();
    let columns = draws.columns(10_000);
    Reference::new(names.iter().map(String::as_str).zip(&columns)).unwrap()
}

#[divan::bench]
fn full_check_20_columns_10000_by_1000(bencher: Bencher<'_, '_>) {
    let mut draws = Draws(1);
    let reference = reference(&mut draws);
    let window = draws.columns(1_000);
    let rules = Rules::default();
    bencher.bench(|| check(black_box(&reference), black_box(&window), &rules).unwrap());
}

/// A row of a monitored stream, its share of the looks at windows included.
#[divan::bench]
fn monitored_row_20_columns(bencher: Bencher<'_, '_>) {
    let mut draws = Draws(2);
    let reference = Arc::new(reference(&mut draws));
    let mut monitor = Monitor::new(reference, Rules::default()).unwrap();
    let row: Vec<Cell<'_>> = (0..20).map(|_| Cell::Number(draws.normal())).collect();
    bencher.bench_local(|| monitor.observe(black_box(&row), 0).unwrap());
}

/// Range, distance to classes and to neighbors of a row: the goal is 20 µs.
#[divan::bench(args = [8, 30, 64])]
fn screened_row(bencher: Bencher<'_, '_>, features: usize) {
    let mut draws = Draws(3);
    let mut rows = |count: usize| -> Vec<f64> { (0..count * features).map(|_| draws.normal()).collect() };
    let (train, calibration, row) = (rows(900), rows(400), rows(1));
    let labels: Vec<usize> = (0..900).map(|at| at % 10).collect();
    let of = |values| Rows::new(values, features).unwrap();
    let screen = Screen::fit(&of(&train), &labels, &of(&calibration), ScreenConfig::default()).unwrap();
    bencher.bench(|| screen.look(black_box(&row)));
}
