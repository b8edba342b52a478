//! Registering a package: the deed by which a model comes to be known, and in a one-person home to be served.
//!
//! What arrives is bytes. They are verified, kept, taken out of the registry again and loaded from there, so that
//! what is served now is what a restart will serve.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Deployment, DeploymentState, Directory, ModelRecord, VersionRecord},
    identity::Principal,
    policy::Target,
    ports::Model,
};
use mantlet_types::{
    Action, Code, ModelName, PrincipalId, ProjectId, Rejection, Resource, Sha256, Timestamp, UserId, Version,
    entry::{Event, Token},
};
use serde::Serialize;

use crate::{
    artifact::{TrustedKeys, load},
    package::Package,
    registry::{PackageDigest, Registry},
    serve::ServedModel,
};

/// An approval in a one-person home is given and used in one breath.
const APPROVAL_SECONDS: i64 = 60;

/// What serving needs to read models: where they are kept and whose signature counts.
#[derive(Clone)]
pub struct Shelf {
    /// Packages at rest.
    pub registry: Arc<Registry>,
    /// Signers that count.
    pub trusted: Arc<TrustedKeys>,
}

impl Shelf {
    /// Takes a version off the shelf: read, decrypted, verified, loaded.
    ///
    /// # Errors
    /// If any of these fails; the text is for the log and for an operator.
    pub fn load(&self, project: &ProjectId, version: Version, record: &VersionRecord) -> Result<Arc<dyn Model>, String> {
        self.open(PackageDigest(record.package), project, version).map(|(model, _)| model)
    }

    fn open(
        &self,
        digest: PackageDigest,
        project: &ProjectId,
        version: Version,
    ) -> Result<(Arc<dyn Model>, Sha256), String> {
        let package = self.registry.open(&digest).map_err(|error| error.to_string())?;
        let artifact = package.verify(&self.trusted).map_err(|error| error.to_string())?;
        let loaded = load(&artifact, project.clone(), version).map_err(|error| error.to_string())?;
        Ok((Arc::new(ServedModel::new(loaded)), artifact.digest()))
    }
}

/// Registers a package under its model's name.
///
/// The files come as a future: they are read once door 2 has said that this caller may register, and not before.
pub struct RegisterModel<F> {
    /// The name to register under; the package's settings must say the same.
    pub name: ModelName,
    /// The project to register in.
    pub project: ProjectId,
    /// The package's own name and its files.
    pub files: F,
    /// Where it goes.
    pub shelf: Shelf,
    /// Whether the new version goes live at once; lawful in a one-person home alone.
    pub activate: bool,
    /// When it was asked for.
    pub began: Timestamp,
}

/// A package's own name and its files.
pub type Files = (String, BTreeMap<String, Vec<u8>>);

/// What registering did.
#[derive(Debug, Serialize)]
pub struct Registered {
    /// The model.
    pub model: ModelName,
    /// Its new version.
    pub version: Version,
    /// `live` or `candidate`.
    pub status: &'static str,
    /// Digest of the signed manifest.
    pub digest: Sha256,
    /// What to do next.
    pub next: String,
}

fn next_version(directory: &Directory, model: &ModelName) -> Version {
    let newest = directory.models.get(model).and_then(|record| record.versions.keys().next_back());
    newest.map_or(Version::FIRST, |version| version.next())
}

/// An error's sentence with its advice, for the author of the package.
fn advice(error: &impl std::fmt::Display, hint: Option<String>) -> Rejection {
    Rejection::argument(hint.map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}")))
}

impl Shelf {
    /// Verifies, keeps and loads; blocking. Verified before it is kept: the registry is no place for what nobody
    /// answers for.
    fn shelve(
        &self,
        name: &ModelName,
        project: &ProjectId,
        version: Version,
        (subject, files): Files,
    ) -> Result<(Arc<dyn Model>, Sha256, PackageDigest), Rejection> {
        let package = Package::from_files(files, subject).map_err(|error| advice(&error, error.hint()))?;
        let settings = package.settings().map_err(|error| advice(&error, error.hint()))?;
        if settings.name != *name {
            return Err(Rejection::argument("the package's settings give another name than the request"));
        }
        let artifact = package.clone().verify(&self.trusted).map_err(|error| advice(&error, error.hint()))?;
        load(&artifact, project.clone(), version).map_err(|error| advice(&error, error.hint()))?;
        let digest = self.registry.add(&package).map_err(|error| Rejection::unavailable(error.to_string()))?;
        let (model, manifest) = self.open(digest, project, version).map_err(Rejection::unavailable)?;
        Ok((model, manifest, digest))
    }
}

fn author(caller: &PrincipalId) -> Result<UserId, Rejection> {
    match caller {
        PrincipalId::User(user) => Ok(user.clone()),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => Err(Code::Forbidden.into()),
    }
}

/// The deployment by which one person requests, approves and activates an own version: lawful only where policy lets
/// duties meet (`context.single_person`).
fn own_deployment(model: &ModelName, project: &ProjectId, version: Version, author: &UserId, now: Timestamp) -> Deployment {
    let only = BTreeSet::from([author.clone()]);
    Deployment {
        model: model.clone(),
        version,
        project: project.clone(),
        author: author.clone(),
        data_authors: only.clone(),
        requested_by: author.clone(),
        approved_by: only,
        approval_ends: now.plus_seconds(APPROVAL_SECONDS),
        state: DeploymentState::Approved,
        was_live: false,
    }
}

impl<F> Deed for RegisterModel<F>
where
    F: Future<Output = Result<Files, Rejection>> + Send + 'static,
{
    type Reply = Registered;

    fn event(&self) -> Event {
        Event::ModelRegister
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Token::new(self.name.as_str()).ok()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let known = directory.models.get(&self.name);
        let target = match known {
            Some(_) => Target::Resource(Resource::Model(self.name.clone())),
            None => Target::NewModel { project: self.project.clone(), model: self.name.clone() },
        };
        let mut claims = vec![(Action::RegisterVersion, target)];
        if self.activate {
            let project = known.map_or(&self.project, |record| &record.project);
            let version = next_version(directory, &self.name);
            let author = author(caller.id())?;
            let deployment = own_deployment(&self.name, project, version, &author, self.began);
            claims.push((Action::ActivateDeployment, Target::Deployment(Box::new(deployment))));
        }
        Ok(Claims::All(claims))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Registered>, Rejection> {
        let directory = &office.snapshot.directory;
        let known = directory.models.get(&self.name).cloned();
        if known.as_ref().is_some_and(|record| record.project != self.project) {
            return Err(Rejection::argument("the model belongs to another project"));
        }
        let version = next_version(directory, &self.name);
        let author = author(office.caller.id())?;
        let now = office.gate.now();
        let Self { name, project, files, shelf, activate, .. } = self;
        let files = files.await?;
        let (model, digest, package) = {
            let (name, project) = (name.clone(), project.clone());
            let shelved = tokio::task::spawn_blocking(move || shelf.shelve(&name, &project, version, files));
            shelved.await.map_err(|error| Rejection::unavailable(error.to_string()))??
        };
        let mut record = known.unwrap_or_else(|| ModelRecord {
            project,
            live: None,
            versions: BTreeMap::new(),
        });
        record.versions.insert(
            version,
            VersionRecord {
                data_authors: BTreeSet::from([author.clone()]),
                author,
                digest,
                package: package.0,
                registered: now,
                was_live: activate,
            },
        );
        if activate {
            record.live = Some(version);
        }
        let reply = registered(&name, version, digest, activate);
        let changes = vec![Change::PutModel(name, record)];
        Ok(Done { loaded: vec![model], ..Done::changed(reply, changes) })
    }
}

fn registered(model: &ModelName, version: Version, digest: Sha256, live: bool) -> Registered {
    let (status, next) = if live {
        ("live", format!("mantlet key create --consumer APP --model {model}"))
    } else {
        let next = format!(
            "try it as its author: mantlet predict {model} --version-number {version}; an ML engineer requests its \
             deployment, another person approves it"
        );
        ("candidate", next)
    };
    Registered { model: model.clone(), version, status, digest, next }
}
