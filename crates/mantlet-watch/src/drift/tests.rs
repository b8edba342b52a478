//! Against other tools' verdicts, by simulation with fixed seeds, and rules that hold for all rows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    compat::{evidently, nannyml},
    number::NumberReference,
    *,
};
use crate::{
    fixtures::{Draws, cases, close, json, number},
    stats::{Method, Sorted, ks, wasserstein},
};

fn numbers(values: &[f64]) -> Values {
    Values::Numbers(values.iter().copied().map(Some).collect())
}

fn texts(values: &[&str]) -> Values {
    Values::Categories(values.iter().map(|text| Some((*text).into())).collect())
}

fn column(case: &crate::fixtures::Case, key: &str) -> evidently::Column {
    if case.is_numeric() {
        return evidently::Column::Numbers(Sorted::new(case.numbers(key)).unwrap());
    }
    let mut counts = BTreeMap::new();
    for text in case.texts(key) {
        *counts.entry(text.into()).or_insert(0) += 1;
    }
    evidently::Column::Categories(counts)
}

const NAMES: [evidently::Name; 12] = [
    evidently::Name::Ks,
    evidently::Name::Wasserstein,
    evidently::Name::Psi,
    evidently::Name::JensenShannon,
    evidently::Name::KullbackLeibler,
    evidently::Name::Hellinger,
    evidently::Name::CramerVonMises,
    evidently::Name::MannWhitney,
    evidently::Name::Energy,
    evidently::Name::TTest,
    evidently::Name::ChiSquare,
    evidently::Name::Z,
];

#[test]
fn evidently_would_say_the_same() {
    let expect = json("evidently");
    let mut seen = 0;
    for case in cases() {
        let (reference, current) = (column(&case, "reference"), column(&case, "current"));
        let values = expect["values"][&case.name].as_object().unwrap();
        for (key, value) in values {
            let name = match key.as_str() {
                "default" => {
                    let name = evidently::choice(&reference, &current);
                    assert_eq!(value["stattest"], name.stated(), "{}", case.name);
                    name
                }
                key => match NAMES.iter().find(|name| name.stated() == key) {
                    Some(name) => *name,
                    // Drawn at random or interpolated from tables there.
                    None => continue,
                },
            };
            // z is asked of two values only, and of more it has no meaning; a failed test has no values.
            let (Some(threshold), Some(drifted)) = (value["threshold"].as_f64(), value["drifted"].as_bool())
            else {
                continue;
            };
            let got = evidently::test(name, &reference, &current).unwrap();
            let what = format!("{} {key}", case.name);
            assert_eq!(got.threshold, threshold, "{what}");
            match value["score"].as_f64() {
                Some(score) if matches!(name, evidently::Name::CramerVonMises | evidently::Name::Z) => {
                    assert!(
                        (got.score - score).abs() <= 1e-8 * score + 1e-13,
                        "{what}: {} {score}",
                        got.score
                    );
                }
                Some(score) => close(&what, got.score, score, 1e-8),
                None => assert!(got.score.is_nan(), "{what}"),
            }
            assert_eq!(got.is_drift, drifted, "{what}");
            seen += 1;
        }
    }
    assert!(seen > 180, "only {seen} verdicts were compared");
}

#[test]
fn nannyml_would_say_the_same() {
    let expect = json("nannyml");
    for case in cases() {
        let of = |key: &str| number(&expect["values"][&case.name][key]);
        let what = case.name.as_str();
        if case.is_numeric() {
            let sample = |key| Sorted::new(case.numbers(key)).unwrap();
            let got = nannyml::continuous(&sample("reference"), &sample("current")).unwrap();
            close(what, got.kolmogorov_smirnov, of("kolmogorov_smirnov"), 1e-9);
            close(what, got.wasserstein, of("wasserstein"), 1e-9);
            close(what, got.jensen_shannon, of("jensen_shannon"), 1e-9);
            close(what, got.hellinger, of("hellinger"), 1e-9);
        } else {
            let scipy = json("scipy");
            let list = |key: &str| -> Vec<f64> {
                scipy["values"][&case.name][key].as_array().unwrap().iter().map(number).collect()
            };
            let got = nannyml::categorical(&list("reference"), &list("current")).unwrap();
            close(what, got.chi2.statistic, of("chi2"), 1e-9);
            close(what, got.jensen_shannon, of("jensen_shannon"), 1e-9);
            close(what, got.l_infinity, of("l_infinity"), 1e-9);
            close(what, got.hellinger, of("hellinger"), 1e-9);
        }
    }
}

/// Ten normal and ten log-normal columns, some of them shifted by so many standard deviations.
fn rows(draws: &mut Draws, rows: usize, shifted: usize, shift: f64) -> Vec<Values> {
    (0..20)
        .map(|column| {
            let shift = if column % 10 < shifted && column < 10 { shift } else { 0.0 };
            let value = |draws: &mut Draws| {
                let normal = draws.normal() + shift;
                if column < 10 { normal } else { (normal / 2.0).exp() }
            };
            Values::Numbers((0..rows).map(|_| Some(value(draws))).collect())
        })
        .collect()
}

fn reference(draws: &mut Draws) -> Reference {
    let names: Vec<String> = (0..20).map(|i| format!("x{i}")).collect();
    let columns = rows(draws, 10_000, 0, 0.0);
    Reference::new(names.iter().map(String::as_str).zip(&columns)).unwrap()
}

/// No drift: at most 2 % of windows raise an alarm. A quarter of a standard deviation in 3 of 20 columns: at 500 rows 97 % do.
#[test]
fn noise_raises_no_alarm_and_a_shift_does() {
    let mut draws = Draws::new(7);
    let reference = reference(&mut draws);
    let mut share = |size: usize, windows: usize, shift: f64| {
        let alarms = (0..windows)
            .filter(|_| {
                check(&reference, &rows(&mut draws, size, 3, shift), &Rules::default()).unwrap().alarms > 0
            })
            .count();
        alarms as f64 / windows as f64
    };
    for (size, windows) in [(100, 100), (250, 60), (500, 60), (1_000, 40), (5_000, 10)] {
        let share = share(size, windows, 0.0);
        assert!(share <= 0.02, "{share} of windows of {size} rows without drift");
    }
    assert!(share(500, 60, 0.25) >= 0.97);
    // Significant at 5,000 rows, and too small to matter.
    assert_eq!(share(5_000, 10, 0.03), 0.0);
}

#[test]
fn what_is_significant_and_small_is_said_to_be_so() {
    let mut draws = Draws::new(3);
    let reference = reference(&mut draws);
    let report = check(&reference, &rows(&mut draws, 20_000, 1, 0.06), &Rules::default()).unwrap();
    let first = report.columns.first().unwrap();
    assert_eq!((report.alarms, first.outcome), (0, Outcome::Small), "{first:?}");
}

fn small() -> Reference {
    let city: Vec<&str> = ["a", "b", "b", "c"].repeat(100);
    let age: Vec<f64> = (0..400).map(f64::from).collect();
    let flat = vec![5.0; 400];
    Reference::new([("age", &numbers(&age)), ("city", &texts(&city)), ("flat", &numbers(&flat))]).unwrap()
}

#[test]
fn new_categories_missing_values_and_a_constant_that_moves_are_told() {
    let reference = small();
    let age: Vec<Option<f64>> = (0..200).map(|i| (i % 4 != 0).then(|| f64::from(i * 2))).collect();
    let city: Vec<&str> = ["a", "b", "z", "c"].repeat(50);
    let window = [Values::Numbers(age), texts(&city), numbers(&[6.0; 200])];
    let report = check(&reference, &window, &Rules::default()).unwrap();
    let [age, city, flat] = report.columns.as_slice() else { panic!("{report:?}") };
    assert_eq!(age.reasons, [Reason::Missing]);
    assert!(city.reasons.contains(&Reason::NewCategories));
    assert_eq!(city.new_categories, ["z".into()]);
    assert_eq!(flat.reasons, [Reason::Distribution]);
    assert_eq!(flat.effects.as_ref().unwrap().shift, None, "a constant has no unit");
}

#[test]
fn rows_that_do_not_fit_are_refused_by_name() {
    let reference = small();
    let good = [numbers(&[1.0; 40]), texts(&["a"; 40]), numbers(&[5.0; 40])];
    let check = |window: &[Values]| super::check(&reference, window, &Rules::default());
    assert!(check(&good).is_ok());
    assert_eq!(check(&good[..2]), Err(DriftError::Columns { expected: 3, got: 2 }));
    let mut bad = good.clone();
    bad[0] = numbers(&[f64::NAN]);
    assert_eq!(check(&bad), Err(DriftError::NotFinite("age".into())));
    bad[0] = texts(&["a"; 40]);
    assert_eq!(check(&bad), Err(DriftError::Kind("age".into())));
    bad[0] = numbers(&[1.0; 40]);
    bad[1] = texts(&["a"; 39]);
    assert_eq!(check(&bad), Err(DriftError::Ragged("city".into())));
    assert_eq!(check(&[numbers(&[]), texts(&[]), numbers(&[])]), Err(DriftError::Empty));
    let void = Values::Numbers(vec![None; 3]);
    assert_eq!(Reference::new([("a", &void)]).unwrap_err(), DriftError::Void("a".into()));
    let one = numbers(&[1.0]);
    assert_eq!(Reference::new([("a", &one), ("a", &one)]).unwrap_err(), DriftError::Twice("a".into()));
    assert_eq!(Reference::new([]).unwrap_err(), DriftError::NoColumns);
    assert_eq!(Rules { alpha: 1.0, ..Rules::default() }.check(), Err(RulesError("alpha")));
}

#[test]
fn too_few_values_are_not_judged() {
    let report =
        check(&small(), &[numbers(&[9e9; 29]), texts(&["z"; 29]), numbers(&[5.0; 29])], &Rules::default())
            .unwrap();
    assert!(report.columns.iter().all(|column| column.outcome == Outcome::TooFew), "{report:?}");
    assert_eq!(report.columns[1].new_categories, ["z".into()], "a new category is named all the same");
}

fn rules() -> Rules {
    Rules { fast_rows: 50, fast_step: 25, slow_rows: 200, ..Rules::default() }
}

fn watch() -> Monitor {
    Monitor::new(small().into(), rules()).unwrap()
}

fn row(i: u64) -> [Cell<'static>; 3] {
    let city = ["a", "b", "b", "c"][i as usize % 4];
    [Cell::Number((i * 37 % 400) as f64), Cell::Category(city), Cell::Number(5.0)]
}

fn windows(events: &[Event]) -> Vec<&WindowReport> {
    events
        .iter()
        .filter_map(|event| if let Event::Window(report) = event { Some(&**report) } else { None })
        .collect()
}

#[test]
fn windows_come_when_they_are_due() {
    let mut monitor = watch();
    let mut seen = Vec::new();
    for i in 1..=210 {
        let events = monitor.observe(&row(i), i).unwrap();
        seen.extend(windows(&events).into_iter().map(|report| (report.window, report.first, report.last)));
    }
    let fast = [50, 75, 100, 125, 150, 175, 200].map(|last| (WindowKind::Fast, last - 49, last));
    let mut expect = fast.to_vec();
    expect.push((WindowKind::Slow, 1, 200));
    assert_eq!(seen, expect);
    let rest = monitor.finish().unwrap().unwrap();
    assert_eq!((rest.first, rest.last), (161, 210));
    assert_eq!(monitor.finish().unwrap(), None);
}

#[test]
fn a_new_category_is_named_in_the_row_that_has_it() {
    let mut monitor = watch();
    let mut strange = row(1);
    strange[1] = Cell::Category("z");
    let expect = Event::NewCategory { column: "city".into(), category: "z".into(), row: 1 };
    assert_eq!(monitor.observe(&strange, 1).unwrap(), [expect]);
    assert_eq!(monitor.observe(&strange, 1).unwrap(), [], "once");
}

#[test]
fn a_refused_row_is_not_counted() {
    let mut monitor = watch();
    let before = monitor.state().clone();
    let mut bad = row(1);
    bad[2] = Cell::Number(f64::INFINITY);
    assert_eq!(monitor.observe(&bad, 1), Err(DriftError::NotFinite("flat".into())));
    assert_eq!(*monitor.state(), before);
}

#[test]
fn a_restart_in_mid_window_changes_nothing() {
    let (mut whole, mut restarted) = (watch(), watch());
    for i in 1..=333 {
        let text = serde_json::to_string(restarted.state()).unwrap();
        restarted = watch().resume(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(whole.observe(&row(i), i).unwrap(), restarted.observe(&row(i), i).unwrap());
    }
    assert_eq!(whole.state(), restarted.state());
}

#[test]
fn a_state_of_another_reference_is_refused() {
    let mut monitor = watch();
    monitor.observe(&row(1), 1).unwrap();
    let one = numbers(&[1.0, 2.0]);
    let other = Monitor::new(Reference::new([("age", &one)]).unwrap().into(), rules()).unwrap();
    assert_eq!(other.resume(monitor.state().clone()).unwrap_err(), DriftError::Foreign);
}

#[test]
fn replicas_add_up_to_the_slow_window_of_the_whole() {
    let (mut whole, mut one, mut two) = (watch(), watch(), watch());
    for i in 1..=190 {
        whole.observe(&row(i), i).unwrap();
        if i % 3 == 0 { &mut one } else { &mut two }.observe(&row(i), i).unwrap();
    }
    let state = two.state().clone();
    one.merge(&state).unwrap();
    for i in 191..=199 {
        whole.observe(&row(i), i).unwrap();
        one.observe(&row(i), i).unwrap();
    }
    let slow = |monitor: &mut Monitor| {
        let events = monitor.observe(&row(200), 200).unwrap();
        windows(&events).into_iter().find(|report| report.window == WindowKind::Slow).unwrap().report.clone()
    };
    let (expect, got) = (slow(&mut whole), slow(&mut one));
    assert_eq!(got.rows, 200);
    for (expect, got) in expect.columns.iter().zip(&got.columns) {
        assert_eq!((expect.outcome, expect.values), (got.outcome, got.values));
        let (expect, got) = (expect.effects.as_ref().unwrap(), got.effects.as_ref().unwrap());
        close("statistic", got.statistic, expect.statistic, 1e-12);
        close("psi", got.psi, expect.psi, 1e-12);
    }
}

#[test]
fn the_slow_window_sees_what_the_rows_show() {
    let mut draws = Draws::new(5);
    let reference = std::sync::Arc::new(reference(&mut draws));
    let window = rows(&mut draws, 5_000, 3, 0.3);
    let exact = check(&reference, &window, &Rules::default()).unwrap();
    let mut monitor = Monitor::new(reference, Rules::default()).unwrap();
    let mut slow = None;
    for i in 0..5_000 {
        let cells: Vec<Cell<'_>> = window
            .iter()
            .map(|values| match values {
                Values::Numbers(values) => Cell::Number(values[i].unwrap()),
                Values::Categories(_) => Cell::Missing,
            })
            .collect();
        let events = monitor.observe(&cells, 0).unwrap();
        slow = slow.or_else(|| windows(&events).into_iter().find(|r| r.window == WindowKind::Slow).cloned());
    }
    let slow = slow.unwrap().report;
    assert_eq!(slow.alarms, exact.alarms);
    for (slow, exact) in slow.columns.iter().zip(&exact.columns) {
        let (slow, exact) = (slow.effects.as_ref().unwrap(), exact.effects.as_ref().unwrap());
        assert!(slow.statistic <= exact.statistic + 1e-9 && exact.statistic - slow.statistic < 0.006);
        assert!(
            (slow.shift.unwrap() - exact.shift.unwrap()).abs() < 0.02,
            "{:?} {:?}",
            slow.shift,
            exact.shift
        );
    }
}

#[test]
fn a_written_reference_is_the_same() {
    let mut draws = Draws::new(5);
    let reference = reference(&mut draws);
    let window = rows(&mut draws, 300, 3, 0.3);
    let read: Reference = serde_json::from_str(&serde_json::to_string(&reference).unwrap()).unwrap();
    let rules = Rules::default();
    assert_eq!(check(&read, &window, &rules).unwrap(), check(&reference, &window, &rules).unwrap());
    assert!(serde_json::from_str::<Reference>(r#"{"columns":[]}"#).is_err());
}

#[test]
fn seasons_are_compared_with_their_own_rows() {
    let values: Vec<f64> =
        (0..200).map(|i| if i < 100 { f64::from(i % 10) } else { f64::from(i % 10) + 100.0 }).collect();
    let seasons: Vec<Box<str>> = (0..200).map(|i| if i < 100 { "winter" } else { "summer" }.into()).collect();
    let seasonal = Seasonal::new(&[("t", &numbers(&values))], &seasons).unwrap();
    let window = [numbers(&values[100..150])];
    let alarms = |season| check(seasonal.of(season).unwrap(), &window, &Rules::default()).unwrap().alarms;
    assert_eq!((alarms("summer"), alarms("winter")), (0, 1));
    assert_eq!(seasonal.of("spring").unwrap_err(), DriftError::Season("spring".into()));
}

proptest! {
    #[test]
    fn the_fast_comparison_is_the_exact_one(
        a in prop::collection::vec(prop_oneof![-50.0..50.0_f64, (-4..4).prop_map(f64::from)], 1..120),
        b in prop::collection::vec(prop_oneof![-60.0..60.0_f64, (-4..4).prop_map(f64::from)], 1..80),
    ) {
        let (a, b) = (Sorted::new(a).unwrap(), Sorted::new(b).unwrap());
        let got = NumberReference::new(&a, 10_000).apart(b.values());
        prop_assert!((got.ks - ks(&a, &b, Method::Asymptotic).statistic).abs() < 1e-12);
        prop_assert!((got.wasserstein - wasserstein(&a, &b)).abs() < 1e-9);
    }

    #[test]
    fn any_state_that_is_read_is_one_or_refused(text in "\\PC{0,200}") {
        let _ = serde_json::from_str::<MonitorState>(&text);
        let _ = serde_json::from_str::<Reference>(&text);
    }
}
