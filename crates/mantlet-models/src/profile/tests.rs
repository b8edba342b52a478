//! Profiles are deterministic, calibrations agree with independent oracles, and data that do not fit are refused by name.

use std::{collections::BTreeMap, fs, path::PathBuf};

use proptest::prelude::*;

use super::{
    calibrate::{Outcomes, half_width},
    *,
};
use crate::{
    package::tests::{package, testdata},
    workbench::{ProfileRequest, Workbench, WorkbenchError},
};

fn request(folder: &str) -> ProfileRequest {
    let data = |name: &str| testdata(&format!("{folder}/{name}.csv"));
    ProfileRequest {
        reference: data("train"),
        target: None,
        calibration: Some(data("calib")),
        coverage: None,
        background: 20,
    }
}

fn profile(model: &str) -> Profile {
    let directory = package(model, "name = \"m\"");
    let folder = model.split_once('/').unwrap().0;
    Workbench::open(directory.path()).unwrap().profile(&request(folder)).unwrap()
}

fn temperature(profile: &Profile) -> f64 {
    match profile.calibration {
        Some(Calibration::Probability { temperature, nll_before, nll_after, .. }) => {
            assert!(nll_after <= nll_before);
            temperature
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    for model in ["breast_cancer/bc-lr.onnx", "credit/credit-lr.onnx", "diabetes/diabetes-gbr.onnx"] {
        let first = profile(model);
        let bytes = first.to_json().unwrap();
        assert_eq!(bytes, profile(model).to_json().unwrap());
        assert_eq!(Profile::parse(&bytes).unwrap(), first);
    }
}

#[test]
fn columns_are_typed_and_summarized() {
    let credit = profile("credit/credit-lr.onnx");
    let by_name: BTreeMap<_, _> =
        credit.features.iter().map(|column| (column.name.as_str(), column)).collect();
    let Summary::Category { values: Some(values) } = &by_name["housing"].summary else { panic!() };
    let names: Vec<_> = values.iter().map(|known| known.value.as_str()).collect();
    assert_eq!(names, ["for free", "own", "rent"]);
    assert!((values.iter().map(|known| known.share).sum::<f64>() - 1.0).abs() < 1e-12);
    assert_eq!(credit.target.as_deref(), Some("target"));
    assert_eq!(credit.rows, 500);
    let Summary::Number { min, max, mean, sd, quantiles } = &by_name["age"].summary else { panic!() };
    // By hand from the file.
    let text = fs::read_to_string(testdata("credit/train.csv")).unwrap();
    let place = text.lines().next().unwrap().split(',').position(|name| name == "age").unwrap();
    let ages: Vec<f64> =
        text.lines().skip(1).map(|line| line.split(',').nth(place).unwrap().parse().unwrap()).collect();
    let expected = ages.iter().sum::<f64>() / 500.0;
    let variance = ages.iter().map(|age| (age - expected).powi(2)).sum::<f64>() / 500.0;
    assert!((mean - expected).abs() < 1e-9 && (sd - variance.sqrt()).abs() < 1e-9);
    assert_eq!(
        (*min, *max),
        (ages.iter().copied().fold(f64::MAX, f64::min), ages.iter().copied().fold(0.0, f64::max))
    );
    let mut sorted = ages;
    sorted.sort_by(f64::total_cmp);
    assert_eq!(quantiles[5], sorted[249]);
}

/// The shared models divide their logits by a temperature that was fitted on the same calibration rows, so what is
/// left to fit is 1; the overconfident one multiplies them by 4 afterwards.
#[test]
fn temperatures_are_those_that_the_models_were_made_with() {
    for model in ["breast_cancer/bc-mlp", "breast_cancer/bc-mlp-at", "digits/digits-cnn", "digits/digits-mlp"]
    {
        let fitted = temperature(&profile(&format!("{model}.onnx")));
        assert!((fitted - 1.0).abs() < 0.02, "{model}: {fitted}");
    }
    let fitted = temperature(&profile("digits/digits-cnn-overconfident.onnx"));
    assert!((fitted - 4.0).abs() < 0.08, "{fitted}");
}

#[test]
fn intervals_cover_what_they_promise() {
    let Some(Calibration::Interval { rows, coverage, half_width }) =
        profile("diabetes/diabetes-gbr.onnx").calibration
    else {
        panic!()
    };
    assert_eq!((rows, coverage), (90, 0.9));
    // Targets lie between 25 and 346; an interval of a plausible model is narrower than that and wider than its error.
    assert!((60.0..160.0).contains(&half_width), "{half_width}");
}

#[test]
fn too_few_rows_name_the_number_needed() {
    let needed = |rows: usize, coverage: f64| match half_width(vec![1.0; rows], coverage) {
        Err(ProfileError::TooFew { needed, .. }) => Some(needed),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(needed(8, 0.9), Some(9));
    assert_eq!(needed(9, 0.9), None);
    assert_eq!(needed(98, 0.99), Some(99));
    assert_eq!(needed(99, 0.99), None);
    assert_eq!(needed(0, 0.5), Some(1));
    for coverage in [0.0, 1.0, -1.0, f64::NAN] {
        assert!(matches!(half_width(vec![1.0; 99], coverage), Err(ProfileError::Coverage)));
    }
}

#[test]
fn certainty_is_not_learned_from_a_lack_of_errors() {
    let fit = |rows: usize| {
        let mut outcomes = Outcomes::new(2);
        for _ in 0..rows {
            outcomes.push(&[0.6, 0.4], 0).unwrap();
        }
        let Calibration::Probability { temperature, .. } = outcomes.fit() else { panic!() };
        let sharpened = |p: f64| p.powf(1.0 / temperature);
        sharpened(0.6) / (sharpened(0.6) + sharpened(0.4))
    };
    // Three rows prove nothing; after 50 without an error a chance of error above 3.8 % can be ruled out, but no less.
    assert_eq!(fit(3), 0.6);
    assert!((fit(50) - (-1.920_729_f64 / 50.0).exp()).abs() < 1e-3, "{}", fit(50));
}

#[test]
fn a_forest_of_twenty_trees_was_refused_for_a_share_that_rounding_took_below_zero() {
    let mut outcomes = Outcomes::new(2);
    let share = (0..20).fold(0.0_f32, |sum, _| sum + 0.05);
    assert!(share > 1.0, "{share}");
    outcomes.push(&[f64::from(1.0 - share), f64::from(share)], 1).unwrap();
}

#[test]
fn what_is_no_distribution_is_refused() {
    let mut outcomes = Outcomes::new(2);
    assert!(outcomes.push(&[0.6, 0.4], 0).is_ok());
    for bad in [&[0.6, 0.6][..], &[f64::NAN, 1.0], &[-0.5, 1.5], &[1.0], &[0.5, 0.25, 0.25]] {
        assert!(outcomes.push(bad, 0).is_err(), "{bad:?}");
    }
}

fn refusal(change: impl Fn(&str) -> String, calibration: bool) -> WorkbenchError {
    let directory = package("breast_cancer/bc-lr.onnx", "name = \"m\"");
    let text = fs::read_to_string(testdata("breast_cancer/train.csv")).unwrap();
    let data = tempfile::NamedTempFile::new().unwrap();
    fs::write(data.path(), change(&text)).unwrap();
    let mut request = request("breast_cancer");
    let place: &mut PathBuf =
        if calibration { request.calibration.as_mut().unwrap() } else { &mut request.reference };
    *place = data.path().to_owned();
    Workbench::open(directory.path()).unwrap().profile(&request).unwrap_err()
}

#[test]
fn data_that_do_not_fit_are_refused_by_name() {
    let check = |change: &dyn Fn(&str) -> String, calibration, message: &str| {
        let error = refusal(change, calibration).to_string();
        assert!(error.contains(message), "{error}");
    };
    let renamed = |text: &str| text.replacen("mean_area", "mean_size", 1);
    check(&renamed, true, "no column `mean_area`");
    check(&|text| text.replacen("mean_area", "mean_radius", 1), false, "`mean_radius` stands twice");
    check(
        &|text| text.replacen("mean_radius,", "", 1),
        false,
        "29 features are named, but the model takes 30",
    );
    check(
        &|text| text.replacen("1384.0", "huge", 1),
        false,
        "row 1, column `mean_area`: not a finite number",
    );
    check(&|text| text.replacen("1384.0", "inf", 1), false, "row 1, column `mean_area`: not a finite number");
    check(&|text| text.lines().next().unwrap().to_owned(), false, "has no rows");
    check(&|text| text.replacen("target", "truth", 1), true, "`truth`, which the model does not take");
    check(&|text| text.replace(",1\r\n", ",7\r\n"), true, "none of the model's classes");
    check(&|text| format!("{text}1,2\r\n"), false, "is not a table");
    let void = |text: &str| {
        let line = |line: &str| {
            let (_, rest) = line.split_once(',').unwrap();
            format!(",{rest}\n")
        };
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        format!("{header}\n{}", lines.map(line).collect::<String>())
    };
    check(&void, false, "`mean_radius` has no value");
    let secret = refusal(|text| text.replacen("1384.0", "canary", 1), false).to_string();
    assert!(!secret.contains("canary"));
}

#[test]
fn missing_values_are_counted() {
    let directory = package("breast_cancer/bc-lr.onnx", "name = \"m\"");
    let text = fs::read_to_string(testdata("breast_cancer/train.csv")).unwrap();
    let data = tempfile::NamedTempFile::new().unwrap();
    fs::write(data.path(), text.replacen("1384.0", "", 1)).unwrap();
    let request =
        ProfileRequest { reference: data.path().into(), calibration: None, ..request("breast_cancer") };
    let workbench = Workbench::open(directory.path()).unwrap();
    let profile = workbench.profile(&request).unwrap();
    assert_eq!(profile.features[3].missing, 1.0 / 284.0);
    assert_eq!(workbench.remarks(&profile).len(), 1);
    Workbench::write_profile(directory.path(), &profile).unwrap();
    let again = Workbench::open(directory.path()).unwrap();
    let contract = again.contract("default".parse().unwrap(), mantlet_types::Version::FIRST).unwrap();
    assert!(contract.features[3].optional && !contract.features[2].optional);
}

#[test]
fn impossible_profiles_are_refused() {
    let good = String::from_utf8(profile("breast_cancer/bc-lr.onnx").to_json().unwrap()).unwrap();
    let check = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        assert!(matches!(Profile::parse(bad.as_bytes()), Err(ProfileError::Malformed(_))), "{to}");
    };
    assert!(Profile::parse(good.as_bytes()).is_ok());
    check("mantlet.profile/1", "mantlet.profile/2");
    check("\"rows\"", "\"extra\": 1, \"rows\"");
    check("\"rows\"", "\"rows\": 1, \"rows\"");
    check("\"missing\": 0.0", "\"missing\": 1.5");
    check("\"missing\": 0.0", "\"missing\": 1e999");
    check("\"min\": ", "\"min\": 1e30, \"least\": ");
    check("\"name\": \"mean_texture\"", "\"name\": \"mean_radius\"");
    check("\"temperature\": ", "\"temperature\": 0.0, \"t\": ");
    check("\"type\": \"number\"", "\"type\": \"number\", \"secret\": 1");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Against a search over a grid: a flattening temperature is the best on it, a sharpening one is at the edge of what
    /// the likelihood allows.
    #[test]
    fn the_fitted_temperature_is_the_best(rows in proptest::collection::vec((0.01_f64..0.99, 0_usize..2), 5..60)) {
        let mut outcomes = Outcomes::new(2);
        for (p, truth) in &rows {
            outcomes.push(&[*p, 1.0 - p], *truth).unwrap();
        }
        let Calibration::Probability { temperature, nll_after, .. } = outcomes.fit() else { panic!() };
        let nll = |t: f64| -> f64 {
            let one = |(p, truth): &(f64, usize)| {
                let (a, b) = (p.powf(1.0 / t), (1.0 - p).powf(1.0 / t));
                -((if *truth == 0 { a } else { b }) / (a + b)).ln()
            };
            rows.iter().map(one).sum::<f64>()
        };
        let count = rows.len() as f64;
        prop_assert!((nll(temperature) / count - nll_after).abs() < 2e-6);
        let best = (0..400).map(|step| nll(0.05 * 1.0151_f64.powi(step))).fold(f64::MAX, f64::min);
        if temperature > 1.0 {
            prop_assert!(nll(temperature) <= best + count * 2e-6);
        } else {
            prop_assert!(nll(temperature) <= best + 1.9208 + count * 2e-6);
            prop_assert!(temperature == 1.0 || nll(temperature * 1.01) >= best + 1.92);
        }
    }

    /// Against the definition: the interval covers at least ⌈(n+1)·coverage⌉ of the residuals, and no narrower one does.
    #[test]
    fn the_half_width_is_the_conformal_quantile(residuals in proptest::collection::vec(0.0_f64..100.0, 1..200), percent in 1_u32..99) {
        let coverage = f64::from(percent) / 100.0;
        let n = residuals.len() as u32;
        // In whole numbers, so that no rounding is shared with the code under test.
        let rank = ((n + 1) * percent).div_ceil(100);
        match half_width(residuals.clone(), coverage) {
            Ok(Calibration::Interval { half_width, .. }) => {
                prop_assert!(rank <= n);
                let within = residuals.iter().filter(|residual| **residual <= half_width).count() as u32;
                let below = residuals.iter().filter(|residual| **residual < half_width).count() as u32;
                prop_assert!(within >= rank && below < rank);
            }
            Err(ProfileError::TooFew { needed, .. }) => {
                prop_assert!(rank > n);
                let enough = |rows: u32| ((rows + 1) * percent).div_ceil(100) <= rows;
                prop_assert!(enough(needed as u32) && !enough(needed as u32 - 1));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn hostile_profiles_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Profile::parse(&bytes).is_err());
    }
}
