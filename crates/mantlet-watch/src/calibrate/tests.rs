//! Against what the field's tools computed on the same logits, promises held on fresh rows, and refusals.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::fixtures::{Draws, close, json, number};

fn logits(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap().iter().map(number)).collect()
}

fn labels(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|label| label.as_u64().unwrap() as usize).collect()
}

fn probabilities(logits: &[f64], classes: usize, temperature: f64) -> Vec<f64> {
    logits.chunks(classes).flat_map(|row| softmax(row, temperature)).collect()
}

#[test]
fn an_overconfident_network_is_calibrated_as_others_do() {
    let expect = json("calibration");
    let (fit, fit_labels) = (logits(&expect["calibration_logits"]), labels(&expect["calibration_labels"]));
    let (held, held_labels) = (logits(&expect["logits"]), labels(&expect["labels"]));
    let temperature = fit_temperature(&Outcomes::new(&fit, 10, &fit_labels).unwrap());
    close("temperature", temperature, number(&expect["temperature"]), 1e-6);
    // The logits in the file are rounded to six decimals; what was computed from them was computed before.
    for (key, temperature, tolerance) in [("before", 1.0, 1e-4), ("after", temperature, 1e-6)] {
        let p = probabilities(&held, 10, temperature);
        let p = Outcomes::of_probabilities(&p, 10, &held_labels).unwrap();
        close("ece", calibration_error(&p, 15).unwrap(), number(&expect[key]["ece15"]), 1e-6);
        close("brier", brier(&p), number(&expect[key]["brier"]), 1e-6);
        close("nll", log_loss(&p), number(&expect[key]["nll"]), tolerance);
    }
    let p = probabilities(&fit, 10, temperature);
    let fit = Outcomes::of_probabilities(&p, 10, &fit_labels).unwrap();
    for alpha in ["0.01", "0.05", "0.1"] {
        let expect = &expect["conformal"][alpha];
        let of = |score| Conformal::fit(&fit, score, alpha.parse().unwrap()).unwrap();
        let conformal = of(ConformalScore::LeastAmbiguous);
        close("lac", conformal.quantile(), number(&expect["lac_quantile"]), 1e-6);
        close(
            "aps",
            of(ConformalScore::Adaptive).quantile(),
            number(&expect["aps_nonrandomised_quantile"]),
            1e-6,
        );
        let sets: Vec<Vec<usize>> = expect["lac_sets"].as_array().unwrap().iter().map(labels).collect();
        let got: Vec<Vec<usize>> =
            probabilities(&held, 10, temperature).chunks(10).map(|row| conformal.set(row)).collect();
        assert_eq!(got, sets);
        let hit = got.iter().zip(&held_labels).filter(|(set, label)| set.contains(label)).count();
        close("coverage", hit as f64 / 200.0, number(&expect["lac_coverage"]), 1e-12);
    }
    let pairs =
        fit.answers().map(|(confidence, is_right)| (confidence, f64::from(u8::from(is_right)))).collect();
    let isotonic = Isotonic::fit(pairs).unwrap();
    let (x, y) = (&expect["isotonic_x"], &expect["isotonic_y"]);
    assert_eq!(isotonic.knots().len(), x.as_array().unwrap().len());
    for ((got_x, got_y), (x, y)) in
        isotonic.knots().iter().zip(x.as_array().unwrap().iter().zip(y.as_array().unwrap()))
    {
        close("knot", *got_x, number(x), 1e-6);
        close("value", *got_y, number(y), 1e-12);
    }
    for pair in expect["isotonic_at"].as_array().unwrap() {
        close("at", isotonic.at(number(&pair[0])), number(&pair[1]), 1e-9);
    }
}

#[test]
fn what_rows_cannot_promise_is_refused_with_what_would() {
    assert_eq!(rank(98, 0.01), Err(CalibrateError::TooFew { rows: 98, needed: 99 }));
    assert_eq!(rank(99, 0.01), Ok(99));
    assert_eq!(rank(9, 0.1), Ok(9));
    assert_eq!(rank(9, 1.0), Err(CalibrateError::Rate("alpha")));
    let p = [0.9, 0.1].repeat(100);
    let truths = [0; 100];
    let outcomes = Outcomes::of_probabilities(&p, 2, &truths).unwrap();
    assert_eq!(
        choose_threshold(&outcomes, 0.01, 0.05),
        Err(CalibrateError::TooFew { rows: 100, needed: 299 })
    );
    let wrong = [1; 100];
    let outcomes = Outcomes::of_probabilities(&p, 2, &wrong).unwrap();
    let expect = CalibrateError::Unreachable { target: 0.1, rows: 42, errors: 42 };
    assert_eq!(choose_threshold(&outcomes, 0.1, 0.05), Err(expect));
    assert_eq!(Outcomes::new(&[], 2, &[]).unwrap_err(), CalibrateError::Empty);
    assert_eq!(Outcomes::new(&[0.5], 2, &[0]).unwrap_err(), CalibrateError::Shape);
    assert_eq!(Outcomes::new(&[0.5, 0.5], 2, &[2]).unwrap_err(), CalibrateError::Truth(0));
    assert_eq!(Outcomes::of_probabilities(&[0.5, 0.9], 2, &[0]).unwrap_err(), CalibrateError::Values(0));
    assert!(serde_json::from_str::<Isotonic>("[[1.0,0.5],[0.5,0.7]]").is_err());
}

/// A model that is right with its own confidence, to some power.
fn simulated(draws: &mut Draws, rows: usize) -> (Vec<f64>, Vec<usize>) {
    let (mut p, mut truths) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let confidence = 0.5 + 0.5 * draws.uniform();
        p.extend([confidence, 1.0 - confidence]);
        // Overconfident: what it calls 0.9 is 0.95² or so.
        truths.push(usize::from(draws.uniform() > 1.0 - (1.0 - confidence) * 0.4));
    }
    (p, truths)
}

#[test]
fn the_promised_error_is_kept_as_often_as_promised() {
    let mut draws = Draws::new(11);
    let (target, runs) = (0.05, 200);
    let (mut broken, mut found) = (0, 0);
    for _ in 0..runs {
        let (p, truths) = simulated(&mut draws, 3000);
        let Ok(threshold) = choose_threshold(&Outcomes::new(&p, 2, &truths).unwrap(), target, 0.05) else {
            continue;
        };
        found += 1;
        // The true rate above a confidence c is the mean of 0.4(1-x) for x from c to 1.
        broken += usize::from(0.4 * (1.0 - threshold.confidence) / 2.0 > target);
    }
    // At most 5 % of the choices may break it: 20 of 200 would be a chance of one in a thousand.
    assert!(broken < 20 && found > runs * 9 / 10, "{broken} broken, {found} found of {runs}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn sets_cover_what_they_promise(seed in any::<u64>(), alpha in 0.02..0.4_f64) {
        let mut draws = Draws::new(seed);
        let (p, truths) = simulated(&mut draws, 500);
        let (q, others) = simulated(&mut draws, 2000);
        for score in [ConformalScore::LeastAmbiguous, ConformalScore::Adaptive] {
            let conformal = Conformal::fit(&Outcomes::new(&p, 2, &truths).unwrap(), score, alpha).unwrap();
            let hit = q.chunks(2).zip(&others).filter(|(row, truth)| conformal.set(row).contains(truth)).count();
            prop_assert!(hit as f64 / 2000.0 > 1.0 - alpha - 0.09);
        }
    }

    #[test]
    fn isotonic_never_falls(pairs in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 1..50), a in -1.0..2.0_f64, b in -1.0..2.0_f64) {
        let isotonic = Isotonic::fit(pairs.clone()).unwrap();
        prop_assert!(isotonic.at(a.min(b)) <= isotonic.at(a.max(b)) + 1e-12);
        // It keeps the mean: pooling moves values, and never their sum.
        let mean: f64 = pairs.iter().map(|(_, y)| y).sum::<f64>() / pairs.len() as f64;
        let fitted: f64 = pairs.iter().map(|(x, _)| isotonic.at(*x)).sum::<f64>() / pairs.len() as f64;
        prop_assert!((mean - fitted).abs() < 1e-9);
        let read: Isotonic = serde_json::from_str(&serde_json::to_string(&isotonic).unwrap()).unwrap();
        prop_assert_eq!(read, isotonic);
    }
}
