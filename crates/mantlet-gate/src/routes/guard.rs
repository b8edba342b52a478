//! The one place where the gate asks the guard of prompts, and what it makes of what that says.

use std::time::Instant;

use mantlet_guard::{
    Channel, Span,
    detect::{Detector, Refine, Report, Verdict as Said},
    encoder::Encoder,
};
use mantlet_types::Rejection;

/// What the guard says of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    /// Reason codes with their places in the text.
    pub(super) reasons: Vec<(&'static str, Span)>,
}

/// How sure the guard is, from least to most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// There is nothing.
    #[default]
    Clean,
    /// There may be.
    Suspect,
    /// There is.
    Attack,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Suspect => "suspect",
            Self::Attack => "attack",
        }
    }
}

/// A text to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought<'a> {
    pub(super) text: &'a str,
    pub(super) channel: Channel,
}

/// Looks of the encoder that one text takes at most: its windows, times looks at each.
const LOOKS_OF_TEXT_MAX: usize = 12;

/// Bytes from one look to the next, at least: no piece of a word is shorter than a byte.
const LOOK_BYTES: usize = 44;

/// Looks at texts, with what the user wants, where known: at each by its words, and where these leave doubt by its meaning, as long as there are looks left. They are
/// spent on the heaviest texts; the others that leave doubt are suspect at least.
///
/// Time is linear in the texts' length beside at most so many looks of some milliseconds each.
///
/// # Errors
/// 503 if it has taken too long.
pub(super) fn scan_all(
    texts: &[Sought<'_>],
    task: Option<&str>,
    looks: usize,
    ends: Instant,
) -> Result<Vec<Finding>, Rejection> {
    let (detector, encoder) = (Detector::embedded(), Encoder::embedded());
    let in_time = || match Instant::now() > ends {
        true => Err(Rejection::unavailable("the guard's look at a prompt took too long")),
        false => Ok(()),
    };
    let (mut findings, mut doubtful) = (Vec::with_capacity(texts.len()), Vec::new());
    for (place, Sought { text, channel }) in texts.iter().enumerate() {
        in_time()?;
        let report = detector.scan_with(text, *channel, task, None);
        if encoder.asks(report.score, *channel) {
            doubtful.push(Doubt { place, score: report.score, looks: looks_of(text) });
        }
        findings.push(Finding::of(&report));
    }
    let read = heaviest(&mut doubtful, looks);
    for (rank, Doubt { place, .. }) in doubtful.iter().enumerate() {
        let (Some(one), Some(finding)) = (texts.get(*place), findings.get_mut(*place)) else { continue };
        if rank < read {
            in_time()?;
            *finding = Finding::of(&detector.scan_with(one.text, one.channel, task, Some(encoder)));
        } else {
            finding.verdict = finding.verdict.max(Verdict::Suspect);
        }
    }
    Ok(findings)
}

/// A text whose words leave doubt.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    place: usize,
    score: f32,
    looks: usize,
}

/// Puts the heaviest first, and says how many of them there are looks for.
fn heaviest(doubtful: &mut [Doubt], looks: usize) -> usize {
    doubtful.sort_by(|one, other| other.score.total_cmp(&one.score));
    let mut left = looks;
    let fits = |one: &&Doubt| left.checked_sub(one.looks).map(|less| left = less).is_some();
    doubtful.iter().take_while(fits).count()
}

/// Looks that a text may take, from above.
fn looks_of(text: &str) -> usize {
    (1 + text.len() / LOOK_BYTES).min(LOOKS_OF_TEXT_MAX)
}

impl Finding {
    fn of(report: &Report) -> Self {
        let verdict = match report.verdict {
            Said::Clean => Verdict::Clean,
            Said::Suspect => Verdict::Suspect,
            Said::Attack => Verdict::Attack,
        };
        Self { verdict, reasons: report.reasons.iter().map(|reason| (reason.code, reason.span)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn looks_are_spent_on_the_heaviest_texts_and_are_not_exceeded() {
        let doubt = |place, score, looks| Doubt { place, score, looks };
        let all = [doubt(0, 0.1, 1), doubt(1, 0.4, 12), doubt(2, 0.3, 3), doubt(3, 0.2, 1)];
        let read = |looks| {
            let mut doubtful = all;
            let read = heaviest(&mut doubtful, looks);
            doubtful[..read].iter().map(|doubt| doubt.place).collect::<Vec<_>>()
        };
        assert_eq!(read(17), [1, 2, 3, 0]);
        assert_eq!(read(16), [1, 2, 3]);
        assert_eq!(read(14), [1]);
        assert_eq!(read(11), [0; 0]);
        let mut many = vec![doubt(0, 0.2, 1); 1_200];
        assert_eq!(heaviest(&mut many, 48), 48);
    }

    #[test]
    fn looks_are_counted_from_above() {
        assert_eq!(
            [0, 43, 44, 483, 484, 1 << 20].map(|length| looks_of(&"a".repeat(length))),
            [1, 1, 2, 11, 12, 12]
        );
    }

    #[test]
    fn what_no_look_is_left_for_is_suspect_and_what_takes_too_long_is_rejected() {
        let late = Instant::now() + Duration::from_secs(600);
        let texts: Vec<String> = (0..60).map(|number| format!("system prompt {number}")).collect();
        let sought: Vec<_> = texts.iter().map(|text| Sought { text, channel: Channel::User }).collect();
        let findings = scan_all(&sought, None, 0, late).unwrap();
        assert_eq!(findings.len(), 60);
        assert!(findings.iter().all(|finding| finding.verdict >= Verdict::Suspect), "{findings:?}");
        let past = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        assert!(scan_all(&sought, None, 0, past).is_err());
        assert!(scan_all(&[], None, 0, late).unwrap().is_empty());
    }
}
