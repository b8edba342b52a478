//! Comparison: how a version's answers differ from those of the live one, on the same rows, with or without their truth.
//!
//! Pure, as evaluation is: two contracts and two models' scores go in, a [`Comparison`] comes out. What it says are counts
//! and figures over thirty different rows or more; an answer to a single row it never says, nor which classes a few rows
//! went from and to.

mod document;
mod paired;
mod sheet;

use std::collections::BTreeMap;

use mantlet_gate::{
    mediate::{Comparing, Side},
    output::{Guesses, Scores},
};
use mantlet_types::{Code, Contract, Rejection, contract::Task};

pub use document::{
    Answers, Changed, Comparison, Format, McNemar, Outcomes, Paired, Party, Quantile, RowCounts, Spread,
    Truth,
};
pub use sheet::{Both, Sheet};

use self::paired::{agreement, difference, mcnemar, spread};
use super::{
    classify,
    disclosure::{self, Crowd, Who},
    interval::{Estimate, share},
};

/// Changes from one class to another that are listed; rows of others are counted together.
const CHANGES_MAX: usize = 32;

/// What compares two versions' answers: everything of a table but its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// Rows in the table.
    pub given: usize,
    /// What is true of them, if the table says so.
    pub truths: Option<Truths>,
    /// The column of the truth.
    pub target: Option<String>,
}

/// What is true of the rows, in the words of either contract.
#[derive(Clone, Debug, PartialEq)]
pub enum Truths {
    /// Indices of classes, of the live version and of the other one; a class that only one of them knows is no class of
    /// the other.
    Classes(Vec<[Option<usize>; 2]>),
    /// Numbers.
    Numbers(Vec<f64>),
}

impl Comparing for Contrast {
    fn compare(self, live: Side, beside: Side) -> Result<String, Rejection> {
        let comparison = comparison(&self, &live, &beside)?;
        serde_json::to_string(&comparison).map_err(|error| Rejection::unavailable(error.to_string()))
    }
}

/// Whether two versions answer alike enough to be compared: both with classes, or both with numbers.
///
/// # Errors
/// 409 if not.
pub fn check(live: &Contract, beside: &Contract) -> Result<(), Rejection> {
    match (&live.task, &beside.task) {
        (Task::Classify { .. }, Task::Classify { .. }) | (Task::Regress { .. }, Task::Regress { .. }) => {
            Ok(())
        }
        _ => {
            let detail = "the versions answer in different ways, so that there is nothing to compare";
            Err(Rejection::new(Code::Conflict).detailed(detail))
        }
    }
}

/// Compares the answers.
///
/// # Errors
/// 400 for fewer rows, taken by both contracts, than figures may be about; 503 if the scores are not of the contracts.
pub fn comparison(contrast: &Contrast, live: &Side, beside: &Side) -> Result<Comparison, Rejection> {
    let both = common(&live.scores, &beside.scores);
    let who = |(own, other): &(usize, usize)| {
        let number = |scores: &Scores, place: usize| scores.alike.get(place).copied().unwrap_or(u32::MAX);
        [number(&live.scores, *own), number(&beside.scores, *other)]
    };
    let who: Vec<Who> = both.iter().map(who).collect();
    disclosure::check_rows(who.iter().copied())?;
    let unlike = || Rejection::unavailable("the scores are not of these contracts");
    let pairs = Pairs { contrast, live, beside, both, who };
    let whole = |scores: &Scores| scores.rows.len() - pairs.both.len();
    let (only_live, only_candidate) = (whole(&live.scores), whole(&beside.scores));
    let answers = pairs.answers().ok_or_else(unlike)?;
    let changed = answers.changed + only_live + only_candidate;
    let share = share(changed, pairs.both.len() + only_live + only_candidate).ok_or_else(unlike)?;
    Ok(Comparison {
        format: Format::V1,
        model: live.contract.model.clone(),
        live: party(live),
        candidate: party(beside),
        rows: RowCounts {
            given: contrast.given,
            compared: pairs.both.len(),
            refused_by_candidate_alone: only_live,
            refused_by_live_alone: only_candidate,
        },
        confidence_level: 0.95,
        changed: Changed { rows: changed, share },
        answers: answers.classes,
        outcomes: answers.outcomes,
        values: answers.values,
        confidence: pairs.confidence(),
        truth: pairs.truth(),
    })
}

fn party(side: &Side) -> Party {
    Party {
        version: side.contract.version,
        digest: side.contract.digest,
        threshold: side.contract.judgment.threshold,
        us_per_row: side.us_per_row,
    }
}

/// Places of the rows that both contracts take, in either's scores. Both lists of rows ascend.
fn common(live: &Scores, beside: &Scores) -> Vec<(usize, usize)> {
    let mut found = Vec::with_capacity(live.rows.len().min(beside.rows.len()));
    let mut others = beside.rows.iter().enumerate().peekable();
    for (place, row) in live.rows.iter().enumerate() {
        while others.next_if(|(_, other)| *other < row).is_some() {}
        if let Some((other, _)) = others.next_if(|(_, other)| *other == row) {
            found.push((place, other));
        }
    }
    found
}

/// Both versions' answers, row by row.
struct Pairs<'a> {
    contrast: &'a Contrast,
    live: &'a Side,
    beside: &'a Side,
    both: Vec<(usize, usize)>,
    /// Which of them are the same question, to either model.
    who: Vec<Who>,
}

/// What is to be said of the answers themselves.
struct Said {
    changed: usize,
    outcomes: Outcomes,
    classes: Option<Answers>,
    values: Option<Spread>,
}

impl Pairs<'_> {
    /// `None` if scores and contracts are not of one kind.
    fn answers(&self) -> Option<Said> {
        let served = |scores: &Scores, place: usize| scores.served.get(place).copied();
        let outcome = |(live, beside): &(usize, usize)| {
            Some((served(&self.live.scores, *live)?, served(&self.beside.scores, *beside)?))
        };
        let outcomes: Vec<(bool, bool)> = self.both.iter().map(outcome).collect::<Option<_>>()?;
        let count =
            |live: bool, beside: bool| outcomes.iter().filter(|pair| **pair == (live, beside)).count();
        let counted = Outcomes {
            served_by_both: count(true, true),
            served_to_fallback: count(true, false),
            fallback_to_served: count(false, true),
            fallback_by_both: count(false, false),
        };
        let (differs, classes, values) = match (&self.live.scores.guesses, &self.beside.scores.guesses) {
            (Guesses::Classes { .. }, Guesses::Classes { .. }) => {
                let (differs, classes) = self.classes()?;
                (differs, Some(classes), None)
            }
            (Guesses::Numbers { values, half_width }, Guesses::Numbers { values: others, .. }) => {
                let differences =
                    self.both.iter().map(|(live, beside)| Some(others.get(*beside)? - values.get(*live)?));
                let differences: Vec<f64> = differences.collect::<Option<_>>()?;
                // Within the interval that the live version gives, its callers were told to expect it.
                let differs = differences.iter().map(|by| by.abs() > half_width.unwrap_or(0.0)).collect();
                (differs, None, spread(differences))
            }
            _ => return None,
        };
        let changed =
            differs.iter().zip(&outcomes).filter(|(differs, (live, beside))| **differs || live != beside);
        Some(Said { changed: changed.count(), outcomes: counted, classes, values })
    }

    /// Which rows get another class, and which other ones.
    fn classes(&self) -> Option<(Vec<bool>, Answers)> {
        let (live, beside) = (Classes::of(self.live)?, Classes::of(self.beside)?);
        let mut differs = Vec::with_capacity(self.both.len());
        let mut moves: BTreeMap<(&str, &str), Vec<Who>> = BTreeMap::new();
        for ((own, other), who) in self.both.iter().zip(&self.who) {
            let (from, to) = (live.text(*own)?, beside.text(*other)?);
            differs.push(from != to);
            if from != to {
                moves.entry((from, to)).or_default().push(*who);
            }
        }
        let changed = moves.values().map(Vec::len).sum();
        // What became of a few rows is told of all such rows together, and of no class.
        let crowds: Vec<Crowd> = moves.values().map(|rows| rows.iter().copied().collect()).collect();
        let told = disclosure::left_out(&crowds);
        let mut changes: Vec<document::Change> = moves
            .into_iter()
            .zip(told)
            .filter(|(_, left_out)| !left_out)
            .map(|(((from, to), rows), _)| (from.to_owned(), to.to_owned(), rows.len()))
            .map(|(from, to, rows)| document::Change { from, to, rows })
            .collect();
        // The most first; those of equal number by their names, as they are.
        changes.sort_by_key(|change| std::cmp::Reverse(change.rows));
        changes.truncate(CHANGES_MAX);
        let further = changed - changes.iter().map(|change| change.rows).sum::<usize>();
        let distances = || {
            let alike =
                live.labels() == beside.labels() && live.are_probabilities && beside.are_probabilities;
            let distance =
                |(own, other): &(usize, usize)| Some(distance(live.row(*own)?, beside.row(*other)?));
            alike.then(|| self.both.iter().map(distance).collect::<Option<Vec<f64>>>())?
        };
        let probability = distances().and_then(spread);
        Some((differs, Answers { changed, changes, further, probability }))
    }

    fn confidence(&self) -> Option<Spread> {
        let told = |scores: &Scores, place: usize| scores.confidence.get(place).copied().flatten();
        let by = |(live, beside): &(usize, usize)| {
            Some(told(&self.beside.scores, *beside)? - told(&self.live.scores, *live)?)
        };
        spread(self.both.iter().map(by).collect::<Option<_>>()?)
    }

    fn truth(&self) -> Option<Truth> {
        let target = self.contrast.target.clone()?;
        let row = |(live, _): &(usize, usize)| self.live.scores.rows.get(*live).copied();
        let rows: Vec<usize> = self.both.iter().map(row).collect::<Option<_>>()?;
        match self.contrast.truths.as_ref()? {
            Truths::Classes(truths) => {
                let truths: Vec<_> =
                    rows.iter().map(|row| truths.get(*row).copied()).collect::<Option<_>>()?;
                self.truth_of_classes(target, &truths)
            }
            Truths::Numbers(truths) => {
                let truths: Vec<_> =
                    rows.iter().map(|row| truths.get(*row).copied()).collect::<Option<_>>()?;
                self.truth_of_numbers(target, &truths)
            }
        }
    }

    fn truth_of_classes(&self, target: String, truths: &[[Option<usize>; 2]]) -> Option<Truth> {
        let sides = [Classes::of(self.live)?, Classes::of(self.beside)?];
        let mut right = Vec::with_capacity(truths.len());
        let (mut losses, mut briers) = (Vec::new(), Vec::new());
        for ((own, other), truth) in self.both.iter().zip(truths) {
            let said = [sides[0].said.get(*own)?, sides[1].said.get(*other)?];
            right.push([0, 1].map(|side: usize| truth[side] == Some(*said[side])));
            // Losses are of probabilities, and of truths that both could have answered.
            if let [Some(live), Some(beside)] = *truth {
                let rows = [sides[0].judged(*own, live)?, sides[1].judged(*other, beside)?];
                losses.push(rows.map(|row| row.log_loss()));
                briers.push(rows.map(|row| row.brier()));
            }
        }
        let have_losses = losses.len() == truths.len() && sides.iter().all(|side| side.are_probabilities);
        let alike = sides[0].labels().len() == sides[1].labels().len();
        Some(Truth {
            target,
            accuracy: Some(agreement(&right)?),
            mcnemar: Some(mcnemar(&right)),
            log_loss: difference(&losses).filter(|_| have_losses),
            brier: difference(&briers).filter(|_| have_losses && alike),
            absolute_error: None,
            squared_error: None,
        })
    }

    fn truth_of_numbers(&self, target: String, truths: &[f64]) -> Option<Truth> {
        let (Guesses::Numbers { values, .. }, Guesses::Numbers { values: others, .. }) =
            (&self.live.scores.guesses, &self.beside.scores.guesses)
        else {
            return None;
        };
        let error = |((live, beside), truth): (&(usize, usize), &f64)| {
            Some([values.get(*live)? - truth, others.get(*beside)? - truth])
        };
        let errors: Vec<[f64; 2]> = self.both.iter().zip(truths).map(error).collect::<Option<_>>()?;
        let of = |measure: fn(f64) -> f64| {
            difference(&errors.iter().map(|pair| pair.map(measure)).collect::<Vec<_>>())
        };
        Some(Truth {
            target,
            accuracy: None,
            mcnemar: None,
            log_loss: None,
            brier: None,
            absolute_error: of(f64::abs),
            squared_error: of(|error| error * error),
        })
    }
}

/// The greatest difference of any class's probability.
fn distance(live: &[f64], beside: &[f64]) -> f64 {
    live.iter().zip(beside).map(|(live, beside)| (beside - live).abs()).fold(0.0, f64::max)
}

/// A classifier's answers with the names of its classes.
struct Classes<'a> {
    contract: &'a Contract,
    said: &'a [usize],
    probabilities: &'a [f64],
    are_probabilities: bool,
}

impl<'a> Classes<'a> {
    fn of(side: &'a Side) -> Option<Self> {
        let Guesses::Classes { probabilities, are_probabilities, said } = &side.scores.guesses else {
            return None;
        };
        Some(Self { contract: &side.contract, said, probabilities, are_probabilities: *are_probabilities })
    }

    fn labels(&self) -> Vec<&'a str> {
        match &self.contract.task {
            Task::Classify { labels, .. } => labels.iter().map(|label| &*label.text).collect(),
            Task::Regress { .. } | Task::Opaque => Vec::new(),
        }
    }

    fn text(&self, place: usize) -> Option<&'a str> {
        let Task::Classify { labels, .. } = &self.contract.task else { return None };
        labels.get(*self.said.get(place)?).map(|label| &*label.text)
    }

    fn row(&self, place: usize) -> Option<&'a [f64]> {
        let Task::Classify { labels, .. } = &self.contract.task else { return None };
        let from = place.checked_mul(labels.len())?;
        self.probabilities.get(from..from.checked_add(labels.len())?)
    }

    fn judged(&self, place: usize, truth: usize) -> Option<classify::Row<'a>> {
        let (said, probabilities) = (*self.said.get(place)?, self.row(place)?);
        Some(classify::Row { truth, said, confidence: None, served: false, probabilities })
    }
}

#[cfg(test)]
mod tests;
