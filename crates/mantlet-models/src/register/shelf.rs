//! The shelf: where packages are kept and taken from, by whom they are written, and whose signature counts.

use std::sync::Arc;

use mantlet_gate::{
    directory::VersionRecord,
    ports::{Model, Reach},
};
use mantlet_types::{Contract, ModelName, ProjectId, Rejection, Sha256, Version};
use tokio::sync::Semaphore;

use super::Files;
use crate::{
    artifact::{LoadedModel, VerifiedArtifact, load, sha256},
    documents::PackagedFile,
    inspect::{Fetching, ROOM_TIMEOUT},
    package::{PROFILE_FILE, Package},
    registry::{PackageDigest, Registry},
    serve::ServedModel,
    signers::Signers,
};

/// What serving needs to read models: where they are kept and whose signature counts.
#[derive(Clone)]
pub struct Shelf {
    /// Packages at rest, to be read.
    pub registry: Arc<Registry>,
    /// Who writes them.
    pub keeper: Arc<dyn Keeper>,
    /// Signers that count.
    pub trusted: Arc<Signers>,
    /// The threshold to serve a model with, given its package's.
    pub threshold: Threshold,
    /// What reaches a model that runs elsewhere.
    pub reach: Arc<Reach>,
    /// Room for one package on its way in.
    pub unpacking: Arc<Semaphore>,
    /// Room for one package on its way out, or being looked at: a slow reader must not hold up who registers.
    pub leaving: Arc<Semaphore>,
    /// Room for packages that are asked for by signed URLs, which must not hold up those who ask in person.
    pub fetching: Arc<Fetching>,
}

/// Writes packages into the registry: in two steps, so that what versions refer to is there by an intent in the log.
/// Either may take as long as the disk does.
pub trait Keeper: Send + Sync {
    /// Keeps a verified package where nothing refers to it yet.
    ///
    /// # Errors
    /// Why not; for the log and for an operator.
    fn keep(&self, package: &Package) -> Result<PackageDigest, String>;

    /// Whether it can be asked now.
    fn is_there(&self) -> bool {
        true
    }

    /// Publishes a kept package, by the entry of the intent to register it.
    ///
    /// # Errors
    /// Why not; for the log and for an operator.
    fn publish(&self, package: PackageDigest, intent: Option<u64>) -> Result<(), String>;
}

/// A process that has the home to itself writes its registry itself.
impl Keeper for Registry {
    fn keep(&self, package: &Package) -> Result<PackageDigest, String> {
        Self::keep(self, package).map_err(|error| error.to_string())
    }

    fn publish(&self, package: PackageDigest, _intent: Option<u64>) -> Result<(), String> {
        Self::publish(self, package).map_err(|error| error.to_string())
    }
}

/// Chooses a model's threshold from its name and its package's threshold, or says why that cannot be.
pub type Threshold = Arc<dyn Fn(&ModelName, f64) -> Result<f64, String> + Send + Sync>;

impl Shelf {
    /// Takes a version off the shelf: read, decrypted, verified, loaded.
    ///
    /// # Errors
    /// If any of these fails; the text is for the log and for an operator.
    pub fn load(
        &self,
        project: &ProjectId,
        version: Version,
        record: &VersionRecord,
    ) -> Result<Arc<dyn Model>, String> {
        let shelved = self.take(PackageDigest(record.package), project)?;
        self.serve(shelved, version)
    }

    /// Takes a version's package off the shelf to be looked at: read, decrypted, verified again. Blocking.
    ///
    /// # Errors
    /// If any of these fails, or it is not the package that was registered; the text is for the log.
    pub(crate) fn package(&self, record: &VersionRecord) -> Result<VerifiedArtifact, String> {
        let artifact = self.verified(PackageDigest(record.package))?;
        if artifact.digest() == record.digest {
            Ok(artifact)
        } else {
            Err("the registry's package is not the one that was registered".to_owned())
        }
    }

    /// The files of a version's package, by digest, after every one was checked again. Blocking.
    ///
    /// # Errors
    /// If it cannot be read or is not what was registered; the text is for the log.
    fn files(&self, record: &VersionRecord) -> Result<Vec<PackagedFile>, String> {
        let package =
            self.registry.open(&PackageDigest(record.package)).map_err(|error| error.to_string())?;
        let file =
            |(name, bytes): (&str, &[u8])| PackagedFile { name: name.to_owned(), digest: sha256(bytes) };
        Ok(package.files().map(file).collect())
    }

    /// [`Shelf::files`], once there is room for the package.
    ///
    /// # Errors
    /// 503 if there is none for long, or the package cannot be read.
    pub async fn listed(&self, record: VersionRecord) -> Result<Vec<PackagedFile>, Rejection> {
        let failed = |error: &dyn std::fmt::Display| Rejection::unavailable(error.to_string());
        let room = tokio::time::timeout(ROOM_TIMEOUT, Arc::clone(&self.leaving).acquire_owned()).await;
        let room = room.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let shelf = self.clone();
        let listed = tokio::task::spawn_blocking(move || {
            let _room = room;
            shelf.files(&record)
        });
        listed.await.map_err(|error| failed(&error))?.map_err(Rejection::unavailable)
    }

    pub(crate) fn verified(&self, package: PackageDigest) -> Result<VerifiedArtifact, String> {
        let read = self.registry.open_kept(&package).map_err(|error| error.to_string())?;
        let artifact = read.verify(&self.trusted.keys()).map_err(|error| error.to_string())?;
        self.trusted.remember(package, &artifact);
        Ok(artifact)
    }

    fn take(&self, package: PackageDigest, project: &ProjectId) -> Result<Shelved, String> {
        let artifact = self.verified(package)?;
        let model = load(&artifact, project.clone(), Version::FIRST).map_err(|error| error.to_string())?;
        let profile = artifact.package().file(PROFILE_FILE).map(sha256);
        Ok(Shelved {
            model,
            manifest: artifact.digest(),
            package,
            signer: artifact.signer().fingerprint(),
            profile,
        })
    }

    /// Gives a shelved model its version.
    pub(super) fn serve(&self, shelved: Shelved, version: Version) -> Result<Arc<dyn Model>, String> {
        let mut contract = Contract::clone(shelved.model.contract());
        contract.version = version;
        contract.judgment.threshold = (self.threshold)(&contract.model, contract.judgment.threshold)?;
        Ok(Arc::new(ServedModel::new(shelved.model, contract, self.reach.as_ref())))
    }

    /// Verifies, keeps and loads; blocking. Verified before it is kept: the registry is no place for what nobody
    /// answers for.
    pub(super) fn shelve(
        &self,
        name: &ModelName,
        project: &ProjectId,
        (subject, files): Files,
    ) -> Result<Shelved, Rejection> {
        let package = Package::from_files(files, subject).map_err(|error| advice(&error, error.hint()))?;
        let settings = package.settings().map_err(|error| advice(&error, error.hint()))?;
        if settings.name != *name {
            return Err(Rejection::argument("the package's settings give another name than the request"));
        }
        let artifact = package.verify(&self.trusted.keys()).map_err(|error| advice(&error, error.hint()))?;
        // Tried before it is kept, too: what cannot be served is of no use there.
        load(&artifact, project.clone(), Version::FIRST).map_err(|error| advice(&error, error.hint()))?;
        // What the signature leaves out was dropped, and is not kept either.
        let digest = self.keeper.keep(artifact.package()).map_err(Rejection::unavailable)?;
        // Before it is read again: there may not be room for both.
        drop(artifact);
        // What was kept is what is loaded, now as after a restart.
        self.take(digest, project).map_err(Rejection::unavailable)
    }
}

/// A verified package that is kept and loaded, without a version yet.
pub(super) struct Shelved {
    pub(super) model: LoadedModel,
    pub(super) manifest: Sha256,
    pub(super) package: PackageDigest,
    /// Who has signed it, by the key's fingerprint.
    pub(super) signer: Sha256,
    /// Digest of its profile, if it has one.
    pub(super) profile: Option<Sha256>,
}

/// An error's sentence with its advice, for the author of the package.
fn advice(error: &impl std::fmt::Display, hint: Option<String>) -> Rejection {
    Rejection::argument(hint.map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}")))
}
