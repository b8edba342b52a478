//! Differences by hand, and statistics against SciPy 1.17 and a printed example. Agreement with single answers of served
//! models is tested from outside.

use std::sync::Arc;

use mantlet_types::contract::Confidence;

use super::{
    super::{
        interval::Method,
        tests::{classifier, contract, scores},
    },
    *,
};

fn side(contract: Contract, scores: Scores) -> Side {
    Side { contract: Arc::new(contract), scores, us_per_row: 1.0 }
}

/// Probabilities of the second of two classes.
fn of_two(seconds: &[f64]) -> Scores {
    let rows: Vec<[f64; 2]> = seconds.iter().map(|second| [1.0 - second, *second]).collect();
    scores(&rows.iter().map(<[f64; 2]>::as_slice).collect::<Vec<_>>())
}

fn contrast(given: usize, truths: Option<Truths>) -> Contrast {
    let target = truths.is_some().then(|| "t".to_owned());
    Contrast { given, truths, target }
}

fn close(found: f64, expect: f64) {
    assert!((found - expect).abs() <= 1e-12 * expect.abs().max(1e-3), "{found:e} is not {expect:e}");
}

fn right(only_live: usize, only_candidate: usize, both: usize, neither: usize) -> Vec<[bool; 2]> {
    [
        ([true, false], only_live),
        ([false, true], only_candidate),
        ([true, true], both),
        ([false, false], neither),
    ]
    .into_iter()
    .flat_map(|(pair, rows)| std::iter::repeat_n(pair, rows))
    .collect()
}

#[test]
fn mcnemar_gives_what_the_binomial_test_gives() {
    // scipy.stats.binomtest(b, b + c).pvalue
    for (only_live, only_candidate, p) in [
        (3, 12, 0.035_156_25),
        (400, 520, 8.549_170_923_883_781e-5),
        (0, 5, 0.0625),
        (4, 4, 1.0),
        (2100, 2300, 0.002_695_431_506_112_453),
        (0, 0, 1.0),
    ] {
        let test = mcnemar(&right(only_live, only_candidate, 7, 2));
        assert_eq!((test.only_live_right, test.only_candidate_right), (only_live, only_candidate));
        assert!((test.p - p).abs() < 1e-9 * p, "{} is not {p}", test.p);
    }
    let extreme = mcnemar(&right(100_000, 0, 0, 0));
    assert!(extreme.p >= 0.0 && extreme.p < 1e-300, "{}", extreme.p);
}

#[test]
fn a_difference_of_accuracies_has_the_interval_that_agresti_and_min_printed() {
    // 1,600 people asked twice: 794 and 570 said the same, 150 turned away and 86 came over: 0.04 ± 0.019.
    let paired = agreement(&right(150, 86, 794, 570)).unwrap();
    close(paired.difference.value, -0.04);
    close(paired.live.value, 944.0 / 1600.0);
    let interval = paired.difference.interval.unwrap();
    assert_eq!(interval.method, Method::AgrestiMin);
    assert!((interval.low + 0.0587).abs() < 5e-5 && (interval.high + 0.0212).abs() < 5e-5, "{interval:?}");
    // Where both always agree it does not collapse to a point.
    let interval = agreement(&right(0, 0, 30, 0)).unwrap().difference.interval.unwrap();
    assert!(interval.low < -0.03 && interval.high > 0.03, "{interval:?}");
}

#[test]
fn quantiles_are_those_of_numpy_and_never_about_few_rows() {
    let values = |rows: u32| (0..rows).map(|row| f64::from(row * 37 % 101) / 10.0).collect::<Vec<f64>>();
    let found = spread(values(200)).unwrap();
    close(found.mean.value, 5.0045);
    let interval = found.mean.interval.unwrap();
    close(interval.high - found.mean.value, 0.406_230_331_128_762_2);
    let expect = [(0.05, 0.495), (0.25, 2.475), (0.5, 5.0), (0.75, 7.525), (0.95, 9.505)];
    assert_eq!(found.quantiles.len(), expect.len(), "one row in a hundred would be two");
    for (quantile, (at, value)) in found.quantiles.iter().zip(expect) {
        close(quantile.at, at);
        close(quantile.value, value);
    }
    let few = spread(values(30)).unwrap();
    assert_eq!(few.quantiles.iter().map(|quantile| quantile.at).collect::<Vec<_>>(), [0.5]);
    assert!(spread(Vec::new()).is_none());
}

#[test]
fn what_callers_would_notice_by_hand() {
    // Served from 0.7 on. Thirty rows stay as they are; then another class, a lost answer, a new answer.
    let mut live = vec![0.9; 30];
    let mut beside = vec![0.9; 30];
    for (before, after) in [(0.9, 0.1), (0.9, 0.2), (0.1, 0.8), (0.9, 0.6), (0.65, 0.75)] {
        live.push(before);
        beside.push(after);
    }
    let truths = (0..35).map(|row| [Some(usize::from(row != 30)); 2]).collect();
    let labels = || classifier(&["no", "yes"]);
    let contrast = contrast(35, Some(Truths::Classes(truths)));
    let found =
        comparison(&contrast, &side(labels(), of_two(&live)), &side(labels(), of_two(&beside))).unwrap();
    assert_eq!((found.changed.rows, found.rows.compared, found.rows.given), (5, 35, 35));
    close(found.changed.share.value, 5.0 / 35.0);
    let answers = found.answers.as_ref().unwrap();
    assert_eq!((answers.changed, answers.changes.as_slice(), answers.further), (3, &[][..], 3));
    let outcomes =
        Outcomes { served_by_both: 33, served_to_fallback: 1, fallback_to_served: 1, fallback_by_both: 0 };
    assert_eq!(found.outcomes, outcomes);
    close(answers.probability.as_ref().unwrap().mean.value, (0.8 + 0.7 + 0.7 + 0.3 + 0.1) / 35.0);
    let truth = found.truth.as_ref().unwrap();
    // Row 30 alone is a "no": the candidate gains it and the one behind the next, and loses the next.
    let accuracy = truth.accuracy.unwrap();
    close(accuracy.live.value, 33.0 / 35.0);
    close(accuracy.candidate.value, 34.0 / 35.0);
    let test = truth.mcnemar.unwrap();
    assert_eq!((test.only_live_right, test.only_candidate_right), (1, 2));
    let log = |p: f64| -p.ln();
    let same = 30.0 * log(0.9);
    let before = (same + log(0.1) + log(0.9) + log(0.1) + log(0.9) + log(0.65)) / 35.0;
    let after = (same + log(0.9) + log(0.2) + log(0.8) + log(0.6) + log(0.75)) / 35.0;
    let loss = truth.log_loss.unwrap();
    close(loss.live.value, before);
    close(loss.candidate.value, after);
    assert!((loss.difference.value - (after - before)).abs() < 1e-12);
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), found, "the document says all of it");
}

#[test]
fn rows_that_one_of_the_two_refuses_are_a_difference() {
    let (mut live, mut beside) = (of_two(&[0.9; 32]), of_two(&[0.9; 33]));
    // The table has 36 rows; both refuse row 0, the live version rows 1 and 5 too, and 35, the candidate 2 and 6.
    live.rows = (0..36).filter(|row| ![0, 1, 5, 35].contains(row)).collect();
    beside.rows = (0..36).filter(|row| ![0, 2, 6].contains(row)).collect();
    let labels = || classifier(&["no", "yes"]);
    let found = comparison(&contrast(36, None), &side(labels(), live), &side(labels(), beside)).unwrap();
    assert_eq!(
        (found.rows.compared, found.rows.refused_by_live_alone, found.rows.refused_by_candidate_alone),
        (30, 3, 2)
    );
    assert_eq!((found.changed.rows, found.truth), (5, None));
    close(found.changed.share.value, 5.0 / 35.0);
}

#[test]
fn fewer_rows_than_figures_may_be_about_are_not_compared() {
    let labels = || classifier(&["no", "yes"]);
    let compare = |rows: usize| {
        let scores = || of_two(&vec![0.9; rows]);
        comparison(&contrast(rows, None), &side(labels(), scores()), &side(labels(), scores()))
    };
    assert!(compare(30).is_ok());
    assert!(compare(29).unwrap_err().detail.unwrap().contains("at least 30 different rows"));
}

#[test]
fn copies_of_a_row_are_no_rows_to_compare() {
    let labels = || classifier(&["no", "yes"]);
    let side = |alike: fn(u32) -> u32| {
        let scores = Scores { alike: (0..40).map(alike).collect(), ..of_two(&[0.9; 40]) };
        side(labels(), scores)
    };
    let compare = |live, beside| comparison(&contrast(40, None), &side(live), &side(beside));
    assert!(compare(|row| row, |row| row).is_ok());
    assert!(compare(|_| 0, |_| 0).unwrap_err().detail.unwrap().ends_with("these are 1"));
    // The rows differ in what one of the two does not look at.
    assert!(compare(|_| 0, |row| row).is_err() && compare(|row| row, |row| row / 2).is_err());
}

#[test]
fn what_became_of_a_few_rows_is_told_of_no_class() {
    let labels = || classifier(&["a", "b", "c"]);
    // Twelve go from a to b, eleven from b to c, and two from c to a; forty stay.
    let (mut live, mut beside): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (Vec::new(), Vec::new());
    let sure = |class: usize| std::array::from_fn(|at| if at == class { 0.8 } else { 0.1 });
    for (rows, from, to) in [(12, 0, 1), (11, 1, 2), (2, 2, 0), (40, 0, 0)] {
        live.extend(std::iter::repeat_n(sure(from), rows));
        beside.extend(std::iter::repeat_n(sure(to), rows));
    }
    let of = |rows: &[[f64; 3]]| scores(&rows.iter().map(<[f64; 3]>::as_slice).collect::<Vec<_>>());
    let told = |live: Scores, beside: Scores| {
        let rows = live.rows.len();
        let found =
            comparison(&contrast(rows, None), &side(labels(), live), &side(labels(), beside)).unwrap();
        let answers = found.answers.unwrap();
        let listed = |change: &document::Change| (change.from.clone(), change.to.clone(), change.rows);
        (answers.changed, answers.changes.iter().map(listed).collect::<Vec<_>>(), answers.further)
    };
    // With the two goes the smaller of the others, since all changes less the rest would be theirs.
    assert_eq!(told(of(&live), of(&beside)), (25, vec![("a".into(), "b".into(), 12)], 13));
    // Twelve copies of a row are one row.
    let copies = |scores: Scores| {
        let alike = (0..scores.rows.len() as u32).map(|row| row.max(11)).collect();
        Scores { alike, ..scores }
    };
    assert_eq!(told(copies(of(&live)), copies(of(&beside))), (25, Vec::new(), 25));
}

#[test]
fn classes_go_by_their_names() {
    // The same answers under another order of the classes, and one class more.
    let live = side(classifier(&["no", "yes"]), of_two(&[0.9; 30]));
    let swapped: Vec<&[f64]> = vec![&[0.9, 0.1, 0.0]; 30];
    let beside = side(classifier(&["yes", "no", "perhaps"]), scores(&swapped));
    let truths = Truths::Classes(vec![[Some(1), Some(0)]; 30]);
    let found = comparison(&contrast(30, Some(truths)), &live, &beside).unwrap();
    assert_eq!(found.changed.rows, 0);
    let truth = found.truth.unwrap();
    close(truth.accuracy.unwrap().difference.value, 0.0);
    assert!(
        truth.log_loss.is_some() && truth.brier.is_none(),
        "two classes and three have no Brier score in common"
    );
    // A truth that only one of them knows counts against the other.
    let truths = Truths::Classes(vec![[None, Some(2)]; 30]);
    let found = comparison(&contrast(30, Some(truths)), &live, &beside).unwrap().truth.unwrap();
    assert!(found.log_loss.is_none());
    close(found.accuracy.unwrap().live.value, 0.0);
}

#[test]
fn numbers_move_by_so_much() {
    let numbers = |values: Vec<f64>, half_width| Scores {
        rows: (0..values.len()).collect(),
        alike: (0..values.len() as u32).collect(),
        refused: 0,
        confidence: vec![None; values.len()],
        served: vec![true; values.len()],
        guesses: Guesses::Numbers { values, half_width },
    };
    let contract = || contract(Task::Regress { value: 0 }, Confidence::None);
    let before: Vec<f64> = (0..40).map(f64::from).collect();
    let after: Vec<f64> = (0..40).map(|row| f64::from(row) + if row < 10 { 3.0 } else { 1.0 }).collect();
    let truths = Truths::Numbers(before.iter().map(|value| value + 1.0).collect());
    let compare = |half_width| {
        let live = side(contract(), numbers(before.clone(), half_width));
        let beside = side(contract(), numbers(after.clone(), Some(9.0)));
        comparison(&contrast(40, Some(truths.clone())), &live, &beside).unwrap()
    };
    assert_eq!(compare(None).changed.rows, 40);
    let found = compare(Some(2.0));
    assert_eq!(found.changed.rows, 10, "what stays within the live version's interval was to be expected");
    close(found.values.unwrap().mean.value, 1.5);
    let truth = found.truth.unwrap();
    close(truth.absolute_error.unwrap().live.value, 1.0);
    close(truth.absolute_error.unwrap().candidate.value, 0.5);
    close(truth.squared_error.unwrap().difference.value, 10.0 * 4.0 / 40.0 - 1.0);
}

#[test]
fn what_answers_in_different_ways_is_not_compared() {
    let numbers = contract(Task::Regress { value: 0 }, Confidence::None);
    let classes = classifier(&["no", "yes"]);
    assert!(check(&classes, &classes).is_ok() && check(&numbers, &numbers).is_ok());
    assert_eq!(check(&classes, &numbers).unwrap_err().code, Code::Conflict);
}
