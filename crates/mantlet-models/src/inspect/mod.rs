//! Looking into registered packages: what a model was made for, what it has learned, and the package itself.
//!
//! Reads through door 2. Each takes the version's package out of the registry and verifies it again, so that what is
//! shown or given away is what was signed and registered, and nothing that somebody put in its place.

mod elsewhere;
mod features;
mod fetching;
mod url;
mod weights;

use std::{sync::Arc, time::Duration};

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Directory, VersionRecord},
    identity::Principal,
    policy::Target,
};
use mantlet_types::{
    Action, Code, ModelName, PrincipalId, Rejection, Resource, Sha256, Version,
    entry::{Event, Token},
};
use tokio::sync::OwnedSemaphorePermit;

pub use elsewhere::{Elsewhere, Lend, Lent};
pub use features::{Features, InspectedFeature, Reference};
pub use fetching::{Fetching, Room, SMALL_BYTES};
pub use url::{Brought, Given, Measure, Redeem, Redemption, SignUrl, Signed};
pub use weights::{Listed, Page, VALUES_DEFAULT, VALUES_MAX, Weights, Window};

use crate::{artifact::VerifiedArtifact, package::Package, register::Shelf};

/// How long a caller waits for room for a package, while others look into theirs.
pub(crate) const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// A model, or one version of it.
#[derive(Clone, Debug)]
pub struct Which {
    /// The model.
    pub model: ModelName,
    /// The version; the live one if absent.
    pub version: Option<Version>,
}

impl Which {
    /// The version that is meant.
    fn version(&self, directory: &Directory) -> Result<Version, Rejection> {
        let live = || directory.models.get(&self.model).and_then(|record| record.live);
        self.version.or_else(live).ok_or_else(|| Code::NotFound.into())
    }

    /// A claim on the version itself, whichever it is: what is in a package is not a question to a model.
    ///
    /// A version that was never live is its author's secret, so for others it is as if there were none; and where there
    /// is none, policy is asked about something unknown: who is told that a thing does not exist, and in which words,
    /// must not show what does.
    fn version_claim(&self, action: Action, caller: &Principal, directory: &Directory) -> Claims {
        let known = self.version(directory).ok().filter(|version| {
            let model = directory.models.get(&self.model);
            model.and_then(|model| model.versions.get(version)).is_some_and(|record| {
                let is_author = *caller.id() == PrincipalId::User(record.author.clone());
                record.was_live || is_author
            })
        });
        let target = known.map_or(Target::Unknown, |version| {
            Target::Resource(Resource::ModelVersion(self.model.clone(), version))
        });
        Claims::All(vec![(action, target)])
    }

    fn subject(&self) -> Option<Token> {
        self.version.map(|version| Token::of(&version.to_string()))
    }

    /// The version's package off the shelf, and room for it while it is needed.
    async fn package(&self, shelf: &Shelf, directory: &Directory) -> Result<Opened, Rejection> {
        let version = self.version(directory)?;
        let record = directory.models.get(&self.model).and_then(|record| record.versions.get(&version));
        let record: VersionRecord = record.cloned().ok_or(Code::NotFound)?;
        let failed = |error: &dyn std::fmt::Display| Rejection::unavailable(error.to_string());
        let room = tokio::time::timeout(ROOM_TIMEOUT, Arc::clone(&shelf.leaving).acquire_owned()).await;
        let room = room.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let shelf = shelf.clone();
        let opened = tokio::task::spawn_blocking(move || shelf.package(&record)).await;
        let artifact = opened.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        Ok(Opened { artifact, version, room })
    }
}

/// A verified package in memory.
struct Opened {
    artifact: VerifiedArtifact,
    version: Version,
    room: OwnedSemaphorePermit,
}

/// Reads what a model takes and what its reference data were like.
pub struct InspectFeatures {
    /// Of which model.
    pub which: Which,
    /// Where packages are.
    pub shelf: Shelf,
}

impl Deed for InspectFeatures {
    type Reply = Features;

    fn event(&self) -> Event {
        Event::ModelRead
    }

    fn changes(&self) -> bool {
        false
    }

    /// A version that is not live is its author's alone.
    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let live = directory.models.get(&self.which.model).and_then(|record| record.live);
        match self.which.version.filter(|version| live != Some(*version)) {
            Some(_) => Ok(self.which.version_claim(Action::TryCandidate, caller, directory)),
            None => {
                let model = Target::Resource(Resource::Model(self.which.model.clone()));
                Ok(Claims::All(vec![(Action::InspectFeatures, model)]))
            }
        }
    }

    fn subject(&self) -> Option<Token> {
        self.which.subject()
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Features>, Rejection> {
        let Self { which, shelf } = self;
        let model = office.snapshot.model(&which.model, which.version);
        let contract = model.map(|model| Arc::clone(model.contract()));
        let contract = contract
            .ok_or_else(|| Rejection::unavailable(format!("no loaded version of `{}`", which.model)))?;
        let opened = which.package(&shelf, &office.snapshot.directory).await?;
        let profile = opened.artifact.package().profile();
        let profile = profile.map_err(|error| Rejection::unavailable(error.to_string()))?;
        Ok(Done::read(Features::of(&contract, profile)))
    }
}

/// Reads what a model has learned.
pub struct ViewWeights {
    /// Of which model.
    pub which: Which,
    /// Which part of it.
    pub window: Window,
    /// Where packages are.
    pub shelf: Shelf,
}

impl Deed for ViewWeights {
    type Reply = Weights;

    fn event(&self) -> Event {
        Event::ModelRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(self.which.version_claim(Action::ViewWeights, caller, directory))
    }

    fn subject(&self) -> Option<Token> {
        self.which.subject()
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Weights>, Rejection> {
        let Self { which, window, shelf } = self;
        let opened = which.package(&shelf, &office.snapshot.directory).await?;
        let read = tokio::task::spawn_blocking(move || {
            let Opened { artifact, version, room: _room } = opened;
            Weights::of(which.model, version, &artifact, &window)
        });
        let read = read.await.map_err(|error| Rejection::unavailable(error.to_string()))?;
        read.map(Done::read)
    }
}

/// Takes the package away, as it was registered.
pub struct Export {
    /// Of which model.
    pub which: Which,
    /// Where packages are.
    pub shelf: Shelf,
}

/// A package on its way out.
pub struct Exported {
    /// The signed package: every file of it, the signature among them.
    pub package: Package,
    /// Digest of the signed manifest: what audit entries name.
    pub digest: Sha256,
    /// The version.
    pub version: Version,
    /// Room for it, to be given back once it has left.
    pub room: OwnedSemaphorePermit,
}

impl Deed for Export {
    type Reply = Exported;

    fn event(&self) -> Event {
        Event::ModelExport
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(self.which.version_claim(Action::Export, caller, directory))
    }

    fn subject(&self) -> Option<Token> {
        self.which.subject()
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Exported>, Rejection> {
        let Opened { artifact, version, room } =
            self.which.package(&self.shelf, &office.snapshot.directory).await?;
        let digest = artifact.digest();
        Ok(Done::read(Exported { package: artifact.into_package(), digest, version, room }))
    }
}
