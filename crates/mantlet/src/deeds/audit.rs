//! Reading the log through door 2: latest entries, searches, proofs. Each project sees its own part of it.

use std::{path::PathBuf, sync::Arc};

use mantlet_audit::{
    Log,
    proof::ProofError,
    read::{Filter, Reader},
};
use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    policy::{self, Target},
};
use mantlet_types::{Action, Code, Entry, ProjectId, Rejection, Resource, entry::Event};
use serde::Serialize;

/// Entries in one reply: a page that a person still reads.
pub const ENTRIES_MAX: usize = 10_000;

/// The latest entries of a project's part of the log that match.
pub struct SearchLog {
    /// Where the log lies.
    pub dir: PathBuf,
    /// Whose part; the home project's is the whole.
    pub project: ProjectId,
    /// What to look for.
    pub filter: Filter,
    /// At most so many.
    pub count: usize,
}

/// What was found, oldest first.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Deed for SearchLog {
    type Reply = Found;

    fn event(&self) -> Event {
        Event::AuditRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _caller: &Principal, _directory: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::All(vec![(Action::ReadAudit, Target::Resource(Resource::AuditLog(self.project.clone())))]))
    }

    async fn act(self, _office: &Office<'_>) -> Result<Done<Found>, Rejection> {
        let found = tokio::task::spawn_blocking(move || self.search()).await;
        found.map_err(|error| Rejection::unavailable(error.to_string()))?.map(Done::read)
    }
}

impl SearchLog {
    fn search(mut self) -> Result<Found, Rejection> {
        let unreadable = |error: mantlet_audit::read::ReadError| Rejection::unavailable(error.to_string());
        // A project's view is a filter that the caller cannot widen.
        if self.project.as_str() != "home" {
            self.filter.project = Some(self.project);
        }
        let reader = Reader::open(&self.dir).map_err(unreadable)?;
        let count = self.count.min(ENTRIES_MAX);
        let mut entries = std::collections::VecDeque::new();
        let from = self.filter.since.map_or(Ok(0), |since| reader.seek(since)).map_err(unreadable)?;
        for entry in reader.entries(from) {
            let entry = entry.map_err(unreadable)?;
            if self.filter.until.is_some_and(|until| entry.ts >= until) {
                break;
            }
            if self.filter.matches(&entry) {
                if entries.len() == count {
                    entries.pop_front();
                }
                entries.push_back(entry);
                entries.truncate(count);
            }
        }
        Ok(Found { entries: entries.into() })
    }
}

/// The proof that a receipt's entry is in the log.
pub struct ProveEntry {
    /// The open log.
    pub log: Arc<Log>,
    /// Where it lies.
    pub dir: PathBuf,
    /// The receipt.
    pub receipt: String,
}

/// An entry with its offline proof.
#[derive(Debug, Serialize)]
pub struct Proved {
    /// The entry.
    pub entry: Entry,
    /// The proof in the form of `c2sp.org/tlog-proof@v1`.
    pub proof: String,
    /// The key that its checkpoint is verified with.
    pub vkey: String,
}

impl ProveEntry {
    /// The entry that the receipt names. A receipt of another log, a made-up one and one for an entry that is not
    /// the caller's to see answer alike.
    fn entry(&self) -> Result<Entry, Rejection> {
        let not_found = || Rejection::new(Code::NotFound);
        let index = self.log.resolve_receipt(&self.receipt).ok_or_else(not_found)?;
        let reader = Reader::open(&self.dir).map_err(|error| Rejection::unavailable(error.to_string()))?;
        let entry = reader.entry(index).map_err(|error| Rejection::unavailable(error.to_string()))?;
        entry.ok_or_else(not_found)
    }
}

impl Deed for ProveEntry {
    type Reply = Proved;

    fn event(&self) -> Event {
        Event::AuditRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _caller: &Principal, _directory: &Directory) -> Result<Claims, Rejection> {
        // Whose part of the log the entry is in shows once it is read, and only those who may prove anything make
        // the log be read.
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Proved>, Rejection> {
        let may_prove = |project: &ProjectId| {
            let log = Target::Resource(Resource::AuditLog(project.clone()));
            policy::permits(office.caller, Action::ProveAudit, &log, office.gate.now())
        };
        let provable: Vec<ProjectId> =
            office.snapshot.directory.projects.iter().filter(|project| may_prove(project)).cloned().collect();
        if provable.is_empty() {
            return Err(Code::NotFound.into());
        }
        let read = tokio::task::spawn_blocking(move || self.entry().map(|entry| (self, entry))).await;
        let (this, entry) = read.map_err(|error| Rejection::unavailable(error.to_string()))??;
        // The home project's view is the whole log.
        let sees =
            |project: &ProjectId| project.as_str() == "home" || entry.project.as_ref() == Some(project);
        if !provable.iter().any(sees) {
            return Err(Code::NotFound.into());
        }
        // The entry is durable; the checkpoint over it may be up to a second behind. Bring it forward.
        this.log.publish().await.map_err(|error| Rejection::unavailable(error.to_string()))?;
        let log = Arc::clone(&this.log);
        let proof = tokio::task::spawn_blocking(move || log.prove(entry.idx)).await;
        let proof = proof.map_err(|error| Rejection::unavailable(error.to_string()))?;
        let proof = proof.map_err(|error: ProofError| Rejection::unavailable(error.to_string()))?;
        let vkey = this.log.verifier().to_string();
        Ok(Done::read(Proved { entry, proof: proof.text, vkey }))
    }
}
