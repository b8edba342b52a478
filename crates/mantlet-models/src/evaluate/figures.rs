//! A report's headline figures by name: what conditions speak of and records keep.

use super::report::Report;

/// Names of all figures that a report can have. Lower is better for the errors and losses.
pub const FIGURES: [&str; 10] =
    ["accuracy", "brier", "coverage", "ece", "interval_coverage", "log_loss", "mae", "r2", "rmse", "roc_auc"];

impl Report {
    /// The figures over all rows, those that are defined for them. `coverage` is the share of rows that the threshold lets
    /// be served, `interval_coverage` the share whose truth lies within the conformal interval.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, f64)> {
        let mut figures = Vec::new();
        let mut add = |name, value: Option<f64>| figures.extend(value.map(|value| (name, value)));
        if let Some(classification) = &self.classification {
            let of = &classification.figures;
            add("accuracy", Some(of.accuracy.value));
            add("brier", of.brier.map(|figure| figure.value));
            add("coverage", Some(classification.served.coverage.value));
            add("ece", of.ece.map(|figure| figure.value));
            add("log_loss", of.log_loss.map(|figure| figure.value));
            add("roc_auc", of.roc_auc.map(|figure| figure.value));
        }
        if let Some(regression) = &self.regression {
            let of = &regression.figures;
            add("coverage", Some(regression.served.coverage.value));
            add("interval_coverage", of.interval.map(|interval| interval.coverage.value));
            add("mae", Some(of.mae.value));
            add("r2", of.r2.map(|figure| figure.value));
            add("rmse", Some(of.rmse.value));
        }
        figures
    }
}
