//! Evaluation: how good a model's answers are, on rows of which the truth is known.
//!
//! Pure: a contract, a labelled table and the model's scores go in, a [`Report`] comes out. Who asked the model, and
//! whether it serves, is not known here: the gate's `examine` and the [`crate::workbench`] both end in [`report`].

mod classify;
pub mod compare;
mod digest;
mod disclosure;
mod figures;
mod interval;
mod rank;
mod regress;
mod report;
mod sheet;
mod slice;
pub mod table;

use std::time::Instant;

use mantlet_gate::{
    mediate::Marking,
    output::{Guesses, Scores},
};
use mantlet_types::{
    Contract, Rejection, Sha256,
    contract::{Confidence, Task},
    limits::EVALUATION_TIMEOUT,
};

pub use figures::FIGURES;
pub use interval::{Estimate, Interval, Method};
pub use report::{
    Bin, Bootstrap, Class, ClassFigures, Classification, Conformal, Format, Group, GroupKind, NumberFigures,
    Regression, Report, RowCounts, Served, Sliced,
};
pub use sheet::{Labelled, Sheet, SheetError, Truths};
pub use slice::Slice;

use self::{interval::share, regress::Promise};

/// What marks a model's answers: everything of a labelled table but its inputs.
#[derive(Clone, Debug)]
pub struct Key {
    /// What is true of each row given.
    pub truths: Truths,
    /// The column of the truth.
    pub target: String,
    /// By what the rows are sliced.
    pub slices: Vec<Slice>,
    /// Digest of the table.
    pub data: Sha256,
}

impl Marking for Key {
    type Report = Report;

    fn mark(self, contract: &Contract, scores: Scores) -> Result<Report, Rejection> {
        disclosure::check_rows(disclosure::rows(&scores))?;
        let ends = Instant::now() + EVALUATION_TIMEOUT;
        let report = report_until(contract, &self, &scores, Some(ends));
        if Instant::now() >= ends {
            return Err(Rejection::unavailable("the evaluation took too long"));
        }
        let report = report.ok_or_else(|| Rejection::unavailable("the answers cannot be marked"))?;
        Ok(disclosure::without_small_groups(report, &self, &scores))
    }

    fn document(report: &Report, candidate: bool) -> Result<String, Rejection> {
        let report = Report { candidate, ..report.clone() };
        serde_json::to_string(&report).map_err(|error| Rejection::unavailable(error.to_string()))
    }
}

/// Reports on a model's answers.
///
/// `None` if truths and scores are not of one kind, or there are none.
#[must_use]
pub fn report(contract: &Contract, key: &Key, scores: &Scores) -> Option<Report> {
    report_until(contract, key, scores, None)
}

/// The same in a hurry: from `ends` on nothing that takes long is begun, and what comes out is of no use.
fn report_until(contract: &Contract, key: &Key, scores: &Scores, ends: Option<Instant>) -> Option<Report> {
    let given = match &key.truths {
        Truths::Classes(truths) => truths.len(),
        Truths::Numbers(truths) => truths.len(),
    };
    let evaluated = scores.rows.len();
    let all: Vec<usize> = (0..evaluated).collect();
    let threshold = contract.judgment.threshold;
    let (mut classification, mut regression) = (None, None);
    let exam = Exam::new(contract, key, scores, ends)?;
    match &exam {
        Exam::Classes { labels, .. } => classification = Some(exam.classification(&all, labels, threshold)?),
        Exam::Numbers { .. } => {
            let served = Served { threshold, coverage: exam.served(&all)?, accuracy: None };
            regression = Some(Regression { figures: exam.numbers(&all)?, served });
        }
    }
    let sliced = |slice: &Slice| Sliced {
        column: slice.column.clone(),
        left_out: 0,
        groups: slice
            .parts(&scores.rows)
            .into_iter()
            .take_while(|_| ends.is_none_or(|ends| Instant::now() < ends))
            .filter_map(|part| exam.group(part))
            .collect(),
    };
    Some(Report {
        format: Format::V1,
        model: contract.model.clone(),
        version: Some(contract.version),
        digest: contract.digest,
        candidate: false,
        target: key.target.clone(),
        data_digest: Some(key.data),
        rows: RowCounts { given, refused: scores.refused, evaluated },
        confidence_level: 0.95,
        bootstrap: Bootstrap { resamples: interval::resamples(evaluated), seed: interval::SEED },
        classification,
        regression,
        slices: key.slices.iter().map(sliced).collect(),
    })
}

/// Truths and scores side by side, by place among the rows that were asked about.
enum Exam<'a> {
    Classes {
        rows: Vec<classify::Row<'a>>,
        labels: Vec<String>,
        are_probabilities: bool,
        ends: Option<Instant>,
    },
    Numbers {
        rows: Vec<regress::Row>,
        promise: Option<Promise>,
        served: &'a [bool],
        ends: Option<Instant>,
    },
}

impl<'a> Exam<'a> {
    fn new(contract: &Contract, key: &Key, scores: &'a Scores, ends: Option<Instant>) -> Option<Self> {
        match (&contract.task, &key.truths, &scores.guesses) {
            (
                Task::Classify { labels, .. },
                Truths::Classes(truths),
                Guesses::Classes { probabilities, are_probabilities, said },
            ) => {
                let answers = said.iter().zip(&scores.confidence).zip(&scores.served);
                let rows = scores
                    .rows
                    .iter()
                    .zip(answers)
                    .zip(probabilities.chunks_exact(labels.len().max(1)))
                    .map(|((row, ((said, confidence), served)), probabilities)| {
                        let truth = *truths.get(*row)?;
                        let (said, confidence, served) = (*said, *confidence, *served);
                        Some(classify::Row { truth, said, confidence, served, probabilities })
                    })
                    .collect::<Option<Vec<_>>>()?;
                let labels = labels.iter().map(|label| label.text.to_string()).collect();
                Some(Self::Classes { rows, labels, are_probabilities: *are_probabilities, ends })
            }
            (Task::Regress { .. }, Truths::Numbers(truths), Guesses::Numbers { values, half_width }) => {
                let row = |(row, value): (&usize, &f64)| {
                    Some(regress::Row { truth: *truths.get(*row)?, value: *value })
                };
                let rows = scores.rows.iter().zip(values).map(row).collect::<Option<Vec<_>>>()?;
                let promise = match (contract.judgment.confidence, half_width) {
                    (Confidence::Interval { coverage, .. }, Some(half_width)) => {
                        Some(Promise { coverage, half_width: *half_width })
                    }
                    _ => None,
                };
                Some(Self::Numbers { rows, promise, served: &scores.served, ends })
            }
            _ => None,
        }
    }

    fn classification(&self, places: &[usize], labels: &[String], threshold: f64) -> Option<Classification> {
        let rows = self.classes(places)?;
        let (figures, f1) = rows.figures()?;
        let (served, right) = rows.served();
        Some(Classification {
            labels: labels.to_vec(),
            positive: labels.get(1).filter(|_| labels.len() == 2).cloned(),
            figures,
            served: Served {
                threshold,
                coverage: share(served, rows.rows.len())?,
                accuracy: share(right, served),
            },
            confusion: rows.confusion(),
            classes: rows.classes(labels, f1),
            reliability: rows.reliability(),
            left_out: 0,
            ece_bins: classify::BINS,
            roc: rows.roc(),
        })
    }

    fn classes(&self, places: &[usize]) -> Option<classify::Rows<'a>> {
        let Self::Classes { rows, labels, are_probabilities, ends } = self else { return None };
        let rows = places.iter().filter_map(|place| rows.get(*place)).copied().collect();
        let (are_probabilities, ends) = (*are_probabilities, *ends);
        Some(classify::Rows { rows, classes: labels.len(), are_probabilities, ends })
    }

    fn numbers(&self, places: &[usize]) -> Option<NumberFigures> {
        let Self::Numbers { rows, promise, ends, .. } = self else { return None };
        let rows: Vec<_> = places.iter().filter_map(|place| rows.get(*place)).copied().collect();
        regress::figures(&rows, *promise, *ends)
    }

    /// The share of these rows that is served.
    fn served(&self, places: &[usize]) -> Option<Estimate> {
        let served = match self {
            Self::Classes { rows, .. } => {
                places.iter().filter(|place| rows.get(**place).is_some_and(|row| row.served)).count()
            }
            Self::Numbers { served, .. } => {
                places.iter().filter(|place| served.get(**place).copied().unwrap_or(false)).count()
            }
        };
        share(served, places.len())
    }

    fn group(&self, part: slice::Part) -> Option<Group> {
        let slice::Part { group, kind, places } = part;
        Some(Group {
            group,
            kind,
            rows: places.len(),
            served: self.served(&places)?,
            classification: self.classes(&places).and_then(|rows| rows.figures()).map(|(figures, _)| figures),
            regression: self.numbers(&places),
        })
    }
}

#[cfg(test)]
mod tests;
