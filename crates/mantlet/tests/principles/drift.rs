//! A recorded stream is replayed by the real binary: what would have raised an alarm, what is refused, and how it ends.

use std::{fmt::Write as _, path::Path, process::Output};

use serde_json::Value;

use crate::support::mantlet;

/// Rows of a number and a category; the number is shifted from a row on.
fn csv(rows: usize, shifted_from: usize, city: &str) -> String {
    let mut text = "age,city,label\n".to_owned();
    for row in 0..rows {
        let age = row * 37 % 100 + if row >= shifted_from { 40 } else { 0 };
        let city = if row >= shifted_from && row % 10 == 0 { city } else { ["rome", "oslo"][row % 2] };
        writeln!(text, "{age},{city},{}", row % 2).unwrap();
    }
    text
}

fn replay(dir: &Path, reference: &str, stream: &str, more: &[&str]) -> (Vec<Value>, Output) {
    std::fs::write(dir.join("reference.csv"), reference).unwrap();
    std::fs::write(dir.join("stream.csv"), stream).unwrap();
    let output = mantlet()
        .current_dir(dir)
        .args(["watch", "replay", "--reference", "reference.csv", "--stream", "stream.csv"])
        .args(more)
        .output()
        .unwrap();
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let values = if more.contains(&"--json") {
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    } else {
        Vec::new()
    };
    (values, output)
}

const JSON: [&str; 5] = ["--json", "--ignore", "label", "--window", "100"];

#[test]
fn a_change_is_found_named_and_answered_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let (lines, output) = replay(dir.path(), &csv(2000, 9999, ""), &csv(600, 300, "paris"), &JSON);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert_eq!(of("reference")[0]["rows"], 2000);
    let windows = of("window");
    let alarms: Vec<(u64, u64)> = windows
        .iter()
        .map(|window| (window["first"].as_u64().unwrap(), window["alarms"].as_u64().unwrap()))
        .collect();
    assert_eq!(alarms, [(1, 0), (101, 0), (201, 0), (301, 2), (401, 2), (501, 2)]);
    let age = &windows[3]["columns"][0];
    assert_eq!(
        (&age["name"], &age["outcome"], &age["reasons"][0]),
        (&"age".into(), &"alarm".into(), &"distribution".into())
    );
    assert!(age["effects"]["p_value"].as_f64().unwrap() < 1e-6);
    // 40 of a uniform 0..100, whose standard deviation is 100/√12.
    assert!((age["effects"]["shift"].as_f64().unwrap() - 40.0 / 28.866).abs() < 0.05);
    let new = of("new_category");
    assert_eq!((new.len(), &new[0]["category"], new[0]["row"].as_u64()), (1, &"paris".into(), Some(301)));
    let summary = of("summary")[0];
    assert_eq!((&summary["rows"], &summary["first_alarm_row"]), (&600.into(), &400.into()));
    assert_eq!(lines.last().unwrap()["event"], "summary");
}

#[test]
fn no_change_is_answered_with_zero_and_a_table_says_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let reference = csv(2000, 9999, "");
    let (_, output) = replay(dir.path(), &reference, &csv(600, 999, ""), &JSON);
    assert_eq!(output.status.code(), Some(0));
    let plain = ["--ignore", "label", "--window", "100"];
    let (_, output) = replay(dir.path(), &reference, &csv(600, 500, "rome"), &plain);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("501-600") && text.contains("distribution") && !text.contains("401-500"), "{text}");
    assert!(text.contains("600 rows, 6 windows, 1 of them with an alarm"), "{text}");
}

#[test]
fn what_cannot_be_compared_is_answered_with_two_and_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let good = csv(200, 999, "");
    let check = |reference: &str, stream: &str, more: &[&str], reason: &str| {
        let (_, output) = replay(dir.path(), reference, stream, more);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(reason), "{error}");
    };
    check(&good, "age,city\n1,rome\n", &[], "the stream has no column `label`");
    check(&good, "age,city,label,more\n1,rome,0,1\n", &[], "the stream has a column `more`");
    check(
        &good,
        "age,city,label\ninf,rome,0\n",
        &[],
        "row 1 of the stream, column `age`: not a finite number",
    );
    check(&good, "age,city,label\nold,rome,0\n", &[], "column `age`: not a number");
    check(&good, "age,city,label\n", &[], "the stream has no rows");
    check("age\n", "age\n1\n", &[], "the reference has no rows");
    check("age\n\"\"\n", "age\n1\n", &[], "the reference has no value in the column `age`");
    check(&good, &good, &["--window", "3"], "`--window` is out of range");
    check(&good, &good, &["--ignore", "none"], "the reference has no column `none`");
    check("age,age\n1,2\n", "age\n1\n", &[], "the column `age` stands twice");
    check(&good, "age,city,label\n1,rome\n", &[], "is not a table");
}

#[test]
fn a_constant_column_is_told_of_and_its_shape_compared() {
    let dir = tempfile::tempdir().unwrap();
    let flat = |value: &str| format!("x\n{}", format!("{value}\n").repeat(200));
    let (_, output) = replay(dir.path(), &flat("5"), &flat("5"), &["--window", "100"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("constant in the reference"));
    let (_, output) = replay(dir.path(), &flat("5"), &flat("6"), &["--window", "100"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn another_tools_verdicts_are_told_beside() {
    let dir = tempfile::tempdir().unwrap();
    let mut more = JSON.to_vec();
    more.extend(["--like", "evidently"]);
    let (lines, output) = replay(dir.path(), &csv(2000, 9999, ""), &csv(200, 100, "rome"), &more);
    assert_eq!(output.status.code(), Some(1));
    let like: Vec<&Value> = lines.iter().filter(|line| line["event"] == "like").collect();
    assert_eq!(like.len(), 2);
    assert_eq!(
        (&like[1]["tool"], &like[1]["columns"][0]["test"]),
        (&"evidently".into(), &"wasserstein".into())
    );
    assert_eq!(
        (&like[0]["columns"][0]["drift"], &like[1]["columns"][0]["drift"]),
        (&false.into(), &true.into())
    );
}
