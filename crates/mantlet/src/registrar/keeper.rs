//! The registrar's own process: takes requests one by one and believes none of them.
//!
//! A package is kept if a signer whom the home trusts, by the files in `keys/trusted` as they are then, has signed it. It is
//! published, so that a version can refer to it, if the log on the disk has an intent to register this very package,
//! allowed, recent, and not used before. So whoever takes over the serving process can store nothing that no trusted
//! signer has made, nothing without an entry, and cannot change or remove anything.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read},
    os::{fd::AsFd, unix::net::UnixStream},
};

use mantlet_audit::read::Reader;
use mantlet_gate::ports::Clock;
use mantlet_models::{
    package::{FILES_MAX, Package},
    registry::{PackageDigest, Registry},
};
use mantlet_types::{
    Entry, Sha256,
    entry::{Decision, Event, Phase},
};
use tokio::signal::unix::{SignalKind, signal};

use super::wire::{self, Asked, Der, Identity, Listed, Refusal, Reply, WireError};
use crate::{
    assemble,
    cli::{args::Common, exit::Failure, session},
    confine,
    home::{AuthorityError, Home, RootKey},
    ledger::SystemClock,
    logging,
    server::upload::PACKAGE_BYTES_MAX,
};

/// How old an intent may be that is acted on: deeds act on theirs at once.
const INTENT_SECONDS: i64 = 300;

/// Packages that are kept and not yet published: each registration has one, and there is one at a time.
const KEPT_MAX: usize = 16;

struct Keeper {
    home: Home,
    root: RootKey,
    registry: Registry,
    /// Signed manifest and model name of what was kept by this process.
    kept: BTreeMap<PackageDigest, (Sha256, String)>,
    /// The last intent that was acted on. Indices only grow.
    used: Option<u64>,
}

/// Runs the registrar on its standard input, until that ends.
///
/// # Errors
/// If there is no home, no key, or no serving process at the other end.
pub async fn run(common: &Common) -> Result<(), Failure> {
    let home = session::home(common)?;
    let config = session::config(&home)?;
    logging::start(&config.log);
    let root = session::root_key(&home, &config)?;
    let registry = assemble::registry(&home, &root)?;
    let stream = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
    let failed = |error: std::io::Error| Failure::new(error.to_string());
    let mut to = stream.map_err(failed)?;
    // Who runs this by hand has no serving process there.
    to.peer_addr().map_err(|_| Failure::new("the registrar is started by `mantlet serve`"))?;
    let mut from = BufReader::new(to.try_clone().map_err(failed)?);
    registry.forget_kept().map_err(|error| Failure::new(error.to_string()))?;
    if let Err(why) = confine::registrar(&home) {
        tracing::debug!(%why, "the registrar is not confined");
    }
    // Signals are for the server: what ends this process is the end of its line.
    let _unheard = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    let mut keeper = Keeper { home, root, registry, kept: BTreeMap::new(), used: None };
    loop {
        let asked = match wire::receive(&mut from) {
            Ok(Some(asked)) => asked,
            Ok(None) | Err(WireError::Io(_)) => return Ok(()),
            Err(error) => return Err(Failure::new(error.to_string())),
        };
        let reply = keeper.answer(asked, &mut from).unwrap_or_else(|refusal| {
            tracing::warn!(why = refusal.why, "the registrar refused");
            Reply::Refused(refusal)
        });
        if wire::send(&mut to, &reply).is_err() {
            return Ok(());
        }
    }
}

impl Keeper {
    fn answer(&mut self, asked: Asked, from: &mut impl Read) -> Result<Reply, Refusal> {
        match asked {
            Asked::Keep(listed) => Ok(Reply::Kept(self.keep(listed, from)?)),
            Asked::Publish { package, intent } => {
                self.publish(package, intent)?;
                Ok(Reply::Done)
            }
            Asked::Identity => self.identity().map(Reply::Identity),
            Asked::Configuration => {
                Ok(Reply::Configuration(std::fs::read_to_string(self.home.config_path())?))
            }
        }
    }

    fn keep(&mut self, listed: Listed, from: &mut impl Read) -> Result<PackageDigest, String> {
        // All of it is read before anything can be refused, or the next request would begin in its middle.
        let files = read_files(&listed, from)?;
        let package = Package::from_files(files, listed.subject).map_err(|error| error.to_string())?;
        let name = package.settings().map_err(|error| error.to_string())?.name.to_string();
        let trusted =
            assemble::trusted(&self.home.trusted_signers_dir()).map_err(|failure| failure.message)?;
        let artifact = package.verify(&trusted).map_err(|error| error.to_string())?;
        if !artifact.uncovered().is_empty() {
            return Err("the package has files that nobody signed".to_owned());
        }
        if self.kept.len() >= KEPT_MAX {
            self.kept.clear();
            self.registry.forget_kept().map_err(|error| error.to_string())?;
        }
        let manifest = artifact.digest();
        let digest = self.registry.keep(artifact.package()).map_err(|error| error.to_string())?;
        self.kept.insert(digest, (manifest, name));
        Ok(digest)
    }

    fn publish(&mut self, package: PackageDigest, intent: u64) -> Result<(), String> {
        let Some((manifest, name)) = self.kept.get(&package) else {
            return Err("no package of this digest was kept".to_owned());
        };
        if self.used.is_some_and(|used| intent <= used) {
            return Err("the intent was used before".to_owned());
        }
        let log = Reader::open(&self.home.audit_dir()).map_err(|error| error.to_string())?;
        let entry = log.entry(intent).map_err(|error| error.to_string())?;
        let entry = entry.ok_or("the log has no such intent")?;
        if !allows(&entry, *manifest, name) {
            return Err("the log's entry is no intent to register this package".to_owned());
        }
        self.registry.publish(package).map_err(|error| error.to_string())?;
        self.used = Some(intent);
        self.kept.remove(&package);
        Ok(())
    }

    fn identity(&self) -> Result<Identity, Refusal> {
        // As it is now: a reload may have brought other names.
        let config = session::config(&self.home).map_err(|failure| failure.message)?;
        let identity =
            self.home.authority(&self.root).server_identity(&config.server.names, SystemClock.now());
        let refused = |error: AuthorityError| Refusal { why: error.to_string(), hint: error.hint() };
        let identity = identity.map_err(refused)?;
        Ok(Identity {
            chain: identity.chain.iter().map(|der| Der(der.to_vec())).collect(),
            key: Der(identity.key.secret_der().to_vec()),
            expires: identity.expires.micros(),
            lone: identity
                .lone
                .map(|lone| (Der(lone.certificate.to_vec()), Der(lone.key.secret_der().to_vec()))),
        })
    }
}

/// Whether an entry is leave to publish this package, now.
fn allows(entry: &Entry, manifest: Sha256, name: &str) -> bool {
    let age = SystemClock.now().micros().saturating_sub(entry.ts.micros());
    entry.event == Event::ModelRegister
        && entry.phase == Phase::Intent
        && entry.decision == Some(Decision::Allow)
        && entry.principal.is_some()
        && entry.model_digest == Some(manifest)
        && entry.subject.as_ref().is_some_and(|subject| subject.as_str() == name)
        && age <= INTENT_SECONDS * 1_000_000
}

fn read_files(listed: &Listed, from: &mut impl Read) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let bytes = listed.files.iter().try_fold(0_u64, |sum, (_, bytes)| sum.checked_add(*bytes));
    if listed.files.len() > FILES_MAX || bytes.is_none_or(|bytes| bytes > PACKAGE_BYTES_MAX as u64) {
        return Err("the package is too large".to_owned());
    }
    let mut files = BTreeMap::new();
    for (name, bytes) in &listed.files {
        let mut content = Vec::with_capacity(usize::try_from(*bytes).unwrap_or(0));
        let read = from.take(*bytes).read_to_end(&mut content).map_err(|error| error.to_string())?;
        if read as u64 != *bytes {
            return Err("the package is shorter than it was said to be".to_owned());
        }
        files.insert(name.clone(), content);
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
