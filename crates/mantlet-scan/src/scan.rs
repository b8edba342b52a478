//! One scan: what is spent, what is found, and where we are in nested containers.

use std::{io, path::Path, time::Instant};

use crate::{
    Beside, Finding, Folder, Format, Input, Limits, Report, Rule, Verdict, format, identify::identify,
};

/// Why reading some content ended before its end. The dispatcher turns each into a finding of the format that was being read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The content ends before what it announces.
    #[error("the content ends early")]
    Cut {
        /// Where more was expected.
        offset: u64,
    },
    /// The content breaks its format's rules.
    #[error("{why}")]
    Malformed {
        /// Where.
        offset: u64,
        /// How.
        why: String,
    },
    /// A bound of [`Limits`] was met.
    #[error("the file is over the bound of {0}")]
    Over(&'static str),
    /// The disk said no.
    #[error("{0}")]
    Io(io::Error),
}

impl Stop {
    /// A breach of the format's rules at `offset`.
    pub(crate) fn malformed(offset: u64, why: impl Into<String>) -> Self {
        Self::Malformed { offset, why: why.into() }
    }
}

/// The state of one scan, handed to every reader.
pub(crate) struct Scan<'a> {
    pub(crate) limits: &'a Limits,
    folder: Option<&'a dyn Folder>,
    /// Names of the containers' members that we are in, the outermost first.
    within: Vec<String>,
    findings: Vec<Finding>,
    spent: Spent,
    started: Instant,
}

#[derive(Default)]
struct Spent {
    steps: u64,
}

impl<'a> Scan<'a> {
    /// States a reason against the content.
    pub(crate) fn find(
        &mut self,
        rule: &'static Rule,
        offset: impl Into<Option<u64>>,
        why: impl Into<String>,
    ) {
        if self.findings.len() < self.limits.findings {
            let member = (!self.within.is_empty()).then(|| self.within.join("!"));
            let (offset, why) = (offset.into(), why.into());
            self.findings.push(Finding { rule: rule.id, class: rule.class, offset, member, why });
        }
    }

    /// Pays for elementary steps.
    pub(crate) fn charge(&mut self, steps: u64) -> Result<(), Stop> {
        self.spent.steps = self.spent.steps.saturating_add(steps);
        if self.spent.steps > self.limits.steps {
            return Err(Stop::Over("steps"));
        }
        if self.started.elapsed() > self.limits.time {
            return Err(Stop::Over("time"));
        }
        Ok(())
    }

    /// What stands beside the file under scan; nothing does where only bytes are known.
    pub(crate) fn beside(&self, name: &str) -> Option<Beside> {
        self.folder.map(|folder| folder.look(name))
    }

    /// Recognizes content and lets its format's reader judge it.
    pub(crate) fn content(&mut self, input: &Input<'_>) -> Format {
        let format = match identify(input) {
            Ok(format) => format,
            Err(stop) => {
                self.find(&UNREADABLE, None, stop.to_string());
                return Format::Unrecognized;
            }
        };
        let (read, malformed) = match format {
            Format::Safetensors => (format::safetensors::scan(input, self), &format::safetensors::MALFORMED),
            _ => (Ok(()), &UNREADABLE),
        };
        match read {
            Ok(()) => {}
            Err(Stop::Cut { offset }) => self.find(malformed, offset, "the content ends early"),
            Err(Stop::Malformed { offset, why }) => self.find(malformed, offset, why),
            Err(stop @ (Stop::Over(_) | Stop::Io(_))) => self.find(&UNREADABLE, None, stop.to_string()),
        }
        format
    }
}

/// Content must be readable within the bounds.
static UNREADABLE: Rule = Rule {
    id: "scan/bounds",
    class: "resource",
    demands: "content can be read whole within the bounds of a scan",
};

/// Scans content in memory, with what stands beside it if that is known.
#[must_use]
pub fn scan_bytes(bytes: &[u8], folder: Option<&dyn Folder>, limits: &Limits) -> Report {
    scan_input(&Input::Memory(bytes), folder, limits)
}

/// Scans one file.
///
/// # Errors
/// The file cannot be opened. Whatever goes wrong later is a finding.
pub fn scan_path(path: &Path, limits: &Limits) -> io::Result<Report> {
    let file = std::fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    Ok(scan_input(&Input::File { file: &file, start: 0, bytes }, None, limits))
}

fn scan_input(input: &Input<'_>, folder: Option<&dyn Folder>, limits: &Limits) -> Report {
    let mut scan = Scan {
        limits,
        folder,
        within: Vec::new(),
        findings: Vec::new(),
        spent: Spent::default(),
        started: Instant::now(),
    };
    let format = scan.content(input);
    let verdict = match (scan.findings.is_empty(), format) {
        (false, _) => Verdict::Unsafe,
        (true, Format::Unrecognized) => Verdict::Unknown,
        (true, _) => Verdict::Safe,
    };
    Report { verdict, format, can_carry_code: false, findings: scan.findings }
}
