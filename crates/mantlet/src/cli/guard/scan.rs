//! `mantlet guard scan`: texts in, verdicts out.

use mantlet_guard::{
    Channel, Span,
    detect::{Detector, Report, Verdict},
};
use serde::{Deserialize, Serialize};

use super::{
    super::{args::GuardScan, exit::Failure},
    lines,
};

/// A line of input. Other members are passed over: lines of data sets have labels and sources.
#[derive(Deserialize)]
struct Line {
    text: String,
    channel: Channel,
    /// What the user has asked to be done with the document.
    #[serde(default)]
    task: Option<String>,
}

/// A line of output; each reason has the span in its place.
#[derive(Serialize)]
struct Judged {
    score: f32,
    verdict: Verdict,
    reasons: Vec<&'static str>,
    spans: Vec<Span>,
}

impl From<Report> for Judged {
    fn from(report: Report) -> Self {
        let (reasons, spans) = report.reasons.into_iter().map(|reason| (reason.code, reason.span)).unzip();
        Self { score: report.score, verdict: report.verdict, reasons, spans }
    }
}

/// Judges each line of standard input.
pub(super) fn run(command: &GuardScan) -> Result<(), Failure> {
    let detector = Detector::embedded();
    let mut attacks: u64 = 0;
    lines::answer(|line: Line| {
        let task = line.task.as_deref();
        let report = if command.words_only {
            detector.scan_with(&line.text, line.channel, task, None)
        } else {
            detector.scan_for(&line.text, line.channel, task)
        };
        attacks += u64::from(report.verdict == Verdict::Attack);
        Judged::from(report)
    })?;
    if attacks > 0 { Err(Failure::no(format!("`{attacks}` texts are attacks"))) } else { Ok(()) }
}
