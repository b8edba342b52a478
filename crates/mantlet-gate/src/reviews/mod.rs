//! Held answers: what a model is not to say by itself waits for a person.
//!
//! A held row leaves as the fallback, with the outcome `review`; what was asked and what the model said of it go into a
//! queue, durably and before the answer leaves. Reviewers of the model's project look at it there and decide, never on
//! their own requests; whoever asked comes back for what was decided. After some days all of it is forgotten.

mod answer;
mod decide;
mod desk;
mod export;
mod hold;
mod item;
mod poll;
mod queue;
mod row;

use mantlet_types::{
    Timestamp,
    limits::{REVIEW_DAYS_MAX, REVIEWS_MAX},
};

pub use answer::HeldAnswer;
pub(crate) use answer::hold_answer;
pub use decide::{AssignReview, Assignment, DecideReview, EraseReview, Ruling};
pub use desk::{ListReviews, Listed, ReadReview, Shown};
pub use export::{ExportReviews, Labelled, Wanted};
pub use hold::{Holding, Settled};
pub(crate) use hold::{Kept, hold, keep};
pub use item::{Item, Status, UnknownStatus};
pub use poll::{Held, HeldRow, PollHeld};
pub(crate) use queue::Closed;
pub use queue::{Doing, Opened, Queue, Step};
pub use row::{Contents, Decision, Input, Said};

/// For so long it is known that there was a held row of which nothing is left, so that who asked is told how it ended.
const REMEMBERED_SECONDS: i64 = REVIEW_DAYS_MAX as i64 * 86_400;

/// When a model's answers are held for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Hold {
    /// Never: below the threshold the fallback is all that there is.
    #[default]
    Never,
    /// Where the model is not sure enough.
    BelowThreshold,
    /// This share of all rows, 0 to 1, whatever the model says of them. Which rows these are depends on the rows alone,
    /// so that asking again is no way around, and nobody can tell beforehand.
    Sampled(f64),
    /// Always.
    Always,
}

/// What is to be forgotten by now: what ended, and of what ended long enough ago that there was anything.
pub(crate) fn due(queue: &dyn Queue, now: Timestamp) -> Vec<Step> {
    let over = |item: &Item| item.status.is_kept() && now >= item.ends;
    let gone = |item: &Item| !item.status.is_kept() && now >= item.ends.plus_seconds(REMEMBERED_SECONDS);
    let ended = queue.list(&over, REVIEWS_MAX).into_iter().map(|item| Step::End(item.at(now)));
    let forgotten = queue.list(&gone, REVIEWS_MAX).into_iter().map(|item| Step::Forget(item.id));
    ended.chain(forgotten).collect()
}

#[cfg(test)]
mod tests;
