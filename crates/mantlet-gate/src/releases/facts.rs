//! What was recorded of a version, for good: where it came from, what was found out about it, who took which step.
//!
//! Facts are written by the deeds that establish them and never by a request. Each step names the audit entry of its
//! intent, so that what the directory says can be held against the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use mantlet_types::{
    Alias, Code, PrincipalId, Rejection, Sha256, Timestamp, UserId, Version, VersionRef, entry::Event,
};
use serde::{Deserialize, Serialize};

use crate::{
    administer::Office,
    directory::{DeploymentState, ModelRecord, VersionRecord},
};

/// Steps kept of one version: the first and the latest. All of them are in the log.
pub const STEPS_MAX: usize = 64;

/// Evaluations attached to one version. A model has few data sets that count.
pub const EVALUATIONS_MAX: usize = 16;

/// Data sets named at one registration.
pub const DATASETS_MAX: usize = 32;

/// What was recorded of a version. Absent in records from before there were any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// SHA-256 of the data sets that it was trained on, as its author states.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub datasets: BTreeSet<Sha256>,
    /// SHA-256 of the package's profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Sha256>,
    /// Fingerprint of the key that has signed the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Sha256>,
    /// What the scanner said of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scanned>,
    /// Evaluations that the log vouches for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<Evaluated>,
    /// If it is withdrawn for good: by whom, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retired>,
    /// Who took which step, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Taken>,
}

impl Facts {
    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a step. The first is where it comes from and stays; of the others the latest are kept.
    pub fn took(&mut self, step: Taken) {
        if self.steps.len() >= STEPS_MAX {
            self.steps.remove(1);
        }
        self.steps.push(step);
    }
}

/// What a scanner said of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanned {
    /// The scanner and its version.
    pub scanner: Box<str>,
    /// What it said.
    pub verdict: ScanVerdict,
    /// When.
    pub at: Timestamp,
}

/// What a scanner says of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanVerdict {
    /// Data, and nothing that would run.
    Safe,
    /// Something that would run, or hides.
    Unsafe,
    /// Not understood, and hence not safe.
    Unknown,
}

impl ScanVerdict {
    /// The word in records and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
            Self::Unknown => "unknown",
        }
    }
}

/// An evaluation of this version that the log vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// SHA-256 of the report: the audit entry names it.
    pub report: Sha256,
    /// SHA-256 of the table that was evaluated on.
    pub data: Sha256,
    /// Rows that were evaluated.
    pub rows: u64,
    /// Its figures, by name.
    pub figures: BTreeMap<Box<str>, Figure>,
    /// Who evaluated.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
    /// The audit entry of the evaluation; absent where people are told of it, because where it is in the log only a receipt says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}

impl Evaluated {
    /// What people are told of it.
    #[must_use]
    pub fn told(self) -> Self {
        Self { entry: None, ..self }
    }
}

/// A number that is one: neither infinite nor undefined.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Figure(f64);

// Of finite numbers equality is one.
impl Eq for Figure {}

/// No figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a figure is a finite number")]
pub struct NotFinite;

impl TryFrom<f64> for Figure {
    type Error = NotFinite;

    fn try_from(value: f64) -> Result<Self, NotFinite> {
        // Both zeros are one.
        if value.is_finite() { Ok(Self(value + 0.0)) } else { Err(NotFinite) }
    }
}

impl From<Figure> for f64 {
    fn from(figure: Figure) -> Self {
        figure.0
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// That a version was withdrawn for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// By whom.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// One step that somebody took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Which.
    pub step: Milestone,
    /// By whom.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// The audit entry of its intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Whether one person held all duties then, so that no second one was needed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_person: bool,
}

/// Steps on a version's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// Its package was verified, kept, and given a number.
    Registered,
    /// An evaluation was attached.
    Evaluated,
    /// Somebody asked that it go live.
    Requested,
    /// Somebody approved that.
    Approved,
    /// It went live.
    Live,
    /// Another went live in its place.
    Replaced,
    /// It went live again, by a rollback.
    Restored,
    /// It was withdrawn for good.
    Retired,
}

impl Milestone {
    /// The word in records and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Evaluated => "evaluated",
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Live => "live",
            Self::Replaced => "replaced",
            Self::Restored => "restored",
            Self::Retired => "retired",
        }
    }

    /// How the log may name the deed by which it was taken.
    #[must_use]
    pub const fn events(self) -> &'static [Event] {
        match self {
            Self::Registered => &[Event::ModelRegister],
            Self::Evaluated => &[Event::ModelEvaluate],
            Self::Requested => &[Event::ModelRequest],
            Self::Approved => &[Event::ModelApprove],
            // Where one person holds all duties, what is registered goes live at once.
            Self::Live => &[Event::ModelActivate, Event::ModelRegister],
            Self::Replaced => &[Event::ModelActivate, Event::ModelRegister, Event::ModelRollback],
            Self::Restored => &[Event::ModelRollback],
            Self::Retired => &[Event::ModelRetire],
        }
    }
}

/// The step that the caller takes with the deed under way.
///
/// # Errors
/// 403 for anybody but a person.
pub fn taken(office: &Office<'_>, step: Milestone) -> Result<Taken, Rejection> {
    let PrincipalId::User(by) = office.caller.id() else { return Err(Code::Forbidden.into()) };
    let single_person = office.snapshot.settings.single_person;
    Ok(Taken { step, by: by.clone(), at: office.gate.now(), entry: office.warrant.intent(), single_person })
}

impl ModelRecord {
    /// Makes a version live; the one before can be rolled back to.
    pub fn put_live(&mut self, version: Version, step: &Taken) {
        self.leave(version, step);
        self.former.retain(|former| *former != version && Some(*former) != self.live);
        self.former.extend(self.live.filter(|live| *live != version));
        self.live = Some(version);
        if let Some(record) = self.versions.get_mut(&version) {
            record.was_live = true;
            // What was approved was approved for this once.
            record.promotion = None;
        }
        self.took(version, Taken { step: Milestone::Live, ..step.clone() });
    }

    /// Makes a former version live again. What came after it is left behind: a second rollback goes further back, and
    /// not to what was just rolled back from.
    pub fn roll_back(&mut self, version: Version, step: &Taken) {
        self.leave(version, step);
        if let Some(at) = self.former.iter().position(|former| *former == version) {
            self.former.truncate(at);
        }
        self.live = Some(version);
        self.took(version, Taken { step: Milestone::Restored, ..step.clone() });
    }

    /// Writes down that what is live has its place taken by this version.
    fn leave(&mut self, version: Version, step: &Taken) {
        if let Some(live) = self.live.filter(|live| *live != version) {
            self.took(live, Taken { step: Milestone::Replaced, ..step.clone() });
        }
    }

    /// Writes a version's step down.
    pub fn took(&mut self, version: Version, step: Taken) {
        if let Some(record) = self.versions.get_mut(&version) {
            record.facts.took(step);
        }
    }

    /// The version that is meant, if there is one.
    #[must_use]
    pub fn resolve(&self, named: &VersionRef) -> Option<Version> {
        match named {
            VersionRef::Number(version) => self.versions.contains_key(version).then_some(*version),
            VersionRef::Live => self.live,
            VersionRef::Alias(alias) => self.called(alias),
        }
    }

    /// The version that has this alias.
    #[must_use]
    pub fn called(&self, alias: &Alias) -> Option<Version> {
        self.aliases.get(alias).map(|aliased| aliased.version)
    }

    /// How far a version has come.
    #[must_use]
    pub fn state(&self, version: Version, now: Timestamp) -> Option<State> {
        let record = self.versions.get(&version)?;
        Some(if record.facts.retired.is_some() {
            State::Retired
        } else if self.live == Some(version) {
            State::Live
        } else {
            on_its_way(record, now)
        })
    }
}

fn on_its_way(record: &VersionRecord, now: Timestamp) -> State {
    let facts = &record.facts;
    let way = record.promotion.as_ref().filter(|way| now < way.ends && way.digest == record.digest);
    match way.map(|way| way.state()) {
        Some(DeploymentState::Approved) => State::Approved,
        Some(DeploymentState::Requested) => State::Requested,
        None if record.was_live => State::Former,
        None if !facts.evaluations.is_empty() => State::Evaluated,
        None if facts.signer.is_some() => State::Signed,
        None if facts.scan.is_some() => State::Scanned,
        None => State::Registered,
    }
}

/// How far a version has come: the last of the states that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its package was verified and kept. Of records from before signers were written down, that is all that is known.
    Registered,
    /// Its package was scanned.
    Scanned,
    /// It is known who signed it.
    Signed,
    /// Evaluations are attached.
    Evaluated,
    /// Somebody has asked that it go live.
    Requested,
    /// Somebody has approved that.
    Approved,
    /// It answers whoever asks the model.
    Live,
    /// It was live before.
    Former,
    /// It answers nobody any more.
    Retired,
}
