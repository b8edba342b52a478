//! Special functions: those of `statrs`, and a few that it lacks or computes too coarsely in the tails.

use statrs::function::{beta::beta_reg, erf::erfc_inv};

pub(crate) use statrs::function::gamma::ln_gamma;

/// Iterations after which a continued fraction or series is taken as it is; convergence takes some 50.
const STEPS_MAX: usize = 10_000;

/// P(Z > z) of the standard normal distribution. By the incomplete gamma function, because the library's `erfc` is right to ten
/// digits only.
pub(crate) fn normal_sf(z: f64) -> f64 {
    let tail = 0.5 * upper_gamma(0.5, z * z / 2.0);
    if z < 0.0 { 1.0 - tail } else { tail }
}

/// The standard normal quantile at `p` in (0, 1): the library's, polished by two Newton steps.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let mut z = -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p);
    for _ in 0..2 {
        let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if z.is_finite() && density > 0.0 {
            z -= (normal_sf(-z) - p) / density;
        }
    }
    z
}

/// P(X > x) of the χ² distribution.
pub(crate) fn chi_square_sf(x: f64, degrees: f64) -> f64 {
    if x.is_nan() || degrees <= 0.0 {
        return 1.0;
    }
    upper_gamma(degrees / 2.0, x / 2.0)
}

/// Q(a, x), the regularized upper incomplete gamma function; relative precision also where it is tiny (Numerical Recipes §6.2).
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = a * x.ln() - x - ln_gamma(a);
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        for _ in 0..STEPS_MAX {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return (1.0 - sum * front.exp()).clamp(0.0, 1.0);
    }
    let tiny = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / tiny;
    let mut d = 1.0 / b;
    let mut h = d;
    for i in 1..STEPS_MAX {
        let i = i as f64;
        let factor = -i * (i - a);
        b += 2.0;
        d = factor * d + b;
        d = if d.abs() < tiny { tiny } else { d };
        c = b + factor / c;
        c = if c.abs() < tiny { tiny } else { c };
        d = 1.0 / d;
        let change = d * c;
        h *= change;
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front.exp() * h).clamp(0.0, 1.0)
}

/// The χ² value that is exceeded with probability `alpha`: the cube of Wilson and Hilferty (1931), polished by Newton steps that never
/// leave the interval in which the value is known to lie.
pub(crate) fn chi_square_quantile(alpha: f64, degrees: f64) -> f64 {
    let spread = 2.0 / (9.0 * degrees);
    let start = degrees * (1.0 - spread + normal_quantile(1.0 - alpha) * spread.sqrt()).powi(3);
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut x = if start > 0.0 { start } else { degrees * 1e-3 };
    for _ in 0..200 {
        let off = chi_square_sf(x, degrees) - alpha;
        if off > 0.0 {
            low = x;
        } else {
            high = x;
        }
        let half = degrees / 2.0;
        let density = ((half - 1.0) * (x / 2.0).ln() - x / 2.0 - ln_gamma(half)).exp() / 2.0;
        let newton = x + off / density;
        let next = if newton > low && newton < high {
            newton
        } else if high.is_finite() {
            f64::midpoint(low, high)
        } else {
            2.0 * x
        };
        if (next - x).abs() <= 1e-14 * x {
            return next;
        }
        x = next;
    }
    x
}

/// P(|T| > t) of Student's distribution, two-sided.
pub(crate) fn student_two_sided(t: f64, degrees: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    beta_reg(degrees / 2.0, 0.5, (degrees / (degrees + t * t)).clamp(0.0, 1.0))
}

/// P(B ≤ x) of the beta distribution; 0 and 1 at its ends.
pub(crate) fn beta_cdf(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if x >= 1.0 {
        1.0
    } else {
        beta_reg(a, b, x)
    }
}

/// exp(q)·K_{1/4}(q): the modified Bessel function of the second kind, scaled. By its integral over the hyperbolic cosine,
/// for which the trapezoid rule converges faster than any power (Trefethen and Weideman 2014).
pub(crate) fn scaled_bessel_k_quarter(q: f64) -> f64 {
    const STEP: f64 = 0.05;
    let mut sum = 0.5;
    for i in 1..2_000 {
        let t = f64::from(i) * STEP;
        // cosh t - 1, without the loss near 0.
        let drop = 2.0 * (t / 2.0).sinh().powi(2);
        let term = (-q * drop).exp() * (t / 4.0).cosh();
        sum += term;
        if term < 1e-18 * sum {
            break;
        }
    }
    sum * STEP
}
