//! Streams as texts: what is told of them, and what is refused.

use super::*;

fn texts(row: &[&str]) -> Vec<String> {
    row.iter().map(|text| (*text).to_owned()).collect()
}

fn prepare(header: &[&str], rows: &[Vec<String>], options: &Columns) -> Result<Prepared, ReplayError> {
    let mut schema = Schema::new(&texts(header), options)?;
    rows.iter().for_each(|row| schema.see(row));
    let mut collected = schema.collect()?;
    rows.iter().try_for_each(|row| collected.push(row))?;
    collected.prepare()
}

fn rules() -> Rules {
    Rules { fast_rows: 50, fast_step: 50, slow_rows: 5_000, ..Rules::default() }
}

fn rows(count: usize, shift: usize) -> Vec<Vec<String>> {
    (0..count).map(|i| vec![(i * 37 % 100 + shift).to_string(), ["a", "b"][i % 2].to_owned()]).collect()
}

fn run(
    prepared: &Prepared,
    header: &[&str],
    stream: &[Vec<String>],
    options: &Columns,
) -> Result<Summary, ReplayError> {
    let mut replay = prepared.replay(&texts(header), options, &rules())?;
    for row in stream {
        replay.push(row)?;
    }
    replay.finish().map(|(_, summary)| summary)
}

#[test]
fn the_row_of_a_change_is_near_the_first_alarm() {
    let options = Columns::default();
    let prepared = prepare(&["x", "c"], &rows(1_000, 0), &options).unwrap();
    let mut stream = rows(300, 0);
    stream.extend(rows(200, 40));
    let summary = run(&prepared, &["x", "c"], &stream, &options).unwrap();
    assert_eq!(summary.first_alarm_row, Some(350));
    assert_eq!((summary.rows, summary.windows, summary.alarmed_windows), (500, 10, 4));
    assert_eq!(summary.alarms, BTreeMap::from([("x".to_owned(), 4)]));
    // In another order of columns the same.
    let turned: Vec<Vec<String>> = stream.iter().map(|row| vec![row[1].clone(), row[0].clone()]).collect();
    assert_eq!(run(&prepared, &["c", "x"], &turned, &options).unwrap(), summary);
}

#[test]
fn wrong_columns_and_cells_are_named() {
    let options = Columns::default();
    let prepared = prepare(&["x", "c"], &rows(100, 0), &options).unwrap();
    let run = |header: &[&str], row: &[&str]| run(&prepared, header, &[texts(row)], &options).unwrap_err();
    assert_eq!(run(&["x"], &["1"]), ReplayError::Missing("c".into()));
    assert_eq!(run(&["x", "c", "y"], &["1", "a", "2"]), ReplayError::Unknown("y".into()));
    let cell = |why| ReplayError::Cell { file: "stream", row: 1, column: "x".into(), why };
    for infinite in ["inf", "-Infinity", "1e999"] {
        assert_eq!(run(&["x", "c"], &[infinite, "a"]), cell("not a finite number"));
    }
    assert_eq!(run(&["x", "c"], &["?", "a"]), cell("not a number, as the reference has in this column"));
    assert_eq!(super::tests::run(&prepared, &["x", "c"], &[], &options).unwrap_err(), ReplayError::NoStream);
}

#[test]
fn references_that_say_nothing_are_refused() {
    let refused = |header: &[&str], rows: &[Vec<String>], options: &Columns| {
        prepare(header, rows, options).unwrap_err()
    };
    let none = Columns::default();
    assert_eq!(refused(&["x"], &[texts(&[""]), texts(&["nan"])], &none), DriftError::Void("x".into()).into());
    let infinite =
        ReplayError::Cell { file: "reference", row: 1, column: "x".into(), why: "not a finite number" };
    assert_eq!(refused(&["x"], &[texts(&["inf"])], &none), infinite);
    let unknown = Columns { ignored: vec!["y".into()], ..Columns::default() };
    assert_eq!(refused(&["x"], &[texts(&["1"])], &unknown), ReplayError::NoColumn("y".into()));
    let all = Columns { ignored: vec!["x".into()], ..Columns::default() };
    assert_eq!(refused(&["x"], &[texts(&["1"])], &all), DriftError::NoColumns.into());
}

#[test]
fn a_constant_column_is_told_and_missing_values_are_none() {
    let options = Columns { categories: vec!["code".into()], ..Columns::default() };
    let reference = [texts(&["5", "1"]), texts(&["", "2"]), texts(&["5", "3"])];
    let columns = prepare(&["flat", "code"], &reference, &options).unwrap().columns();
    assert!(columns[0].constant && columns[0].kind == Kind::Number);
    assert!(!columns[1].constant && columns[1].kind == Kind::Category);
}

#[test]
fn each_season_has_its_own_reference() {
    let options = Columns { season: Some("s".into()), ..Columns::default() };
    let row = |i: usize| {
        let season = i / 50 % 2;
        vec![(i % 10 + season * 100).to_string(), ["winter", "summer"][season].to_owned()]
    };
    let reference: Vec<Vec<String>> = (0..400).map(row).collect();
    let prepared = prepare(&["x", "s"], &reference, &options).unwrap();
    assert_eq!(run(&prepared, &["x", "s"], &reference, &options).unwrap().alarmed_windows, 0);
    let whole = prepare(&["x"], &reference, &Columns::default()).unwrap();
    assert_eq!(run(&whole, &["x"], &reference, &Columns::default()).unwrap().alarmed_windows, 8);
    let stranger = run(&prepared, &["x", "s"], &[texts(&["1", "spring"])], &options).unwrap_err();
    assert_eq!(stranger, DriftError::Season("spring".into()).into());
}

#[test]
fn other_tools_would_have_cried_at_noise() {
    let mut draws = crate::fixtures::Draws::new(2);
    let mut rows = |count: usize, shift: f64| -> Vec<Vec<String>> {
        (0..count).map(|_| (0..10).map(|_| (draws.normal() + shift).to_string()).collect()).collect()
    };
    let header: Vec<String> = (0..10).map(|at| format!("x{at}")).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let (reference, noise) = (rows(3000, 0.0), rows(500, 0.0));
    let verdicts = |like| {
        let options = Columns { like: Some(like), ..Columns::default() };
        let prepared = prepare(&header, &reference, &options).unwrap();
        let mut replay = prepared.replay(&texts(&header), &options, &rules()).unwrap();
        let mut verdicts = Vec::new();
        for row in &noise {
            for told in replay.push(row).unwrap() {
                if let Told::Like { columns, .. } = told {
                    verdicts.push(columns);
                }
            }
        }
        (verdicts, replay.finish().unwrap().1)
    };
    let (evidently, summary) = verdicts(Like::Evidently);
    assert!(evidently.len() == 10 && summary.alarmed_windows <= 1, "one in a hundred windows may");
    assert!(
        evidently
            .iter()
            .all(|columns| columns.iter().any(|column| column.drift && column.test == "wasserstein"))
    );
    let (nannyml, _) = verdicts(Like::Nannyml);
    let alerts = nannyml.iter().flatten().filter(|column| column.drift).count();
    // Three standard deviations: one in some hundred of a hundred columns.
    assert!(alerts <= 5, "{alerts}");
    assert!(
        nannyml.iter().flatten().all(|column| column.test == "jensen_shannon" && column.threshold.is_some())
    );
}
