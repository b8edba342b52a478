//! Against what the field's tools computed on the same samples, and rules that hold for all samples.

use proptest::prelude::*;
use serde_json::Value;

use super::{special::normal_quantile, *};
use crate::fixtures::{cases, close, json, number};

/// Relative tolerance of statistics.
const STATISTIC: f64 = 1e-9;
/// And of p-values.
const P_VALUE: f64 = 1e-8;

fn sorted(values: &[f64]) -> Sorted {
    Sorted::new(values.to_vec()).unwrap()
}

fn check_test(name: &str, got: (f64, f64), expect: &Value) {
    close(name, got.0, number(&expect["statistic"]), STATISTIC);
    close(name, got.1, number(&expect["pvalue"]), P_VALUE);
}

#[test]
fn numeric_samples_agree_with_scipy() {
    let expect = json("scipy");
    let mut seen = 0;
    for case in cases().iter().filter(|case| case.is_numeric()) {
        let (reference, current) = (sorted(&case.numbers("reference")), sorted(&case.numbers("current")));
        let values = &expect["values"][&case.name];
        for (key, method) in [("ks_exact", Method::Exact), ("ks_asymp", Method::Asymptotic)] {
            let got = ks(&reference, &current, method);
            check_test(&format!("{} {key}", case.name), (got.statistic, got.p_value), &values[key]);
            close(
                &format!("{} {key} location", case.name),
                got.location,
                number(&values[key]["location"]),
                0.0,
            );
        }
        let distance = wasserstein(&reference, &current);
        close(&case.name, distance, number(&values["wasserstein_1"]), STATISTIC);
        if let Some(relative) = values["wasserstein_over_reference_sd"].as_f64() {
            close(&case.name, distance / reference.sd().max(0.001), relative, STATISTIC);
        }
        close(&case.name, energy(&reference, &current), number(&values["energy_distance"]), STATISTIC);
        let got = mann_whitney(&reference, &current, Alternative::TwoSided, Method::Asymptotic);
        check_test(&format!("{} mann", case.name), (got.statistic, got.p_value), &values["mann_whitney"]);
        let got = cramer_von_mises(&reference, &current, Method::Asymptotic);
        let (name, expect) = (format!("{} cramer", case.name), &values["cramer_von_mises"]);
        close(&name, got.statistic, number(&expect["statistic"]), STATISTIC);
        // The limit's p-value is 1 less a sum, so below 1e-8 its digits are the sum's rounding.
        let p = number(&expect["pvalue"]);
        assert!((got.p_value - p).abs() <= P_VALUE * p + 1e-14, "{name}: got {}, expected {p}", got.p_value);
        for (key, bins) in [("binned_10", 10), ("binned_20", 20)] {
            let values = &values[key];
            let edges: Vec<f64> = values["edges"].as_array().unwrap().iter().map(number).collect();
            assert_eq!(quantile_edges(&reference, bins), edges, "{} {key}", case.name);
            let counts = Counts::of_samples(&reference, &current, &edges);
            let expect: Vec<(f64, f64)> = values["reference"]
                .as_array()
                .unwrap()
                .iter()
                .zip(values["current"].as_array().unwrap())
                .map(|(a, b)| (number(a), number(b)))
                .collect();
            assert_eq!(counts.bins().collect::<Vec<_>>(), expect, "{} {key}", case.name);
            check_binned(&case.name, &counts, values);
        }
        seen += 1;
    }
    assert_eq!(seen, 14);
}

fn check_binned(name: &str, counts: &Counts, expect: &Value) {
    let of = |key: &str| number(&expect[key]);
    close(name, psi(counts), of("psi_floor_1e_4"), STATISTIC);
    close(name, jensen_shannon(counts, 2.0), of("jensen_shannon_distance_base2"), STATISTIC);
    close(
        name,
        jensen_shannon(counts, std::f64::consts::E),
        of("jensen_shannon_distance_natural"),
        STATISTIC,
    );
    close(name, hellinger(counts), of("hellinger"), STATISTIC);
    close(name, total_variation(counts), of("total_variation"), STATISTIC);
    let (test, _) = chi_square(counts);
    close(name, test.statistic, of("chi2"), STATISTIC);
    close(name, test.p_value, of("chi2_pvalue"), P_VALUE);
}

#[test]
fn categories_agree_with_scipy() {
    let expect = json("scipy");
    let mut seen = 0;
    for case in cases().iter().filter(|case| !case.is_numeric()) {
        let values = &expect["values"][&case.name];
        let list = |key: &str| values[key].as_array().unwrap().iter().map(number).collect::<Vec<_>>();
        let counts = Counts::new(list("reference"), list("current")).unwrap();
        check_binned(&case.name, &counts, values);
        close(&case.name, l_infinity(&counts), number(&values["l_infinity"]), STATISTIC);
        assert_eq!(chi_square(&counts).1 as u64, values["dof"].as_u64().unwrap());
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn corrections_and_limits_agree_with_scipy() {
    let expect = json("scipy");
    for case in expect["benjamini_hochberg"].as_array().unwrap() {
        let p: Vec<f64> = case["p"].as_array().unwrap().iter().map(number).collect();
        let got = benjamini_hochberg(&p, number(&case["alpha"]));
        for (got, (reject, adjusted)) in got
            .iter()
            .zip(case["reject"].as_array().unwrap().iter().zip(case["adjusted"].as_array().unwrap()))
        {
            assert_eq!(got.is_rejected, reject.as_bool().unwrap());
            close("adjusted", got.p_value, number(adjusted), P_VALUE);
        }
    }
    for case in expect["psi_limit"].as_array().unwrap() {
        let count = |key: &str| case[key].as_u64().unwrap();
        let limit = psi_limit(count("n_ref"), count("n_cur"), count("bins") as usize, number(&case["alpha"]))
            .unwrap();
        close("limit", limit, number(&case["psi_limit"]), STATISTIC);
        let p = psi_p_value(limit, count("n_ref"), count("n_cur"), count("bins") as usize).unwrap();
        close("its p-value", p, number(&case["alpha"]), P_VALUE);
    }
}

#[test]
fn bounds_and_radii_agree_with_scipy() {
    for case in json("calibration")["certified"].as_array().unwrap() {
        let (hits, tries) = (case["k"].as_u64().unwrap(), case["n"].as_u64().unwrap());
        let (alpha, sigma) = (number(&case["alpha"]), number(&case["sigma"]));
        close(
            "bound",
            clopper_pearson_lower(hits, tries, alpha).unwrap(),
            number(&case["p_lower"]),
            STATISTIC,
        );
        match (certified_radius(hits, tries, alpha, sigma).unwrap(), case["radius"].as_f64()) {
            (Some(got), Some(expect)) => close("radius", got, expect, STATISTIC),
            (got, expect) => assert_eq!(got, expect, "{case}"),
        }
    }
}

#[test]
fn single_precision_tools_agree_as_far_as_they_reach() {
    let expect = json("alibi_detect");
    for case in cases().iter().filter(|case| case.is_numeric()) {
        let (reference, current) = (sorted(&case.numbers("reference")), sorted(&case.numbers("current")));
        let got = ks(&reference, &current, Method::Asymptotic);
        let distance = number(&expect["values"][&case.name]["KSDrift"]["distance"]);
        close(&case.name, got.statistic, distance, 1e-6);
        // Automatic: twelve against seven values are counted out.
        let got = cramer_von_mises(&reference, &current, Method::Auto);
        let p = number(&expect["values"][&case.name]["CVMDrift"]["p_val"]);
        assert!(
            (got.p_value - p).abs() <= 1e-7 * p + 1e-14,
            "{}: got {}, expected {p}",
            case.name,
            got.p_value
        );
    }
}

/// Values of R 4 (`qnorm`) and of the Kolmogorov distribution's tables (Marsaglia, Tsang and Wang 2003, table 1).
#[test]
fn published_values_are_met() {
    close("quantile", normal_quantile(0.975), 1.959_963_984_540_054, 1e-14);
    close("quantile", normal_quantile(1e-10), -6.361_340_902_404_056, 1e-12);
    close("kolmogorov", 1.0 - kolmogorov_sf(10, 0.274), 0.628_479_615_470_469_2, 1e-9);
}

#[test]
fn samples_without_finite_values_are_refused() {
    assert_eq!(Sorted::new(Vec::new()), Err(StatError::Empty));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Sorted::new(vec![1.0, bad]), Err(StatError::NotFinite));
        assert!(Counts::new(vec![1.0], vec![bad]).is_err());
    }
    assert_eq!(Counts::new(vec![1.0], vec![1.0, 2.0]), Err(StatError::Shape));
    assert_eq!(Counts::new(vec![0.0], vec![1.0]), Err(StatError::Empty));
    assert_eq!(psi_limit(10, 10, 1, 0.05), Err(StatError::Range("bins")));
    assert_eq!(clopper_pearson_lower(2, 1, 0.05), Err(StatError::Range("hits")));
}

fn sample() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(-1e3..1e3, 1..60),
        prop::collection::vec((-3..3).prop_map(f64::from), 1..60),
        prop::collection::vec(any::<f64>().prop_filter("finite", |x| x.is_finite()), 1..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn small_samples_have_probabilities(a in sample(), b in sample()) {
        let p = cramer_von_mises(&sorted(&a), &sorted(&b), Method::Auto).p_value;
        prop_assert!((0.0..=1.0).contains(&p));
    }
}

proptest! {
    #[test]
    fn distances_are_symmetric_bounded_and_zero_only_for_equals(a in sample(), b in sample()) {
        let (x, y) = (sorted(&a), sorted(&b));
        let (one, other) = (ks(&x, &y, Method::Exact), ks(&y, &x, Method::Exact));
        prop_assert!((one.statistic - other.statistic).abs() < 1e-12);
        prop_assert!((one.p_value - other.p_value).abs() < 1e-9);
        prop_assert!((0.0..=1.0).contains(&one.statistic) && (0.0..=1.0).contains(&one.p_value));
        prop_assert_eq!(ks(&x, &x, Method::Exact).p_value, 1.0);
        prop_assert_eq!(wasserstein(&x, &x), 0.0);
        let p = mann_whitney(&x, &y, Alternative::TwoSided, Method::Auto).p_value;
        prop_assert!((0.0..=1.0).contains(&p));
    }

    #[test]
    fn the_exact_p_value_counts_arrangements(a in prop::collection::vec(0_u32..1000, 1..6), b in prop::collection::vec(0_u32..1000, 1..6)) {
        // Oracle: every way to give the pooled ranks to two samples of these sizes.
        let (n, m) = (a.len(), b.len());
        let numbers = |list: &[u32]| sorted(&list.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        let got = ks(&numbers(&a), &numbers(&b), Method::Exact);
        let (mut hit, mut all) = (0, 0);
        for mask in 0_u32..1 << (n + m) {
            if mask.count_ones() as usize != n { continue; }
            let (mut i, mut j, mut most) = (0, 0, 0_i64);
            for place in 0..n + m {
                if mask >> place & 1 == 1 { i += 1 } else { j += 1 }
                most = most.max((i * m as i64 - j * n as i64).abs());
            }
            all += 1;
            hit += i32::from(most as f64 >= got.statistic * (n * m) as f64 - 1e-6);
        }
        prop_assert!((got.p_value - f64::from(hit) / f64::from(all)).abs() < 1e-12);
    }

    #[test]
    fn bins_lose_nobody(a in sample(), b in sample(), bins in 2_usize..30) {
        let (x, y) = (sorted(&a), sorted(&b));
        let counts = Counts::of_samples(&x, &y, &quantile_edges(&x, bins));
        prop_assert_eq!(counts.totals(), (a.len() as f64, b.len() as f64));
        prop_assert!(psi(&counts) >= 0.0);
        prop_assert!((0.0..=1.0 + 1e-12).contains(&jensen_shannon(&counts, 2.0)));
        let (merged, degrees) = chi_square_merged(&counts, 5.0);
        prop_assert!(degrees <= chi_square(&counts).1 && (0.0..=1.0).contains(&merged.p_value));
    }

    #[test]
    fn corrected_p_values_are_no_smaller_and_keep_their_order(p in prop::collection::vec(0.0..1.0_f64, 1..50)) {
        let adjusted = benjamini_hochberg(&p, 0.05);
        for (i, one) in adjusted.iter().enumerate() {
            prop_assert!(one.p_value >= p[i] && one.p_value <= 1.0);
            for (j, other) in adjusted.iter().enumerate() {
                prop_assert!(p[i] > p[j] || one.p_value <= other.p_value);
            }
        }
    }
}
