//! One scan: what is spent, what is found, and where we are in nested containers.

mod stop;
#[cfg(test)]
mod tests;

use std::{
    cell::Cell,
    collections::BTreeSet,
    rc::Rc,
    time::{Duration, Instant},
};

pub(crate) use stop::Stop;

use crate::{
    Beside, Finding, Folder, Format, Input, Limits, Report, Rule, Verdict, format,
    identify::{Reader, identify},
    pickle, text,
};

/// Bytes out of a decompressor that cost one step.
const BYTES_PER_STEP: u64 = 256;
/// How often everything may be decompressed again. Readers look at the beginning, at the end, and then at the whole.
const AGAIN: u64 = 8;

/// Longest name shown.
const NAME_CHARACTERS_MAX: usize = 200;

/// Content can be read whole.
pub(crate) static BOUNDS: Rule = Rule {
    id: "scan/bounds",
    class: "resource",
    demands: "content can be read whole within the bounds of a scan",
};

/// Content is of a format that a reader here knows.
pub(crate) static UNRECOGNIZED: Rule =
    Rule { id: "scan/unrecognized", class: "unknown", demands: "content is of a format that is known here" };

/// The state of one scan, handed to every reader.
pub(crate) struct Scan<'a> {
    pub(crate) limits: &'a Limits,
    folder: Option<&'a dyn Folder>,
    /// Where in it the file under scan is: a prefix of names, empty or ending in `/`.
    here: String,
    /// Files beside the one under scan that it declared to be data of its tensors.
    claimed: BTreeSet<String>,
    /// Members that we are in, the outermost first: name, and format once it is known.
    within: Vec<(String, Option<Format>)>,
    findings: Vec<Finding>,
    /// The rules that are heard while something is only tried.
    heard: Option<&'static [&'static Rule]>,
    /// Content that nobody recognized, with the path of its file if it is one.
    unrecognized: Vec<(Option<String>, Finding)>,
    /// The file of the folder that is being read, as it is named.
    file: Option<String>,
    can_carry_code: bool,
    steps: u64,
    members: u64,
    inflated: u64,
    /// Bytes that were decompressed again.
    again: Rc<Cell<u64>>,
    /// Length of the files under scan.
    file_bytes: u64,
    /// As many of them as are read by windows, and so take no memory themselves.
    spare_bytes: u64,
    depth: u32,
    held: Rc<Cell<u64>>,
    started: Instant,
    /// A bound was met: said once.
    over: bool,
}

/// Memory that a reader holds; given back when dropped.
pub(crate) struct Held {
    bytes: u64,
    of: Rc<Cell<u64>>,
}

impl Held {
    /// How much is held.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.set(self.of.get().saturating_sub(self.bytes));
    }
}

impl<'a> Scan<'a> {
    /// A scan that has seen nothing.
    pub(crate) fn new(folder: Option<&'a dyn Folder>, limits: &'a Limits) -> Self {
        Self {
            limits,
            folder,
            here: String::new(),
            claimed: BTreeSet::new(),
            within: Vec::new(),
            findings: Vec::new(),
            heard: None,
            unrecognized: Vec::new(),
            file: None,
            can_carry_code: false,
            steps: 0,
            members: 0,
            inflated: 0,
            again: Rc::default(),
            file_bytes: 0,
            spare_bytes: 0,
            depth: 0,
            held: Rc::new(Cell::new(0)),
            started: Instant::now(),
            over: false,
        }
    }

    /// States a reason against the content. Text from the file may stand in `why` as it is: it is cleaned and shortened here.
    pub(crate) fn find(&mut self, rule: &'static Rule, offset: impl Into<Option<u64>>, why: impl AsRef<str>) {
        // Not after they were collected: what does not count must not take the place of what does.
        if self.heard.is_some_and(|heard| !heard.contains(&rule)) {
            return;
        }
        if self.findings.len() < self.limits.findings {
            let finding = self.finding(rule, offset.into(), why.as_ref());
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
    }

    fn finding(&self, rule: &'static Rule, offset: Option<u64>, why: &str) -> Finding {
        let names: Vec<&str> = self.within.iter().map(|(name, _)| name.as_str()).collect();
        let member = (!names.is_empty()).then(|| names.join("!"));
        Finding {
            rule: rule.id,
            class: rule.class,
            demands: rule.demands,
            offset,
            member,
            why: text::printable(why, 400),
        }
    }

    /// Pays for elementary steps, and looks at the clock.
    pub(crate) fn charge(&mut self, steps: u64) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.limits.steps {
            return Err(Stop::Over("steps"));
        }
        if self.started.elapsed() > self.limits.time {
            return Err(Stop::Over("time"));
        }
        Ok(())
    }

    /// Pays for bytes that came out of a decompressor.
    pub(crate) fn inflate(&mut self, bytes: u64) -> Result<(), Stop> {
        self.inflated = self.inflated.saturating_add(bytes);
        if self.inflated > self.inflated_max() {
            return Err(Stop::Over("inflated bytes"));
        }
        self.charge(1 + bytes / BYTES_PER_STEP)
    }

    fn inflated_max(&self) -> u64 {
        let for_file =
            self.file_bytes.saturating_mul(self.limits.inflation).saturating_add(self.limits.inflated_free);
        self.limits.inflated_bytes.min(for_file)
    }

    /// The count of bytes that streams which are not kept decompressed again, all of them together.
    pub(crate) fn again(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.again)
    }

    /// How many these may be: in proportion to the files' length, so that no order of reading makes the work grow faster.
    pub(crate) fn again_max(&self) -> u64 {
        self.inflated_max().saturating_mul(AGAIN)
    }

    /// Takes memory before it is allocated.
    pub(crate) fn hold(&mut self, bytes: u64) -> Result<Held, Stop> {
        let held = self.held.get().saturating_add(bytes);
        if held > self.limits.held_bytes.saturating_add(self.spare_bytes) {
            return Err(Stop::Over("memory"));
        }
        self.held.set(held);
        Ok(Held { bytes, of: Rc::clone(&self.held) })
    }

    /// How much time is left.
    pub(crate) fn time_left(&self) -> Duration {
        self.limits.time.saturating_sub(self.started.elapsed())
    }

    /// What stands beside the file under scan; `None` where that is not known, as for content in memory or in a container.
    pub(crate) fn beside(&self, name: &str) -> Option<Beside> {
        if self.depth > 0 {
            return None;
        }
        self.folder.map(|folder| folder.look(&format!("{}{name}", self.here)))
    }

    /// What the file under scan is called in its folder; `None` for members and for content alone.
    pub(crate) fn name(&self) -> Option<&str> {
        self.file.as_deref().filter(|_| self.depth == 0).and_then(|file| file.rsplit('/').next())
    }

    /// Declares a file beside the one under scan to be raw data of tensors, so that nobody wonders what format it has.
    pub(crate) fn claim(&mut self, name: &str) {
        if self.depth == 0 {
            self.claimed.insert(format!("{}{name}", self.here));
        }
    }

    /// The format of the container that the content is a member of.
    #[expect(dead_code, reason = "the reader that first needs it takes this line away")]
    pub(crate) fn container(&self) -> Option<Format> {
        self.within.iter().rev().nth(1).or(self.within.first()).and_then(|(_, format)| *format)
    }

    /// Recognizes and judges a file of the folder under scan. What it is may become clear by another file only.
    pub(crate) fn file(&mut self, name: &str, input: &Input<'_>) {
        self.here = name.rfind('/').and_then(|at| name.get(..=at)).unwrap_or_default().to_owned();
        self.within.push((text::printable(name, NAME_CHARACTERS_MAX), None));
        // What a file is does not depend on its name, but what others do with it does.
        if format::executable::is_run_by_name(name) {
            self.find(&format::executable::EXECUTABLE, None, "importers and shells run files of this name");
        }
        self.file = Some(name.to_owned());
        self.content(input);
        self.file = None;
        self.within.pop();
        self.here.clear();
    }

    /// Recognizes and judges a member of the content that is being read.
    pub(crate) fn member(&mut self, name: &str, input: &Input<'_>) -> Result<Format, Stop> {
        self.enter(name, |scan| Ok(scan.content(input)))
    }

    /// Does something as the member `name`, so that findings carry its path.
    pub(crate) fn enter<T>(
        &mut self,
        name: &str,
        inside: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.members = self.members.saturating_add(1);
        if self.members > self.limits.members {
            return Err(Stop::Over("members"));
        }
        if self.depth >= self.limits.depth {
            return Err(Stop::Over("depth of containers"));
        }
        self.depth += 1;
        self.within.push((text::printable(name, NAME_CHARACTERS_MAX), None));
        let result = inside(self);
        self.within.pop();
        self.depth -= 1;
        result
    }

    /// Does something whose findings are not yet the content's.
    pub(crate) fn aside<T>(
        &mut self,
        heard: &mut Vec<Finding>,
        inside: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        std::mem::swap(&mut self.findings, heard);
        let result = inside(self);
        std::mem::swap(&mut self.findings, heard);
        result
    }

    /// Does something of which only findings under some rules count.
    pub(crate) fn only<T>(
        &mut self,
        rules: &'static [&'static Rule],
        inside: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let before = self.heard.replace(rules);
        let result = inside(self);
        self.heard = before;
        result
    }

    /// Within [`Scan::only`]: from here on these rules count.
    pub(crate) fn listen(&mut self, rules: &'static [&'static Rule]) {
        if self.heard.is_some() {
            self.heard = Some(rules);
        }
    }

    /// Takes over what was found aside.
    pub(crate) fn adopt(&mut self, heard: Vec<Finding>) {
        let room = self.limits.findings.saturating_sub(self.findings.len());
        self.findings.extend(heard.into_iter().take(room));
    }

    /// Recognizes content and lets its format's reader judge it.
    pub(crate) fn content(&mut self, input: &Input<'_>) -> Format {
        if self.depth == 0 {
            self.file_bytes = self.file_bytes.saturating_add(input.len());
            self.spare_bytes = if matches!(input, Input::File { .. }) { input.len() } else { 0 };
        }
        let reader = match identify(input) {
            Ok(Some(reader)) => reader,
            Ok(None) => {
                self.polyglot(input);
                let why = "nothing here recognizes this content";
                // A member of a container may be called as a file is.
                let file = self.file.clone().filter(|_| self.depth == 0);
                self.unrecognized.push((file, self.finding(&UNRECOGNIZED, None, why)));
                return Format::Unrecognized;
            }
            Err(stop) => {
                self.stopped(&BOUNDS, stop);
                return Format::Unrecognized;
            }
        };
        // Text was tried as a pickle before it was taken for text, and words alone import nothing.
        let textual = matches!(reader.format, Format::Text | Format::Yaml | Format::Json | Format::Lightgbm);
        if !textual && reader.format != Format::Pickle {
            self.polyglot(input);
        }
        self.read(reader, input);
        reader.format
    }

    /// A loader of pickles does not ask for signatures.
    fn polyglot(&mut self, input: &Input<'_>) {
        if pickle::imports(*input) {
            self.find(&pickle::POLYGLOT, 0, "a loader of pickles would import names from this file");
        }
    }

    /// What is read now can carry code, whatever it is part of.
    pub(crate) fn carries_code(&mut self) {
        self.can_carry_code = true;
    }

    fn read(&mut self, reader: &'static Reader, input: &Input<'_>) {
        self.can_carry_code |= reader.can_carry_code;
        if let Some((_, format)) = self.within.last_mut() {
            *format = Some(reader.format);
        }
        if let Err(stop) = (reader.scan)(input, self) {
            self.stopped(reader.malformed, stop);
        }
    }

    /// Turns a stop into a finding.
    pub(crate) fn stopped(&mut self, malformed: &'static Rule, stop: Stop) {
        match stop {
            Stop::Cut { offset } => self.find(malformed, offset, "the content ends early"),
            Stop::Malformed { offset, why } => self.find(malformed, offset, why),
            Stop::Over(_) if self.over => {}
            Stop::Over(_) => {
                self.over = true;
                self.find(&BOUNDS, None, stop.to_string());
            }
            Stop::Io(_) => self.find(&BOUNDS, None, stop.to_string()),
        }
    }

    /// The verdict over everything that was read.
    pub(crate) fn report(mut self, format: Format) -> Report {
        let claimed = std::mem::take(&mut self.claimed);
        self.unrecognized.retain(|(file, _)| !file.as_ref().is_some_and(|file| claimed.contains(file)));
        let verdict = match (self.findings.is_empty(), self.unrecognized.is_empty()) {
            (false, _) => Verdict::Unsafe,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Safe,
        };
        self.findings.extend(self.unrecognized.into_iter().map(|(_, finding)| finding));
        self.findings.truncate(self.limits.findings);
        Report { verdict, format, can_carry_code: self.can_carry_code, findings: self.findings }
    }
}

/// Scans content in memory, with what stands beside it if that is known.
#[must_use]
pub fn scan_bytes(bytes: &[u8], folder: Option<&dyn Folder>, limits: &Limits) -> Report {
    let mut scan = Scan::new(folder, limits);
    let format = scan.content(&Input::Memory(bytes));
    scan.report(format)
}
