//! Registering a package: the deed by which a model comes to be known, and in a one-person home to be served.
//!
//! What arrives is bytes. They are verified, kept, taken out of the registry again and loaded from there, so that
//! what is served now is what a restart will serve.

mod registered;
mod shelf;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office, Petition},
    directory::{Change, Deployment, DeploymentState, Directory, ModelRecord, VersionRecord},
    identity::Principal,
    policy::Target,
    releases::{
        conditions,
        facts::{DATASETS_MAX, Facts, Milestone, ScanVerdict, Scanned, taken},
    },
};
use mantlet_scan::SCANNER_VERSION;
use mantlet_types::{
    Action, Code, ModelName, PrincipalId, ProjectId, Rejection, Resource, Sha256, Timestamp, UserId, Version,
    entry::{Event, Token},
};

pub use self::{
    registered::Registered,
    shelf::{Keeper, Shelf, Threshold},
};
use self::{
    registered::{make_room, reply},
    shelf::Shelved,
};

/// An approval in a one-person home is given and used in one breath.
const APPROVAL_SECONDS: i64 = 60;

/// A request to register a package under its model's name.
///
/// The files come as a future: they are read once door 2 has said that this caller may register, and not before.
pub struct Registration<F> {
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
    /// Whose data it was trained on, as its author states; nobody named stands for the author. Who is named here takes
    /// no part in the version's way to production, and nobody gains anything by it.
    pub data_authors: BTreeSet<UserId>,
    /// Digests of the data sets that it was trained on, as its author states.
    pub datasets: BTreeSet<Sha256>,
}

/// A package's own name and its files.
pub type Files = (String, BTreeMap<String, Vec<u8>>);

/// Registers a package that was verified, kept and loaded.
pub struct RegisterModel {
    name: ModelName,
    project: ProjectId,
    shelf: Shelf,
    activate: bool,
    began: Timestamp,
    data_authors: BTreeSet<UserId>,
    datasets: BTreeSet<Sha256>,
    shelved: Shelved,
}

impl<F> Petition for Registration<F>
where
    F: Future<Output = Result<Files, Rejection>> + Send + 'static,
{
    type Deed = RegisterModel;

    fn event(&self) -> Event {
        Event::ModelRegister
    }

    fn entry_claims(&self, _caller: &Principal, directory: &Directory) -> Result<Option<Claims>, Rejection> {
        let target = target(directory, &self.name, &self.project);
        Ok(Some(Claims::All(vec![(Action::RegisterVersion, target)])))
    }

    async fn read(self) -> Result<RegisterModel, Rejection> {
        let Self { name, project, files, shelf, activate, began, data_authors, datasets } = self;
        if datasets.len() > DATASETS_MAX {
            return Err(Rejection::argument(format!("at most {DATASETS_MAX} data sets can be named")));
        }
        // One package in memory at a time: the largest take gigabytes while they are checked.
        let room = Arc::clone(&shelf.unpacking).acquire_owned().await;
        let _room = room.map_err(|error| Rejection::unavailable(error.to_string()))?;
        let files = files.await?;
        let (by, under, within) = (shelf.clone(), name.clone(), project.clone());
        let shelved = tokio::task::spawn_blocking(move || by.shelve(&under, &within, files)).await;
        let shelved = shelved.map_err(|error| Rejection::unavailable(error.to_string()))??;
        Ok(RegisterModel { name, project, shelf, activate, began, data_authors, datasets, shelved })
    }
}

/// The model to register for: as the directory knows it, or as it would come to be.
fn target(directory: &Directory, name: &ModelName, project: &ProjectId) -> Target {
    match directory.models.get(name) {
        Some(_) => Target::Resource(Resource::Model(name.clone())),
        None => Target::NewModel { project: project.clone(), model: name.clone() },
    }
}

fn next_version(directory: &Directory, model: &ModelName) -> Version {
    let newest = directory.models.get(model).and_then(|record| record.versions.keys().next_back());
    newest.map_or(Version::FIRST, |version| version.next())
}

fn author(caller: &PrincipalId) -> Result<UserId, Rejection> {
    match caller {
        PrincipalId::User(user) => Ok(user.clone()),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => Err(Code::Forbidden.into()),
    }
}

/// The deployment by which one person requests, approves and activates an own version: lawful only where policy lets
/// duties meet (`context.single_person`).
fn own_deployment(
    model: &ModelName,
    project: &ProjectId,
    version: Version,
    author: &UserId,
    now: Timestamp,
) -> Deployment {
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
        retired: false,
    }
}

impl Deed for RegisterModel {
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

    fn manifest(&self) -> Option<Sha256> {
        Some(self.shelved.manifest)
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let mut claims = vec![(Action::RegisterVersion, target(directory, &self.name, &self.project))];
        if self.activate {
            let known = directory.models.get(&self.name);
            let project = known.map_or(&self.project, |record| &record.project);
            let version = next_version(directory, &self.name);
            let author = author(caller.id())?;
            let deployment = own_deployment(&self.name, project, version, &author, self.began);
            claims.push((Action::ActivateDeployment, Target::Deployment(Box::new(deployment))));
        }
        Ok(Claims::All(claims))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Registered>, Rejection> {
        let Self { name, project, shelf, activate, data_authors, datasets, shelved, .. } = self;
        let directory = &office.snapshot.directory;
        let version = next_version(directory, &name);
        let mut record = directory.models.get(&name).cloned().unwrap_or_else(|| ModelRecord {
            project: project.clone(),
            live: None,
            former: Vec::new(),
            disabled: None,
            aliases: BTreeMap::new(),
            versions: BTreeMap::new(),
        });
        if record.project != project {
            return Err(Rejection::argument("the model belongs to another project"));
        }
        let forgotten = make_room(&name, &mut record)?;
        let author = author(office.caller.id())?;
        let (digest, package) = (shelved.manifest, shelved.package);
        let mut facts = Facts {
            datasets,
            profile: shelved.profile,
            signer: Some(shelved.signer),
            // Loading it has scanned it, and nothing that is not safe is loaded.
            scan: Some(Scanned {
                scanner: format!("mantlet-scan/{SCANNER_VERSION}").into(),
                verdict: ScanVerdict::Safe,
                at: office.gate.now(),
            }),
            ..Facts::default()
        };
        // Verified before the lock, and the configuration may have been read again since.
        if !shelf.trusted.vouch_for(shelved.package) {
            return Err(Rejection::argument("whoever signed the package is not trusted any more"));
        }
        let model = shelf.serve(shelved, version).map_err(Rejection::argument)?;
        let step = taken(office, Milestone::Registered)?;
        let registered = step.at;
        facts.took(step.clone());
        let belongs =
            |user: &UserId| directory.users.get(user).is_some_and(|known| known.projects.contains(&project));
        if let Some(stranger) = data_authors.iter().find(|user| !belongs(user)) {
            return Err(Rejection::argument(format!("there is no `{stranger}` in this project")));
        }
        let data_authors =
            if data_authors.is_empty() { BTreeSet::from([author.clone()]) } else { data_authors };
        let entry = VersionRecord {
            author,
            data_authors,
            digest,
            package: package.0,
            registered,
            was_live: false,
            promotion: None,
            facts,
        };
        // One person's own version goes live at once, if it is what that person has said that versions must be.
        let unmet = conditions::in_force(office, &name).unmet(&entry);
        let activate = activate && unmet.is_empty();
        record.versions.insert(version, entry);
        if activate {
            record.put_live(version, &step);
        }
        // Last, with everything else in order: from here on it is there for a version to refer to.
        let (keeper, intent) = (Arc::clone(&shelf.keeper), office.warrant.intent());
        let published = tokio::task::spawn_blocking(move || keeper.publish(package, intent)).await;
        let published = published.map_err(|error| Rejection::unavailable(error.to_string()))?;
        published.map_err(Rejection::unavailable)?;
        let nowhere = model.remote().is_none() && !model.is_ready();
        let reply = Registered { unmet, forgotten, ..reply(&name, version, digest, activate, nowhere) };
        let changes = vec![Change::PutModel(name, record)];
        Ok(Done { loaded: vec![model], ..Done::changed(reply, changes) })
    }
}
