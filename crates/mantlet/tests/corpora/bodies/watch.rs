//! What is told of any two data files, and of any saved state: probabilities are such, counts agree, and what is refused is refused by name.

use mantlet_watch::{
    anomaly::Screen,
    drift::{MonitorState, Reference, Rules},
    probing::{Ordinary, ProberState},
    replay::{Columns, Replay, ReplayError, Schema, Told},
};

/// The input is a reference and a stream, one line a row and commas between cells, with an empty line between them; or a state.
pub(super) fn replay(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = serde_json::from_str::<MonitorState>(&text);
    let _ = serde_json::from_str::<ProberState>(&text);
    let _ = serde_json::from_str::<Screen>(&text);
    let _ = serde_json::from_str::<Ordinary>(&text);
    let _ = serde_json::from_str::<Reference>(&text);
    let (reference, stream) = text.split_once("\n\n").unwrap_or((&text, ""));
    let _ = compared(&rows(reference), &rows(stream));
}

fn rows(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn compared(reference: &[Vec<String>], stream: &[Vec<String>]) -> Result<(), ReplayError> {
    let options = Columns::default();
    let rules = Rules { values_min: 3, fast_rows: 4, fast_step: 2, slow_rows: 6, ..Rules::default() };
    let (header, reference) = reference.split_first().ok_or(ReplayError::NoReference)?;
    let mut schema = Schema::new(header, &options)?;
    reference.iter().for_each(|row| schema.see(row));
    let mut collected = schema.collect()?;
    reference.iter().try_for_each(|row| collected.push(row))?;
    let prepared = collected.prepare()?;
    let (header, stream) = stream.split_first().ok_or(ReplayError::NoStream)?;
    let mut replay: Replay<'_> = prepared.replay(header, &options, &rules)?;
    for row in stream {
        replay.push(row)?.iter().for_each(check);
    }
    let (told, summary) = replay.finish()?;
    told.iter().for_each(check);
    assert_eq!(summary.rows, stream.len() as u64);
    assert!(summary.alarmed_windows <= summary.windows);
    Ok(())
}

fn check(told: &Told) {
    let Told::Window { report, .. } = told else { return };
    assert!(report.first >= 1 && report.first <= report.last);
    for column in &report.report.columns {
        assert!((0.0..=1.0).contains(&column.missing));
        for p in column
            .effects
            .iter()
            .flat_map(|effects| [effects.p_value, effects.p_adjusted, effects.statistic.min(1.0)])
        {
            assert!((0.0..=1.0).contains(&p), "{p}");
        }
    }
}
