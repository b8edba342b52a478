use proptest::prelude::*;

use super::{
    super::{
        Slice,
        tests::{classifier, scores},
    },
    *,
};

/// Groups of so many rows, all of them different.
fn of_sizes(sizes: &[usize]) -> Vec<Crowd> {
    let mut next = 0..;
    sizes.iter().map(|size| next.by_ref().take(*size).map(|number| [number; 2]).collect()).collect()
}

#[test]
fn a_small_group_takes_others_with_it() {
    let check =
        |sizes: &[usize], expect: &[bool]| assert_eq!(left_out(&of_sizes(sizes)), expect, "{sizes:?}");
    check(&[20, 30], &[false, false]);
    check(&[3, 20, 30], &[true, true, false]); // 20 less the rest would be the 3
    check(&[3, 7, 30], &[true, true, false]); // together they are ten
    check(&[3, 4], &[true, true]);
    check(&[0, 20, 30], &[false, false, false]); // nothing is said of nobody
}

#[test]
fn copies_of_a_row_are_that_row() {
    let copies = |numbers: &[u32]| numbers.iter().map(|number| [*number; 2]).collect::<Vec<Who>>();
    let of = |rows: usize, different: u32| {
        copies(&(0..rows as u32).map(|row| row % different).collect::<Vec<_>>())
    };
    assert!(check_rows(of(30, 30)).is_ok() && check_rows(of(300, 30)).is_ok());
    for (rows, different) in [(29, 29), (30, 1), (3_000, 29)] {
        let detail = check_rows(of(rows, different)).unwrap_err().detail.unwrap();
        assert!(detail.ends_with(&format!("these are {different}")), "{detail}");
    }
    // Thirty different rows, and one of them a hundred times more.
    let drowned = [of(30, 30), copies(&[7; 100])].concat();
    assert!(check_rows(drowned).unwrap_err().detail.unwrap().contains("more than half"));
    // Different to one of two models only: the other one was asked the same thing all the time.
    assert!(check_rows((0..30).map(|row| [row, 0])).is_err());
    assert_eq!(
        left_out(&[copies(&[1; 50]).into_iter().collect(), of(50, 50).into_iter().collect()]),
        [true, true]
    );
}

/// A classifier's report on rows of which the first is of another class than all others, and alone in every group.
fn one_against_all(single: [f64; 2]) -> (Report, Key, Scores) {
    let rows: Vec<[f64; 2]> = (0..40).map(|row| if row == 0 { single } else { [0.05, 0.95] }).collect();
    let scores = scores(&rows.iter().map(<[f64; 2]>::as_slice).collect::<Vec<_>>());
    let truths = Truths::Classes((0..40).map(|row| usize::from(row != 0)).collect());
    let value = |row: usize| Some(if row < 12 { "a" } else { "b" }.into());
    let slice = Slice { column: "c".into(), values: (0..40).map(value).collect(), is_number: false };
    let key = Key { truths, target: "t".into(), slices: vec![slice], data: mantlet_types::Sha256([7; 32]) };
    let report = super::super::report(&classifier(&["no", "yes"]), &key, &scores).unwrap();
    (report, key, scores)
}

#[test]
fn no_figure_is_about_the_only_row_of_a_class_a_bin_or_an_outcome() {
    // The one row is not served, so what the model makes of it is nobody's to know.
    let (report, key, scores) = one_against_all([0.6, 0.4]);
    let all = report.classification.as_ref().unwrap();
    assert!(
        all.figures.roc_auc.is_some() && all.served.accuracy.is_some(),
        "there is something to leave out"
    );
    assert!(
        report.slices[0].groups.iter().any(|group| group.classification.as_ref().unwrap().roc_auc.is_some())
    );
    let told = without_small_groups(report.clone(), &key, &scores);
    let all = told.classification.unwrap();
    assert_eq!((all.figures.roc_auc, all.served.accuracy), (None, None));
    assert!(all.roc.is_empty() && all.classes.is_empty() && all.confusion.is_empty());
    assert!(all.reliability.is_empty(), "the bin of the others, and all figures, would tell the one's");
    assert_eq!(all.left_out, 2);
    assert!(
        told.slices[0].groups.iter().all(|group| group.classification.as_ref().unwrap().roc_auc.is_none())
    );
    assert_eq!(told.slices[0].groups.len(), 2);
    // What is left is about all rows together.
    assert_eq!(all.figures.accuracy, report.classification.unwrap().figures.accuracy);
}

#[test]
fn a_class_of_few_rows_takes_another_with_it() {
    let rows: Vec<[f64; 3]> = (0..63)
        .map(|row| match row % 3 {
            0 => [0.8, 0.1, 0.1],
            1 => [0.1, 0.8, 0.1],
            _ => [0.1, 0.1, 0.8],
        })
        .collect();
    let scores = scores(&rows.iter().map(<[f64; 3]>::as_slice).collect::<Vec<_>>());
    // Four of the first class, 28 of the second, 31 of the third.
    let truths =
        Truths::Classes((0..63).map(|row| if row < 4 { 0 } else { 1 + usize::from(row >= 32) }).collect());
    let key = Key { truths, target: "t".into(), slices: Vec::new(), data: mantlet_types::Sha256([7; 32]) };
    let report = super::super::report(&classifier(&["a", "b", "c"]), &key, &scores).unwrap();
    let all = without_small_groups(report, &key, &scores).classification.unwrap();
    assert_eq!(all.classes.iter().map(|class| class.label.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(all.confusion.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 3]);
    assert_eq!((all.left_out, all.classes[0].support), (2, 31));
}

proptest! {
    #[test]
    fn what_is_shown_and_what_is_not_are_no_few_rows(
        groups in prop::collection::vec(prop::collection::vec(0_u32..25, 0..40), 0..12),
    ) {
        let crowd = |rows: &Vec<u32>| rows.iter().map(|number| [*number; 2]).collect::<Crowd>();
        let crowds: Vec<Crowd> = groups.iter().map(crowd).collect();
        let left_out = left_out(&crowds);
        // Counted anew, by sorting.
        let is_few = |rows: &[u32]| {
            let mut sorted = rows.to_vec();
            sorted.sort_unstable();
            let runs: Vec<usize> = sorted.chunk_by(|one, other| one == other).map(<[u32]>::len).collect();
            !rows.is_empty() && (runs.len() < 10 || runs.iter().any(|run| run * 2 > rows.len()))
        };
        let hidden: Vec<u32> =
            groups.iter().zip(&left_out).filter(|(_, out)| **out).flat_map(|(rows, _)| rows.clone()).collect();
        let all_out = groups.iter().zip(&left_out).all(|(rows, out)| *out || rows.is_empty());
        prop_assert!(all_out || !is_few(&hidden));
        for (rows, out) in groups.iter().zip(left_out) {
            prop_assert!(out || !is_few(rows));
        }
    }
}
