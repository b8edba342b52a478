//! What a report may say to whoever asks over the wire: nothing about single rows.
//!
//! A figure over one row is that row's answer, as the model gave it before anything was withheld, rounded or cut. So few
//! rows have no report, small groups are left out of it, and so many others with them that what is left out is itself
//! no small group: otherwise the figures of all rows less those of the groups would be its own. What two evaluations
//! tell by their difference is for the limits to make expensive.

use mantlet_types::Rejection;

use super::{Key, Report};

/// Rows below which there is no report.
pub(super) const ROWS_MIN: usize = 30;

/// Rows below which a group is left out.
pub(super) const GROUP_ROWS_MIN: usize = 10;

/// Holds the number of rows against the least that a report speaks of.
pub(super) fn check_rows(evaluated: usize) -> Result<(), Rejection> {
    if evaluated >= ROWS_MIN {
        return Ok(());
    }
    let detail =
        format!("an evaluation needs at least {ROWS_MIN} rows that the model takes; these are {evaluated}");
    Err(Rejection::argument(detail))
}

/// Leaves small groups out of a report.
pub(super) fn without_small_groups(mut report: Report, key: &Key) -> Report {
    debug_assert_eq!(report.slices.len(), key.slices.len());
    for slice in &mut report.slices {
        let sizes: Vec<usize> = slice.groups.iter().map(|group| group.rows).collect();
        let left_out = left_out(&sizes);
        slice.left_out = left_out.iter().filter(|left_out| **left_out).count();
        let mut flags = left_out.into_iter();
        slice.groups.retain(|_| !flags.next().unwrap_or(true));
    }
    report
}

/// Which of the groups of these sizes are left out: small ones, and then the smallest others until all that are left out
/// have as many rows as one group must.
fn left_out(sizes: &[usize]) -> Vec<bool> {
    let mut left_out: Vec<bool> = sizes.iter().map(|rows| *rows < GROUP_ROWS_MIN).collect();
    let hidden = |left_out: &[bool]| -> usize {
        sizes.iter().zip(left_out).filter(|(_, left_out)| **left_out).map(|(rows, _)| rows).sum()
    };
    while (1..GROUP_ROWS_MIN).contains(&hidden(&left_out)) {
        let shown = (0..sizes.len()).filter(|place| !left_out[*place]);
        let Some(smallest) = shown.min_by_key(|place| sizes[*place]) else { break };
        left_out[smallest] = true;
    }
    left_out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_group_takes_others_with_it() {
        assert_eq!(left_out(&[20, 30]), [false, false]);
        assert_eq!(left_out(&[3, 20, 30]), [true, true, false], "20 less the rest would be the 3");
        assert_eq!(left_out(&[3, 7, 30]), [true, true, false], "together they are ten");
        assert_eq!(left_out(&[3, 4]), [true, true]);
    }

    proptest! {
        #[test]
        fn what_is_shown_and_what_is_not_are_no_small_groups(sizes in prop::collection::vec(1_usize..40, 0..12)) {
            let left_out = left_out(&sizes);
            let hidden: usize = sizes.iter().zip(&left_out).filter(|(_, out)| **out).map(|(rows, _)| *rows).sum();
            let all_out = left_out.iter().all(|out| *out);
            prop_assert!(hidden == 0 || hidden >= GROUP_ROWS_MIN || all_out);
            for (rows, out) in sizes.iter().zip(left_out) {
                prop_assert!(out || *rows >= GROUP_ROWS_MIN);
            }
        }
    }
}
