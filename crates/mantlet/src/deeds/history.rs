//! Where a version comes from and who took which step with it: what the directory says, each line held against the log.
//!
//! The directory is what decides, and the log what nobody can change afterwards. A step names the entry of its intent; here
//! the entry is read, must be of this step by this person, and is followed to its outcome. The receipt of what was found goes
//! with the line, so that whoever may prove from the log (`audit prove`) can have each line proved.

use std::{path::PathBuf, sync::Arc};

use mantlet_audit::{Log, read::Reader};
use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Directory, VersionRecord},
    identity::Principal,
    releases::facts::{Milestone, State, Taken},
};
use mantlet_types::{
    Code, Entry, ModelName, PrincipalId, Rejection, Sha256, Timestamp, UserId, Version,
    entry::{Event, Phase, Token},
};
use serde::Serialize;

use super::models::{Lineage, Seen};

/// Entries after an intent among which its outcome is looked for: far more than are written while one deed is done.
const OUTCOME_ENTRIES_MAX: usize = 4_096;

/// Shows the history of a version, or of all of a model's versions that the caller may know of.
pub struct ShowHistory {
    /// The model.
    pub model: ModelName,
    /// Of which version; all, if absent.
    pub version: Option<Version>,
    /// The open log.
    pub log: Arc<Log>,
    /// Where it lies.
    pub dir: PathBuf,
}

/// What is known of versions.
#[derive(Debug, Serialize)]
pub struct History {
    model: ModelName,
    versions: Vec<Story>,
}

/// One version from its beginning.
#[derive(Debug, Serialize)]
pub struct Story {
    version: Version,
    digest: Sha256,
    state: State,
    lineage: Lineage,
    steps: Vec<Line>,
}

/// One step.
#[derive(Debug, Serialize)]
pub struct Line {
    step: &'static str,
    by: UserId,
    at: Timestamp,
    /// That one person held all duties then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    single_person: bool,
    /// Digest of the signed statement, of an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    log: InLog,
    /// Of the entry that was found: what `audit prove` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

/// What the log says of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum InLog {
    /// That it was done.
    Outcome,
    /// That it was about to be done: the process ended before it could say what came of it.
    Intent,
    /// Nothing was kept of where it is, in records from before that was.
    Unknown,
    /// Nothing that fits. What the directory says did not come about by a deed of this server.
    Missing,
}

impl Deed for ShowHistory {
    type Reply = History;

    fn event(&self) -> Event {
        Event::ModelRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _caller: &Principal, _directory: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<History>, Rejection> {
        let Self { model: name, version, log, dir } = self;
        let seen = Seen::of(office, &name);
        let model = office.snapshot.directory.models.get(&name).ok_or(Code::NotFound)?;
        let mut told = Vec::new();
        for (number, record) in &model.versions {
            let meant = version.is_none_or(|version| version == *number);
            if meant && seen.version(office, &name, *number).is_some() {
                let state = model.state(*number, office.gate.now()).ok_or(Code::NotFound)?;
                told.push((*number, record.clone(), state));
            }
        }
        if told.is_empty() {
            return Err(Code::NotFound.into());
        }
        let read = tokio::task::spawn_blocking(move || {
            let reader = Reader::open(&dir).map_err(|error| Rejection::unavailable(error.to_string()))?;
            let book = Book { log: &log, reader: &reader };
            let story = |(version, record, state)| book.story(version, &record, state);
            Ok(History { model: name, versions: told.into_iter().map(story).collect() })
        });
        let history = read.await.map_err(|error| Rejection::unavailable(error.to_string()))?;
        history.map(Done::read)
    }
}

/// The log, to be read in.
struct Book<'a> {
    log: &'a Log,
    reader: &'a Reader,
}

impl Book<'_> {
    fn story(&self, version: Version, record: &VersionRecord, state: State) -> Story {
        let steps = record.facts.steps.iter().map(|step| self.line(step, version, record)).collect();
        Story { version, digest: record.digest, state, lineage: Lineage::of(record), steps }
    }

    fn line(&self, taken: &Taken, version: Version, record: &VersionRecord) -> Line {
        let Taken { step, by, at, entry, single_person } = taken.clone();
        let found = entry.map(|index| self.look_up(index, taken, version, record));
        let (log, entry) = match found {
            None => (InLog::Unknown, None),
            Some(None) => (InLog::Missing, None),
            Some(Some(entry)) if entry.phase == Phase::Intent => (InLog::Intent, Some(entry)),
            Some(Some(entry)) => (InLog::Outcome, Some(entry)),
        };
        let receipt = entry.as_ref().and_then(|entry| self.log.receipt_of(entry.idx));
        let subject = entry.and_then(|entry| entry.subject).filter(|_| step == Milestone::Approved);
        let statement = subject.as_ref().and_then(|subject| subject.as_str().split_once('/'));
        let statement = statement.map(|(_, statement)| statement.to_owned());
        Line { step: step.as_str(), by, at, single_person, statement, log, receipt }
    }

    /// The entry of a step: of its outcome, or else of its intent.
    fn look_up(&self, index: u64, taken: &Taken, version: Version, record: &VersionRecord) -> Option<Entry> {
        let intent = self.reader.entry(index).ok()??;
        let by = PrincipalId::User(taken.by.clone());
        let fits = intent.phase == Phase::Intent
            && intent.principal.as_ref() == Some(&by)
            && taken.step.events().contains(&intent.event)
            // The number of a version is not known before it is registered; where one makes room, the entry has the other's.
            && (intent.event == Event::ModelRegister
                || taken.step == Milestone::Replaced
                || is_of(&intent, version, record));
        if !fits {
            return None;
        }
        let later = self.reader.entries(index.saturating_add(1)).take(OUTCOME_ENTRIES_MAX);
        let outcome = later
            .map_while(Result::ok)
            .find(|entry| entry.phase == Phase::Outcome && entry.intent_idx == Some(index));
        match outcome {
            Some(outcome) if outcome.status == Some(200) => Some(outcome),
            // It came about although its deed says that it failed: nobody has done this.
            Some(_) => None,
            None => Some(intent),
        }
    }
}

/// Whether an entry is about this version.
fn is_of(entry: &Entry, version: Version, record: &VersionRecord) -> bool {
    let digest = entry.model_digest.is_none_or(|digest| digest == record.digest);
    let subject = entry.subject.as_ref().map(Token::as_str).unwrap_or_default();
    let named = subject.split('/').next().and_then(|subject| subject.rsplit_once('@'));
    digest
        && (entry.model_version == Some(version)
            || named.is_some_and(|(_, number)| number == version.to_string()))
}
