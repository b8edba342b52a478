//! Against PyOD and scikit-learn, and the promised false-alarm rate counted on rows that were not seen.

use serde_json::Value;

use super::{
    compat::{Covariance, Ecod, Elliptic},
    *,
};
use crate::{
    calibrate::{CalibrateError, p_value},
    fixtures::{Draws, close, dataset, json, number},
};

fn table(value: &Value) -> (Vec<f64>, usize) {
    let rows = value.as_array().unwrap();
    let features = rows[0].as_array().unwrap().len();
    (rows.iter().flat_map(|row| row.as_array().unwrap().iter().map(number)).collect(), features)
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn scores_and_p_values_are_those_of_others() {
    let expect = json("anomaly");
    let ((train, features), (calibration, _), (queries, _)) =
        (table(&expect["train"]), table(&expect["calibration"]), table(&expect["rows"]));
    let of = |values| Rows::new(values, features).unwrap();
    let (train, calibration, queries) = (of(&train), of(&calibration), of(&queries));
    let values = &expect["values"];
    let check = |key: &str, score: &dyn Fn(&[f64]) -> f64, tolerance: f64| {
        for (row, expect) in queries.iter().zip(list(&values[key])) {
            close(key, score(row), expect, tolerance);
        }
    };
    // The empirical covariance's condition is 8e11: with double precision nobody has more digits.
    let empirical = Elliptic::fit(&train, Covariance::Empirical).unwrap();
    check("mahalanobis_empirical", &|row| empirical.score(row), 1e-6);
    let shrunk = Elliptic::fit(&train, Covariance::LedoitWolf).unwrap();
    check("mahalanobis_ledoit_wolf", &|row| shrunk.score(row), 1e-9);
    let ecod = Ecod::fit(&train).unwrap();
    check("ecod_fixed_reference", &|row| ecod.score(row), 1e-9);
    let ones = Neighbors::fit(&train, vec![1.0; features]).unwrap();
    check("knn5_largest", &|row| ones.score(row), 1e-5);
    let conformal = |scores: Vec<f64>, key: &str, score: &dyn Fn(&[f64]) -> f64| {
        let mut sorted = scores;
        sorted.sort_by(f64::total_cmp);
        let expect = list(&values[key]);
        let got: Vec<f64> = queries.iter().map(|row| p_value(&sorted, score(row))).collect();
        assert_eq!(got, expect, "{key}");
    };
    let scores: Vec<f64> = calibration.iter().map(|row| ecod.score(row)).collect();
    conformal(scores, "conformal_p_ecod_fixed_reference", &|row| ecod.score(row));
    let neighbors = Neighbors::fit(&train, units(&train)).unwrap();
    let mut scores: Vec<f64> = calibration.iter().map(|row| neighbors.score(row)).collect();
    scores.sort_by(f64::total_cmp);
    for (got, expect) in scores.iter().zip(list(&values["calibration_scores_knn5_scaled"])) {
        close("scaled", *got, expect, 1e-5);
    }
    conformal(scores, "conformal_p_knn5_scaled", &|row| neighbors.score(row));
}

/// Of rows like those of calibration, no more are called strange than was promised, up to what 99 % of draws would show.
#[test]
fn the_false_alarm_rate_is_a_promise() {
    for name in ["breast_cancer", "digits"] {
        let [train, calibration, test] = ["train", "calib", "test"].map(|part| dataset(name, part));
        let of = |part: &crate::fixtures::Dataset| Rows::new(&part.values, part.features).unwrap().count();
        let rows = |part| -> &crate::fixtures::Dataset { part };
        let fit = Screen::fit(
            &Rows::new(&train.values, train.features).unwrap(),
            &train.labels,
            &Rows::new(&rows(&calibration).values, train.features).unwrap(),
            ScreenConfig { alpha_min: 0.05 },
        )
        .unwrap();
        let test_rows = Rows::new(&test.values, test.features).unwrap();
        let strange = test_rows.iter().filter(|row| fit.look(row).is_strange(0.05)).count();
        let (n, m) = (of(&test) as f64, of(&calibration) as f64);
        // Both the test rows and the calibration rows are a draw.
        let sd = (0.05 * 0.95 * (1.0 / n + 1.0 / m)).sqrt();
        let rate = strange as f64 / n;
        assert!(rate <= 0.05 + 2.6 * sd, "{name}: {rate}");
        // And it does see what is foreign.
        let mut draws = Draws::new(9);
        let foreign = (0..200).filter(|_| {
            let row: Vec<f64> =
                fit.ranges().iter().map(|(low, high)| low + (high - low) * draws.uniform()).collect();
            fit.look(&row).is_strange(0.05)
        });
        assert!(foreign.count() >= 195, "{name}");
        let read: Screen = serde_json::from_str(&serde_json::to_string(&fit).unwrap()).unwrap();
        let first = test_rows.iter().next().unwrap();
        assert_eq!(read.look(first), fit.look(first));
        let outside: Vec<f64> = first.iter().map(|_| 1e9).collect();
        assert_eq!(fit.look(&outside).out_of_range, test.features);
        assert_eq!(fit.look(&[f64::NAN]).out_of_range, test.features);
    }
}

#[test]
fn what_cannot_be_promised_is_refused() {
    let values: Vec<f64> = (0..200).map(f64::from).collect();
    let rows = Rows::new(&values, 2).unwrap();
    let labels = vec![0; 100];
    let few = Rows::new(&values[..100], 2).unwrap();
    let fit = |calibration: &Rows<'_>, labels: &[usize], alpha_min| {
        Screen::fit(&rows, labels, calibration, ScreenConfig { alpha_min })
    };
    let too_few = CalibrateError::TooFew { rows: 50, needed: 199 };
    assert_eq!(fit(&few, &labels, 0.01).unwrap_err(), AnomalyError::Promise(too_few));
    assert!(fit(&few, &labels, 0.05).is_ok());
    let mut lonely = labels.clone();
    lonely[0] = 1;
    let error = AnomalyError::TooFew { class: 1, rows: 1, needed: ROWS_MIN };
    assert_eq!(fit(&few, &lonely, 0.05).unwrap_err(), error);
    lonely[0] = usize::MAX;
    assert!(matches!(fit(&few, &lonely, 0.05), Err(AnomalyError::TooFew { class: 1, rows: 0, .. })));
    assert_eq!(Rows::new(&[1.0, f64::NAN], 1).unwrap_err(), AnomalyError::NotFinite(1));
    assert_eq!(Rows::new(&[1.0; 3], 2).unwrap_err(), AnomalyError::Shape);
    assert!(serde_json::from_str::<Screen>("{}").is_err());
}
