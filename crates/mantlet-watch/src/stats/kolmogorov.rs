//! The distribution of the two-sided one-sample Kolmogorov-Smirnov statistic, by the methods that Simard and L'Ecuyer (2011,
//! "Computing the Two-Sided Kolmogorov-Smirnov Distribution") choose between.

use std::f64::consts::PI;

use super::special::ln_gamma;

/// Up to so many values Durbin's matrix is used for all but the tail.
const SMALL: u64 = 140;

/// The scale that keeps powers of a matrix within range.
const SCALE: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
/// Its binary exponent.
const SCALE_EXPONENT: i32 = 128;

/// P(D > x) for the two-sided statistic of `n` values. Time O(n), or O((n·x)³·log n) where `x` is small.
#[must_use]
pub fn kolmogorov_sf(n: u64, x: f64) -> f64 {
    let count = n as f64;
    let t = count * x;
    if n == 0 || x.is_nan() {
        return f64::NAN;
    }
    if x >= 1.0 {
        return 0.0;
    }
    if t <= 0.5 {
        return 1.0;
    }
    if t <= 1.0 {
        // Ruben and Gambino (1982): n! (2x - 1/n)^n.
        let log = ln_gamma(count + 1.0) - count * count.ln() + count * (2.0 * t - 1.0).ln();
        return 1.0 - log.exp();
    }
    if t >= count - 1.0 {
        return (2.0 * (1.0 - x).powf(count)).clamp(0.0, 1.0);
    }
    let squared = t * x;
    let sf = if x >= 0.5 || (n <= SMALL && squared > 4.0) || (n > SMALL && squared >= 2.2) {
        // Beyond here the two one-sided events hardly ever come together (Miller 1956).
        if squared >= 370.0 { 0.0 } else { 2.0 * smirnov(n, x) }
    } else if n <= SMALL || (n <= 100_000 && count * x.powf(1.5) <= 1.4) {
        1.0 - durbin(n, x)
    } else {
        1.0 - pelz_good(count, x)
    };
    sf.clamp(0.0, 1.0)
}

/// P(D⁺ > x) by the sum of Birnbaum and Tingey (1951).
fn smirnov(n: u64, x: f64) -> f64 {
    let count = n as f64;
    let last = (count * (1.0 - x)).floor();
    let mut sum = (count * (-x).ln_1p()).exp();
    // ln C(n, j), step by step.
    let mut choose = 0.0_f64;
    let mut j = 1.0;
    while j <= last {
        choose += ((count - j + 1.0) / j).ln();
        let (hit, rest) = (x + j / count, 1.0 - x - j / count);
        if rest > 0.0 {
            sum += (choose + (j - 1.0) * hit.ln() + (count - j) * rest.ln()).exp() * x;
        } else if j == count {
            sum += x * hit.powf(j - 1.0);
        }
        j += 1.0;
    }
    sum
}

/// P(D ≤ x) by Durbin's matrix (Marsaglia, Tsang and Wang 2003).
fn durbin(n: u64, x: f64) -> f64 {
    let count = n as f64;
    let k = (count * x).ceil().max(1.0);
    let h = k - count * x;
    let k = k as usize;
    let size = 2 * k - 1;
    let base = Matrix::durbin(size, h);
    let (power, mut exponent) = base.power(n, k - 1);
    let mut p = power.at(k - 1, k - 1);
    for i in 1..=n {
        p *= i as f64 / count;
        if p < 1.0 / SCALE {
            p *= SCALE;
            exponent -= SCALE_EXPONENT;
        }
    }
    (p * 2.0_f64.powi(exponent)).clamp(0.0, 1.0)
}

/// A square matrix, row after row.
#[derive(Clone)]
struct Matrix {
    size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    fn durbin(size: usize, h: f64) -> Self {
        let mut inverse_factorial = Vec::with_capacity(size + 1);
        let mut factor = 1.0;
        for i in 0..=size {
            inverse_factorial.push(factor);
            factor /= (i + 1) as f64;
        }
        let of = |i: usize| inverse_factorial.get(i).copied().unwrap_or(0.0);
        let edge = |i: usize| (1.0 - h.powi(i as i32)) * of(i);
        let corner =
            (1.0 + (2.0 * h - 1.0).max(0.0).powi(size as i32) - 2.0 * h.powi(size as i32)) * of(size);
        let mut cells = Vec::with_capacity(size * size);
        for row in 0..size {
            for column in 0..size {
                let cell = match (row + 1 == size, column == 0) {
                    (true, true) => corner,
                    (false, true) => edge(row + 1),
                    (true, false) => edge(size - column),
                    // One above the diagonal is 1, and further above 0.
                    (false, false) if row + 1 >= column => of(row + 1 - column),
                    (false, false) => 0.0,
                };
                cells.push(cell);
            }
        }
        Self { size, cells }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.cells.get(row * self.size + column).copied().unwrap_or(0.0)
    }

    fn times(&self, other: &Self) -> Self {
        let mut cells = vec![0.0; self.size * self.size];
        for (row, out) in self.cells.chunks_exact(self.size).zip(cells.chunks_exact_mut(self.size)) {
            for (factor, line) in row.iter().zip(other.cells.chunks_exact(self.size)) {
                out.iter_mut().zip(line).for_each(|(cell, value)| *cell += factor * value);
            }
        }
        Self { size: self.size, cells }
    }

    /// The power, and the exponent of two that was divided out; `middle` is where the size is looked at.
    fn power(mut self, mut n: u64, middle: usize) -> (Self, i32) {
        let mut result: Option<Self> = None;
        let (mut exponent, mut own) = (0, 0);
        while n > 0 {
            if n % 2 == 1 {
                result = Some(match result {
                    None => self.clone(),
                    Some(result) => result.times(&self),
                });
                exponent += own;
            }
            n /= 2;
            if n > 0 {
                self = self.times(&self);
                own *= 2;
                if self.at(middle, middle) > SCALE {
                    self.cells.iter_mut().for_each(|cell| *cell /= SCALE);
                    own += SCALE_EXPONENT;
                }
            }
        }
        (result.unwrap_or(self), exponent)
    }
}

/// P(D ≤ x) by the expansion of Pelz and Good (1976), which corrects the limit by three powers of 1/√n.
fn pelz_good(n: f64, x: f64) -> f64 {
    let z = n.sqrt() * x;
    let (z2, z4, z6) = (z * z, z.powi(4), z.powi(6));
    let pi2 = PI * PI;
    let exponent = -pi2 / 8.0 / z2;
    if exponent < -708.0 {
        return 0.0;
    }
    let root = (2.0 * PI).sqrt();
    let terms = (16.0 * z / PI).ceil() as i32;
    let mut sums = [0.0_f64; 4];
    for k in (1..=terms).rev() {
        let odd = f64::from(2 * k - 1);
        let (m2, m4, m6) = (odd.powi(2), odd.powi(4), odd.powi(6));
        let weight = (exponent * m2).exp();
        let polynomials = [
            1.0,
            -z2 + pi2 / 4.0 * m2,
            6.0 * z6
                + 2.0 * z4
                + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2
                + pi2 * pi2 * (1.0 - 2.0 * z2) / 16.0 * m4,
            -30.0 * z6 - 90.0 * z4 * z4
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi2 * pi2 * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + pi2.powi(3) * (5.0 - 30.0 * z2) / 64.0 * m6,
        ];
        sums.iter_mut().zip(polynomials).for_each(|(sum, value)| *sum += value * weight);
    }
    let mut extra = [0.0_f64; 2];
    for k in (1..=terms).rev().map(f64::from) {
        let weight = (-pi2 / 2.0 / z2 * k * k).exp() * k * k;
        extra[0] += weight;
        extra[1] += (3.0 * z2 - pi2 * k * k) * weight;
    }
    let [k0, k1, k2, k3] = sums;
    let k0 = k0 * root / z;
    let k1 = k1 * root / (6.0 * z4);
    let k2 = k2 * root / (72.0 * z.powi(7)) - extra[0] * pi2 * root / (36.0 * z.powi(3));
    let k3 = k3 * root / (6480.0 * z.powi(10)) + extra[1] * pi2 * root / (216.0 * z6);
    k0 + k1 / n.sqrt() + k2 / n + k3 / n.powf(1.5)
}
