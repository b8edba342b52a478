//! The one place where the gate asks the guard of prompts, and what it makes of what that says.

use mantlet_guard::{
    Channel, Span,
    detect::{Detector, Verdict as Said},
};

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

/// Looks at a text; `task` is what the user wants, where known.
pub(super) fn scan(text: &str, channel: Channel, task: Option<&str>) -> Finding {
    let report = Detector::embedded().scan_for(text, channel, task);
    let verdict = match report.verdict {
        Said::Clean => Verdict::Clean,
        Said::Suspect => Verdict::Suspect,
        Said::Attack => Verdict::Attack,
    };
    Finding { verdict, reasons: report.reasons.iter().map(|reason| (reason.code, reason.span)).collect() }
}
