//! Figures against hand-made and brute-force ones. Agreement with scikit-learn on real models is tested from outside.

use mantlet_gate::output::{Guesses, Scores};
use mantlet_types::{
    Contract, Datatype, Sha256, TensorSpec, Version,
    contract::{Confidence, Disclosure, Fallback, Feature, FeatureKind, Judgment, Label, Layout, Task},
    question::Scalar,
};

use super::*;
use crate::random::Random;

pub(super) fn contract(task: Task, confidence: Confidence) -> Contract {
    let number = || FeatureKind::Number { seen: None, accepted: None };
    let feature = |name: &str| Feature { name: name.into(), kind: number(), optional: false, sensitivity: 1 };
    let spec = |name: &str, shape: Vec<Option<usize>>| TensorSpec {
        name: name.into(),
        datatype: Datatype::Fp32,
        shape,
    };
    Contract {
        model: "sample".parse().unwrap(),
        version: Version::FIRST,
        project: "home".parse().unwrap(),
        digest: Sha256([7; 32]),
        inputs: vec![spec("x", vec![None, Some(2)])],
        outputs: vec![spec("y", vec![None, None])],
        features: vec![feature("a"), feature("b")],
        layout: Layout::Matrix,
        task,
        judgment: Judgment { confidence, threshold: 0.7, fallback: Fallback::default() },
        disclosure: Disclosure::default(),
        options: Vec::new(),
        batch_rows_max: 1_000,
    }
}

pub(super) fn classifier(labels: &[&str]) -> Contract {
    let label = |(index, text): (usize, &&str)| Label {
        text: (*text).into(),
        number: i64::try_from(index).ok().map(|index| index * 10),
    };
    let labels = labels.iter().enumerate().map(label).collect();
    let task = Task::Classify { probabilities: 0, label: None, labels };
    contract(task, Confidence::Probability { temperature: 1.0 })
}

fn key(truths: Truths) -> Key {
    Key { truths, target: "t".into(), slices: Vec::new(), data: mantlet_types::Sha256([7; 32]) }
}

/// What a model without a temperature would give for these probabilities.
pub(super) fn scores(probabilities: &[&[f64]]) -> Scores {
    let best = |row: &&[f64]| {
        let mut best = 0;
        (0..row.len()).for_each(|index| {
            if row[index] > row[best] {
                best = index;
            }
        });
        best
    };
    let said: Vec<usize> = probabilities.iter().map(best).collect();
    let confidence: Vec<Option<f64>> =
        probabilities.iter().zip(&said).map(|(row, said)| Some(row[*said])).collect();
    Scores {
        rows: (0..probabilities.len()).collect(),
        alike: (0..probabilities.len() as u32).collect(),
        refused: 0,
        served: confidence.iter().map(|confidence| confidence.unwrap() >= 0.7).collect(),
        confidence,
        guesses: Guesses::Classes { probabilities: probabilities.concat(), are_probabilities: true, said },
    }
}

#[track_caller]
fn check(estimate: Option<Estimate>, expect: f64) {
    let value = estimate.expect("a figure").value;
    assert!((value - expect).abs() < 1e-12, "{value} is not {expect}");
}

#[test]
fn four_rows_by_hand() {
    let scores = scores(&[&[0.1, 0.9], &[0.4, 0.6], &[0.6, 0.4], &[0.8, 0.2]]);
    let report = report(&classifier(&["no", "yes"]), &key(Truths::Classes(vec![1, 0, 1, 0])), &scores);
    let report = report.unwrap();
    let all = report.classification.as_ref().unwrap();
    check(Some(all.figures.accuracy), 0.5);
    // Of the four pairs, only that of 0.4 and 0.6 is in the wrong order.
    check(all.figures.roc_auc, 0.75);
    check(all.figures.log_loss, -(0.9_f64.ln() + 0.4_f64.ln() + 0.4_f64.ln() + 0.8_f64.ln()) / 4.0);
    check(all.figures.brier, (0.01 + 0.36 + 0.36 + 0.04) / 4.0);
    // One bin has both rows of confidence 0.6, of which none is right.
    check(all.figures.ece, (0.1 + 1.2 + 0.2) / 4.0);
    assert_eq!(all.reliability.iter().map(|bin| bin.rows).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(all.confusion, [[1, 1], [1, 1]]);
    check(Some(all.served.coverage), 0.5);
    check(all.served.accuracy, 1.0);
    for class in &all.classes {
        assert_eq!(class.support, 2);
        for figure in [class.precision, class.recall, class.f1] {
            check(figure, 0.5);
        }
        check(class.roc_auc, 0.75);
    }
    assert_eq!(all.positive.as_deref(), Some("yes"));
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report, "the document says all of it");
}

#[test]
fn an_impossible_truth_costs_as_much_as_a_double_can_tell() {
    let scores = scores(&[&[1.0, 0.0], &[0.5, 0.5]]);
    let report = report(&classifier(&["no", "yes"]), &key(Truths::Classes(vec![1, 0])), &scores).unwrap();
    let figures = report.classification.unwrap().figures;
    check(figures.log_loss, f64::midpoint(-f64::EPSILON.ln(), 2.0_f64.ln()));
}

#[test]
fn three_classes_and_a_brute_force_of_each() {
    let mut draws = Random::new(3);
    let rows: Vec<Vec<f64>> = (0..120)
        .map(|_| {
            let weights: Vec<f64> = (0..3).map(|_| (draws.below(9) + 1) as f64).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().map(|weight| weight / sum).collect()
        })
        .collect();
    let truths: Vec<usize> = (0..120).map(|row| (row + draws.below(2)) % 3).collect();
    let slices: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let scores = scores(&slices);
    let report = report(&classifier(&["a", "b", "c"]), &key(Truths::Classes(truths.clone())), &scores);
    let all = report.unwrap().classification.unwrap();
    let area = |class: usize| {
        let (mut sum, mut pairs) = (0.0, 0.0);
        for (one, truth) in truths.iter().enumerate().filter(|(_, truth)| **truth == class) {
            for (other, _) in truths.iter().enumerate().filter(|(_, other)| *other != truth) {
                let difference = rows[one][class] - rows[other][class];
                sum += if difference > 0.0 {
                    1.0
                } else if difference == 0.0 {
                    0.5
                } else {
                    0.0
                };
                pairs += 1.0;
            }
        }
        sum / pairs
    };
    check(all.figures.roc_auc, (area(0) + area(1) + area(2)) / 3.0);
    let brier: f64 = rows
        .iter()
        .zip(&truths)
        .flat_map(|(row, truth)| {
            row.iter().enumerate().map(move |(class, p)| (p - f64::from(u8::from(class == *truth))).powi(2))
        })
        .sum();
    check(all.figures.brier, brier / 120.0);
    assert!(all.roc.is_empty() && all.positive.is_none());
    for (class, found) in all.classes.iter().enumerate() {
        check(found.roc_auc, area(class));
        let said = scores_said(&scores);
        let count = |is: &dyn Fn(usize) -> bool| (0..120).filter(|row| is(*row)).count() as f64;
        let both = count(&|row| said[row] == class && truths[row] == class);
        let (said_count, support) = (count(&|row| said[row] == class), count(&|row| truths[row] == class));
        check(found.precision, both / said_count);
        check(found.recall, both / support);
        check(found.f1, 2.0 * both / (said_count + support));
    }
    // Every interval holds its figure.
    for estimate in [Some(all.figures.accuracy), all.figures.roc_auc, all.figures.log_loss, all.figures.brier]
    {
        let estimate = estimate.unwrap();
        let interval = estimate.interval.unwrap();
        assert!(interval.low < estimate.value && estimate.value < interval.high, "{estimate:?}");
    }
}

fn scores_said(scores: &Scores) -> &[usize] {
    match &scores.guesses {
        Guesses::Classes { said, .. } => said,
        Guesses::Numbers { .. } => &[],
    }
}

#[test]
fn a_figure_that_the_rows_do_not_define_is_absent() {
    // Nobody is of class c, and nobody is said to be.
    let scores = scores(&[&[0.8, 0.1, 0.1], &[0.2, 0.7, 0.1]]);
    let report = report(&classifier(&["a", "b", "c"]), &key(Truths::Classes(vec![0, 1])), &scores).unwrap();
    let all = report.classification.unwrap();
    assert_eq!(all.figures.roc_auc, None);
    let none = &all.classes[2];
    assert_eq!(
        (none.support, none.precision, none.recall, none.f1, none.roc_auc),
        (0, None, None, None, None)
    );
    // Scores that are no probabilities order the rows, and no loss can be taken of them.
    let mut plain = scores_of_kind(false);
    let key = key(Truths::Classes(vec![0, 1]));
    let all = super::report(&classifier(&["a", "b"]), &key, &plain).unwrap().classification.unwrap();
    assert_eq!((all.figures.log_loss, all.figures.brier, all.figures.ece), (None, None, None));
    check(all.figures.roc_auc, 1.0);
    // Truths and scores of different kinds, or of different lengths, are no report.
    assert_eq!(
        super::report(&classifier(&["a", "b"]), &super::tests::key(Truths::Numbers(vec![1.0; 2])), &plain),
        None
    );
    plain.rows = vec![0, 2];
    assert_eq!(super::report(&classifier(&["a", "b"]), &key, &plain), None);
}

fn scores_of_kind(are_probabilities: bool) -> Scores {
    let mut scores = scores(&[&[3.0, -1.0], &[-2.0, 5.0]]);
    if let Guesses::Classes { are_probabilities: is, .. } = &mut scores.guesses {
        *is = are_probabilities;
    }
    scores.confidence = vec![None; 2];
    scores
}

#[test]
fn numbers_by_hand() {
    let confidence = Confidence::Interval { coverage: 0.9, half_width: 2.0, width_max: None };
    let contract = contract(Task::Regress { value: 0 }, confidence);
    let scores = Scores {
        rows: vec![0, 2, 3],
        alike: vec![0, 1, 2],
        refused: 1,
        guesses: Guesses::Numbers { values: vec![1.0, 4.0, 9.0], half_width: Some(2.0) },
        confidence: vec![Some(0.9); 3],
        served: vec![true, true, false],
    };
    // The second row was refused, so its truth counts for nothing.
    let report = report(&contract, &key(Truths::Numbers(vec![2.0, 1e9, 6.0, 4.0])), &scores).unwrap();
    assert_eq!((report.rows.given, report.rows.refused, report.rows.evaluated), (4, 1, 3));
    let all = report.regression.unwrap();
    check(Some(all.figures.mae), (1.0 + 2.0 + 5.0) / 3.0);
    check(Some(all.figures.rmse), (30.0_f64 / 3.0).sqrt());
    // The truths 2, 6 and 4 lie 8 about their mean.
    check(all.figures.r2, 1.0 - 30.0 / 8.0);
    let interval = all.figures.interval.unwrap();
    check(Some(interval.coverage), 2.0 / 3.0);
    assert_eq!((interval.promised, interval.width), (0.9, 4.0));
    check(Some(all.served.coverage), 2.0 / 3.0);
}

#[test]
fn slices_hold_every_row_once_and_the_same_rows_give_the_same_report() {
    let rows: Vec<[f64; 2]> =
        (0..90).map(|row| [f64::from(row) / 90.0, 1.0 - f64::from(row) / 90.0]).collect();
    let slices: Vec<&[f64]> = rows.iter().map(<[f64; 2]>::as_slice).collect();
    let truths = Truths::Classes((0..90).map(|row| usize::from(row % 3 == 1)).collect());
    let value = |row: usize| Some(if row.is_multiple_of(2) { "even" } else { "odd" }.into());
    let slice = Slice { column: "half".into(), values: (0..90).map(value).collect(), is_number: false };
    let key = Key { slices: vec![slice], ..key(truths) };
    let (contract, scores) = (classifier(&["a", "b"]), scores(&slices));
    let first = report(&contract, &key, &scores).unwrap();
    assert_eq!(report(&contract, &key, &scores), Some(first.clone()));
    let groups = &first.slices[0].groups;
    assert_eq!(groups.iter().map(|group| group.rows).sum::<usize>(), 90);
    // The mean of the halves' figures is that of the whole.
    let accuracy = |figures: &ClassFigures| figures.accuracy.value;
    let halves: f64 = groups.iter().map(|group| accuracy(group.classification.as_ref().unwrap())).sum();
    assert!((halves / 2.0 - accuracy(&first.classification.unwrap().figures)).abs() < 1e-12);
}

#[test]
fn tables_say_what_is_wrong_with_them_by_number() {
    let contract = classifier(&["no", "yes"]);
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let new = |names: &[&str], slices: &[&str]| {
        Sheet::new(&contract, &columns(names), "t", &columns(slices)).map(|_| ())
    };
    assert_eq!(new(&["a", "b", "t"], &["t"]), Ok(()));
    assert_eq!(new(&["a", "b"], &[]), Err(SheetError::NoTarget));
    assert_eq!(new(&["a", "t"], &[]), Err(SheetError::Missing("b".into())));
    assert_eq!(new(&["a", "b", "a", "t"], &[]), Err(SheetError::Twice(3)));
    assert_eq!(new(&["a", "b", "t", "c"], &[]), Err(SheetError::Unknown(4)));
    assert_eq!(new(&["a", "b", "t", "c"], &["c"]), Ok(()));
    assert_eq!(new(&["a", "b", "t"], &["c"]), Err(SheetError::NoSlice(1)));
    assert_eq!(new(&["a", "b", "t"], &["t"; 9]), Err(SheetError::Slices));
    let names = columns(&["t", "b", "a"]);
    let mut sheet = Sheet::new(&contract, &names, "t", &[]).unwrap();
    let text = |text: &str| Scalar::Text(text.into());
    // The author's text and the model's own value name a class alike.
    sheet.push(&[text("yes"), text(" 2 "), Scalar::Number(1.0)]).unwrap();
    sheet.push(&[text("0"), text("nan"), text("x")]).unwrap();
    sheet.push(&[Scalar::Number(10.0), text(""), Scalar::Bool(true)]).unwrap();
    assert_eq!(sheet.push(&[text("maybe"), text("1"), text("1")]), Err(SheetError::Class(4)));
    assert_eq!(sheet.push(&[text("yes")]), Err(SheetError::Width(4)));
    let labelled = sheet.finish();
    assert!(labelled.is_ok_and(|labelled| labelled.rows.len() >= 3));
    let opaque = super::tests::contract(Task::Opaque, Confidence::None);
    assert_eq!(Sheet::new(&opaque, &names, "t", &[]).map(|_| ()).unwrap_err(), SheetError::Unfit);
    assert_eq!(Sheet::new(&contract, &names, "t", &[]).unwrap().finish().unwrap_err(), SheetError::Empty);
}
