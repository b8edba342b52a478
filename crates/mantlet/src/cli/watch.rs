//! `mantlet watch`: what a recorded stream would have raised. Needs no home and no server.

use std::path::Path;

use mantlet_models::{profile::TableError, rows::Rows};
use mantlet_watch::{
    drift::{ColumnReport, Kind, Reason, Rules, RulesError, WindowReport},
    replay::{Columns, Like, Prepared, ReplayError, Schema, Summary, Told},
};
use serde_json::json;

use super::{
    args::{Common, LikeTool, Watch, WatchReplay},
    exit::Failure,
    print,
};

/// A data file as a whole, unpacked.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Does what was asked for.
pub fn run(common: &Common, command: &Watch) -> Result<(), Failure> {
    match command {
        Watch::Replay(command) => replay(common.json, command),
    }
}

fn replay(json: bool, command: &WatchReplay) -> Result<(), Failure> {
    let options = Columns {
        ignored: command.ignore.clone(),
        categories: command.category.clone(),
        season: command.season.clone(),
        like: command.like.map(|tool| match tool {
            LikeTool::Evidently => Like::Evidently,
            LikeTool::Nannyml => Like::Nannyml,
        }),
    };
    let rules = Rules {
        alpha: command.alpha,
        shift_min: command.shift,
        psi_min: command.psi,
        fast_rows: command.window,
        fast_step: command.step.unwrap_or(command.window),
        slow_rows: command.slow,
        ..Rules::default()
    };
    rules.check().map_err(out_of_range)?;
    let prepared = prepare(&command.reference, &options)?;
    introduce(json, &prepared, &rules)?;
    let mut rows = open(&command.stream)?;
    let mut replay = prepared.replay(rows.columns(), &options, &rules).map_err(refused)?;
    let (mut cells, mut row) = (Vec::new(), 1);
    let mut table = Vec::new();
    while rows.next_texts(&mut cells, row).map_err(|error| unread(&error))? {
        row += 1;
        tell(json, replay.push(&cells).map_err(refused)?, &mut table)?;
    }
    let (told, summary) = replay.finish().map_err(refused)?;
    tell(json, told, &mut table)?;
    conclude(json, &table, &summary)
}

/// A rule that makes no sense, by the option that says it.
fn out_of_range(RulesError(rule): RulesError) -> Failure {
    let option = match rule {
        "fast_rows" => "--window",
        "fast_step" => "--step",
        "slow_rows" => "--slow",
        "shift_min" => "--shift",
        "psi_min" => "--psi",
        _ => "--alpha",
    };
    Failure::new(format!("`{option}` is out of range"))
}

/// Reads the reference twice: what its columns hold, then its rows.
fn prepare(path: &Path, options: &Columns) -> Result<Prepared, Failure> {
    let mut rows = open(path)?;
    let mut schema = Schema::new(rows.columns(), options).map_err(refused)?;
    let mut cells = Vec::new();
    let mut row = 1;
    while rows.next_texts(&mut cells, row).map_err(|error| unread(&error))? {
        schema.see(&cells);
        row += 1;
    }
    if row == 1 {
        return Err(refused(ReplayError::NoReference));
    }
    let mut collected = schema.collect().map_err(refused)?;
    let mut rows = open(path)?;
    row = 1;
    while rows.next_texts(&mut cells, row).map_err(|error| unread(&error))? {
        collected.push(&cells).map_err(refused)?;
        row += 1;
    }
    collected.prepare().map_err(refused)
}

fn open(path: &Path) -> Result<Rows, Failure> {
    Rows::open(path, FILE_BYTES_MAX).map_err(|error| unread(&error))
}

fn unread(error: &TableError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        TableError::TooLarge { .. } => failure.hint("take a sample of the rows"),
        _ => failure,
    }
}

fn refused(error: ReplayError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        ReplayError::Missing(column) | ReplayError::Unknown(column) => failure.hint(format!(
            "both files must have the same columns; to leave one out, say `--ignore {column}`"
        )),
        ReplayError::TooLarge => failure.hint("take a sample of the rows"),
        _ => failure,
    }
}

fn introduce(json: bool, prepared: &Prepared, rules: &Rules) -> Result<(), Failure> {
    let columns = prepared.columns();
    if json {
        return print::json(
            &json!({ "event": "reference", "rows": prepared.rows(), "columns": columns, "rules": rules }),
        );
    }
    for column in columns.iter().filter(|column| column.constant && column.kind == Kind::Number) {
        print::note(format_args!(
            "the column `{}` is constant in the reference, so a shift of it has no unit: only its shape is compared",
            column.name
        ));
    }
    Ok(())
}

/// Lines for programs at once; for people, what raised an alarm, to be shown together.
fn tell(json: bool, told: Vec<Told>, table: &mut Vec<Vec<String>>) -> Result<(), Failure> {
    for told in told {
        if json {
            print::json(&told)?;
            continue;
        }
        match told {
            Told::NewCategory { row, column, category, .. } => {
                print::note(format_args!(
                    "row {row}: the column `{column}` has the new category `{category}`"
                ));
            }
            Told::Like { tool, row, columns } => {
                let cried: Vec<&str> =
                    columns.iter().filter(|column| column.drift).map(|column| column.name.as_str()).collect();
                let name = match tool {
                    Like::Evidently => "evidently",
                    Like::Nannyml => "nannyml",
                };
                let said = if cried.is_empty() {
                    "no drift".to_owned()
                } else {
                    format!("drift of {}", cried.join(", "))
                };
                print::note(format_args!("up to row {row}, {name} would say: {said}"));
            }
            Told::Window { season, report, .. } => {
                let alarmed = report.report.columns.iter().filter(|column| !column.reasons.is_empty());
                table.extend(alarmed.map(|column| line(season.as_deref(), &report, column)));
            }
        }
    }
    Ok(())
}

fn line(season: Option<&str>, window: &WindowReport, column: &ColumnReport) -> Vec<String> {
    let reasons: Vec<&str> = column
        .reasons
        .iter()
        .map(|reason| match reason {
            Reason::Distribution => "distribution",
            Reason::Missing => "missing values",
            Reason::NewCategories => "new categories",
        })
        .collect();
    let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.3}"));
    let effects = column.effects.as_ref();
    let p = effects.map_or_else(|| "-".to_owned(), |effects| format!("{:.1e}", effects.p_adjusted));
    let rows = match season {
        Some(season) => format!("{season} {}-{}", window.first, window.last),
        None => format!("{}-{}", window.first, window.last),
    };
    vec![
        rows,
        window.window.name().to_owned(),
        column.name.clone(),
        reasons.join(", "),
        p,
        number(effects.and_then(|effects| effects.shift)),
        number(effects.map(|effects| effects.psi)),
        format!("{:.1} %", column.missing * 100.0),
    ]
}

fn conclude(json: bool, table: &[Vec<String>], summary: &Summary) -> Result<(), Failure> {
    if json {
        let mut value = serde_json::to_value(summary).map_err(|error| Failure::new(error.to_string()))?;
        if let Some(object) = value.as_object_mut() {
            object.insert("event".to_owned(), "summary".into());
        }
        print::json(&value)?;
    } else {
        print::table(&["ROWS", "WINDOW", "COLUMN", "WHY", "P", "SHIFT", "PSI", "MISSING"], table)?;
        let Summary { rows, windows, alarmed_windows, .. } = summary;
        print::line(format!("{rows} rows, {windows} windows, {alarmed_windows} of them with an alarm"))?;
    }
    match summary.first_alarm_row {
        None => Ok(()),
        Some(row) => {
            Err(Failure::no(format!("the stream differs from the reference, first seen after row {row}")))
        }
    }
}
