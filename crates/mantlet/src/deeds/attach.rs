//! Whether an evaluation that somebody brings along is one that this server has made, of this version: the log says so, as it
//! does of comparisons ([`super::update`]).

use std::{path::PathBuf, sync::Arc};

use mantlet_audit::Log;
use mantlet_gate::{
    administer::Office,
    deployments::Way,
    releases::{
        attach::{EVALUATION, Report as Brought},
        facts::{Evaluated, Figure},
    },
};
use mantlet_models::evaluate::Report;
use mantlet_types::{Code, Rejection};

use super::update::vouched;

/// An evaluation, and where it can be looked up.
pub struct Attested {
    /// The report, byte for byte as it was answered.
    pub report: String,
    /// The receipt that came with it.
    pub receipt: String,
    /// The open log.
    pub log: Arc<Log>,
    /// Where it lies.
    pub dir: PathBuf,
}

impl Brought for Attested {
    async fn attested(self, office: &Office<'_>, way: &Way) -> Result<Evaluated, Rejection> {
        let Self { report: document, receipt, log, dir } = self;
        let (entry, digest) = vouched((&document, EVALUATION), receipt, way, (log, dir)).await?;
        let not_of_this = || Rejection::argument("the receipt is not of this evaluation of this version");
        let entry = entry.ok_or_else(not_of_this)?;
        let by = entry.principal.clone().ok_or_else(not_of_this)?;
        // What the entry vouches for, this server has written.
        let report: Report = serde_json::from_str(&document)
            .map_err(|_| Rejection::argument("the report is of another format"))?;
        let model = office.snapshot.directory.models.get(&way.model).ok_or(Code::NotFound)?;
        let is_same = model.versions.get(&way.version).is_some_and(|known| known.digest == report.digest);
        if !is_same {
            return Err(Rejection::new(Code::Conflict).detailed("the evaluation is of another artifact"));
        }
        // Its maker says what rows a version takes, so figures over the rows that it takes are not figures over the data.
        if report.rows.refused > 0 {
            return Err(Rejection::new(Code::Conflict)
                .detailed("the version refuses rows of these data, and no figure speaks of those"));
        }
        let data = report
            .data_digest
            .ok_or_else(|| Rejection::argument("the report does not say what data it is about"))?;
        let figure = |(name, value): (&'static str, f64)| Some((name.into(), Figure::try_from(value).ok()?));
        Ok(Evaluated {
            report: digest,
            data,
            rows: u64::try_from(report.rows.evaluated).unwrap_or(u64::MAX),
            figures: report.figures().into_iter().filter_map(figure).collect(),
            by,
            at: entry.ts,
            entry: Some(entry.idx),
        })
    }
}
