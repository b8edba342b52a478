//! An evaluation for people: a summary for the terminal, a page for a browser.

mod comparison;
mod page;
mod plots;

use mantlet_models::evaluate::{Estimate, Group, Report};

use super::{exit::Failure, print};

pub use comparison::comparison;
pub use page::page;

/// Prints the figures as tables.
pub fn summary(report: &Report) -> Result<(), Failure> {
    let version = report.version.map(|version| format!(" version {version}")).unwrap_or_default();
    let candidate = if report.candidate { ", a candidate" } else { "" };
    let rows = report.rows;
    let refused = if rows.refused > 0 {
        format!(", {} refused by the model's contract", rows.refused)
    } else {
        String::new()
    };
    print::line(format!("{}{version}{candidate}: {} rows evaluated{refused}", report.model, rows.evaluated))?;
    print::line("")?;
    let figures: Vec<Vec<String>> = figures(report)
        .into_iter()
        .map(|(name, estimate)| vec![name.to_owned(), number(estimate.value), interval(&estimate)])
        .collect();
    print::table(&["figure", "value", "95 % interval"], &figures)?;
    for sliced in &report.slices {
        print::line("")?;
        let (header, rows) = slice_table(&sliced.column, &sliced.groups);
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        print::table(&header, &rows)?;
    }
    Ok(())
}

/// The figures of a report by their names, those that there are.
fn figures(report: &Report) -> Vec<(&'static str, Estimate)> {
    let mut found: Vec<(&'static str, Option<Estimate>)> = Vec::new();
    if let Some(all) = &report.classification {
        let figures = &all.figures;
        found.push(("accuracy", Some(figures.accuracy)));
        found.push((
            if all.positive.is_some() { "ROC AUC" } else { "ROC AUC (mean over classes)" },
            figures.roc_auc,
        ));
        found.push(("log loss", figures.log_loss));
        found.push(("Brier score", figures.brier));
        found.push(("expected calibration error", figures.ece));
        found.push(("share served at the threshold", Some(all.served.coverage)));
        found.push(("accuracy of what is served", all.served.accuracy));
    }
    if let Some(all) = &report.regression {
        let figures = &all.figures;
        found.push(("mean absolute error", Some(figures.mae)));
        found.push(("root mean squared error", Some(figures.rmse)));
        found.push(("R²", figures.r2));
        found.push(("share within the interval", figures.interval.map(|interval| interval.coverage)));
        found.push((
            "width of the interval",
            figures.interval.map(|i| Estimate { value: i.width, interval: None }),
        ));
        found.push(("share served at the threshold", Some(all.served.coverage)));
    }
    found.into_iter().filter_map(|(name, estimate)| Some((name, estimate?))).collect()
}

/// A slice's groups as a table: what it is called, how many rows, then the figures.
fn slice_table(column: &str, groups: &[Group]) -> (Vec<String>, Vec<Vec<String>>) {
    let is_classifier = groups.iter().any(|group| group.classification.is_some());
    let names: &[&str] = if is_classifier {
        &["accuracy", "95 % interval", "ROC AUC", "log loss", "Brier", "ECE", "served"]
    } else {
        &["MAE", "95 % interval", "RMSE", "R²", "within interval", "served"]
    };
    let header = [column, "rows"].iter().chain(names).map(|name| (*name).to_owned()).collect();
    let optional =
        |estimate: Option<Estimate>| estimate.map_or("-".to_owned(), |estimate| number(estimate.value));
    let row = |group: &Group| {
        let mut cells = vec![group.group.clone(), group.rows.to_string()];
        if let Some(figures) = &group.classification {
            cells.extend([number(figures.accuracy.value), interval(&figures.accuracy)]);
            cells.extend([figures.roc_auc, figures.log_loss, figures.brier, figures.ece].map(optional));
        }
        if let Some(figures) = &group.regression {
            cells.extend([number(figures.mae.value), interval(&figures.mae)]);
            let within = figures.interval.map(|interval| interval.coverage);
            cells.extend([Some(figures.rmse), figures.r2, within].map(optional));
        }
        cells.push(number(group.served.value));
        cells
    };
    (header, groups.iter().map(row).collect())
}

/// Four significant digits, without an exponent where people read none.
fn number(value: f64) -> String {
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if !(-5.0..7.0).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 8 by the line above")]
    let decimals = (3.0 - magnitude).clamp(0.0, 8.0) as usize;
    format!("{value:.decimals$}")
}

fn interval(estimate: &Estimate) -> String {
    estimate
        .interval
        .map_or("-".to_owned(), |interval| format!("{} to {}", number(interval.low), number(interval.high)))
}
