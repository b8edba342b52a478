//! What a report may say to whoever asks over the wire: nothing about single rows.
//!
//! A figure over one row is that row's answer, as the model gave it before anything was withheld, rounded or cut. So there is
//! no report on few rows, and copies of a row are that row. Whatever divides the rows, be it a slice, the truth, the
//! confidence or the threshold, makes groups; small ones are left out, and so many others with them that what is left out is
//! itself no small group: otherwise the figures of all rows less those of the groups would be its own.
//!
//! These are the minimum frequency and dominance rules of statistical disclosure control (Hundepool et al., "Statistical
//! Disclosure Control", 2012, ch. 4 and 5). They are about one report: what two of them tell by their difference, and what one
//! tells to whoever knows all answers but one, is for the limits to make expensive.

use std::collections::HashMap;

use mantlet_gate::output::Scores;
use mantlet_types::Rejection;

use super::{Classification, Key, Report, Truths, classify};

/// Different rows below which there is no report.
pub(super) const ROWS_MIN: usize = 30;

/// Different rows below which a group is left out.
pub(super) const GROUP_ROWS_MIN: usize = 10;

/// A row's number among the different ones, as either of two models tells them apart; one model is both.
pub(super) type Who = [u32; 2];

/// Rows of a group.
#[derive(Default)]
pub(super) struct Crowd {
    rows: usize,
    /// Copies of the row of which there are most.
    most: usize,
    copies: [HashMap<u32, usize>; 2],
}

impl Crowd {
    fn add(&mut self, who: Who) {
        self.rows += 1;
        for (copies, number) in self.copies.iter_mut().zip(who) {
            let count = copies.entry(number).or_default();
            *count += 1;
            self.most = self.most.max(*count);
        }
    }

    fn join(&mut self, other: &Self) {
        self.rows += other.rows;
        for (copies, others) in self.copies.iter_mut().zip(&other.copies) {
            for (number, more) in others {
                let count = copies.entry(*number).or_default();
                *count += more;
                self.most = self.most.max(*count);
            }
        }
    }

    fn different(&self) -> usize {
        self.copies.iter().map(HashMap::len).min().unwrap_or(0)
    }

    /// Whether figures over them are about no single one: they are different enough, and no row makes more than half.
    fn is_crowd(&self, least: usize) -> bool {
        self.different() >= least && self.most.saturating_mul(2) <= self.rows
    }

    /// Whether there are rows that are no crowd.
    fn is_few(&self) -> bool {
        self.rows > 0 && !self.is_crowd(GROUP_ROWS_MIN)
    }
}

impl FromIterator<Who> for Crowd {
    fn from_iter<T: IntoIterator<Item = Who>>(rows: T) -> Self {
        let mut crowd = Self::default();
        rows.into_iter().for_each(|who| crowd.add(who));
        crowd
    }
}

/// Holds rows against the least that a report speaks of.
pub(super) fn check_rows(rows: impl IntoIterator<Item = Who>) -> Result<(), Rejection> {
    let all: Crowd = rows.into_iter().collect();
    if all.is_crowd(ROWS_MIN) {
        return Ok(());
    }
    let different = all.different();
    let detail = if different < ROWS_MIN {
        format!(
            "an evaluation needs at least {ROWS_MIN} different rows that the model takes; these are {different}"
        )
    } else {
        "more than half of the rows are one row; an evaluation is about many".to_owned()
    };
    Err(Rejection::argument(detail))
}

/// The rows of an evaluation, one by one.
pub(super) fn rows(scores: &Scores) -> impl Iterator<Item = Who> + '_ {
    // A row of which nothing is known is like every other such row.
    (0..scores.rows.len()).map(|place| who(scores, place))
}

fn who(scores: &Scores, place: usize) -> Who {
    [scores.alike.get(place).copied().unwrap_or(u32::MAX); 2]
}

/// Leaves out of a report what is about few rows.
pub(super) fn without_small_groups(mut report: Report, key: &Key, scores: &Scores) -> Report {
    debug_assert_eq!(report.slices.len(), key.slices.len());
    for (slice, own) in report.slices.iter_mut().zip(&key.slices) {
        let parts: Vec<Vec<usize>> = own.parts(&scores.rows).into_iter().map(|part| part.places).collect();
        let crowd = |places: &Vec<usize>| places.iter().map(|place| who(scores, *place)).collect();
        let left_out = left_out(&parts.iter().map(crowd).collect::<Vec<Crowd>>());
        for (group, places) in slice.groups.iter_mut().zip(&parts) {
            if let Some(figures) = &mut group.classification
                && classes(key, scores, places.iter().copied()).values().any(Crowd::is_few)
            {
                figures.roc_auc = None;
            }
        }
        slice.left_out = left_out.iter().filter(|left_out| **left_out).count();
        retain(&mut slice.groups, &left_out);
    }
    if let Some(classification) = &mut report.classification {
        fold(classification, key, scores);
    }
    report
}

/// Rows by what is true of them.
fn classes(key: &Key, scores: &Scores, places: impl Iterator<Item = usize>) -> HashMap<usize, Crowd> {
    let mut classes: HashMap<usize, Crowd> = HashMap::new();
    let Truths::Classes(truths) = &key.truths else { return classes };
    for place in places {
        let truth = scores.rows.get(place).and_then(|row| truths.get(*row));
        classes.entry(truth.copied().unwrap_or(usize::MAX)).or_default().add(who(scores, place));
    }
    classes
}

/// Leaves out classes, bins and the served answers' accuracy, where they are about few rows: whoever asks chooses what is
/// true of a row, and knows which ones are not served.
fn fold(classification: &mut Classification, key: &Key, scores: &Scores) {
    let all = || 0..scores.rows.len();
    let mut by_class = classes(key, scores, all());
    let crowds: Vec<Crowd> =
        (0..classification.labels.len()).map(|class| by_class.remove(&class).unwrap_or_default()).collect();
    if crowds.iter().any(Crowd::is_few) {
        // How one row stands among others of another truth.
        classification.figures.roc_auc = None;
        classification.roc.clear();
        classification.classes.iter_mut().for_each(|class| class.roc_auc = None);
    }
    let out = left_out(&crowds);
    classification.left_out = out.iter().filter(|left_out| **left_out).count();
    retain(&mut classification.classes, &out);
    for (row, _) in classification.confusion.iter_mut().zip(&out).filter(|(_, left_out)| **left_out) {
        row.clear();
    }
    if classification.left_out > 0 && classification.classes.iter().all(|class| class.support == 0) {
        classification.confusion.clear();
    }
    let mut bins: Vec<Crowd> = (0..classify::BINS).map(|_| Crowd::default()).collect();
    for (place, confidence) in scores.confidence.iter().enumerate() {
        let bin = confidence.and_then(|confidence| bins.get_mut(classify::bin(confidence)));
        if let Some(bin) = bin {
            bin.add(who(scores, place));
        }
    }
    bins.retain(|bin| bin.rows > 0); // as the report has them
    retain(&mut classification.reliability, &left_out(&bins));
    let served = |wanted: bool| -> Crowd {
        let places = all().filter(|place| scores.served.get(*place) == Some(&wanted));
        places.map(|place| who(scores, place)).collect()
    };
    if served(true).is_few() || served(false).is_few() {
        classification.served.accuracy = None;
    }
}

fn retain<T>(all: &mut Vec<T>, left_out: &[bool]) {
    let mut left_out = left_out.iter();
    all.retain(|_| !left_out.next().unwrap_or(&true));
}

/// Which of these groups are left out: those of few rows, and then the smallest others until all that are left out are no
/// few rows together. What has no rows says nothing and stays.
pub(super) fn left_out(groups: &[Crowd]) -> Vec<bool> {
    let mut left_out: Vec<bool> = groups.iter().map(Crowd::is_few).collect();
    let mut hidden = Crowd::default();
    for (group, _) in groups.iter().zip(&left_out).filter(|(_, left_out)| **left_out) {
        hidden.join(group);
    }
    while hidden.is_few() {
        let shown = (0..groups.len()).filter(|place| !left_out[*place] && groups[*place].rows > 0);
        let Some(smallest) = shown.min_by_key(|place| groups[*place].rows) else { break };
        left_out[smallest] = true;
        hidden.join(&groups[smallest]);
    }
    left_out
}

#[cfg(test)]
mod tests;
