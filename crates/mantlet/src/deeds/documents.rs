//! Documents about a version, for whoever may know of it: its bill of materials, and where it came from.

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    deployments::Way,
    directory::Directory,
    identity::Principal,
};
use mantlet_models::{
    documents::{Described, bill_of_materials, provenance},
    register::Shelf,
};
use mantlet_types::{Code, Rejection, entry::Event};
use serde_json::Value;

use super::models::Seen;

/// Kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CycloneDX.
    BillOfMaterials,
    /// in-toto, with SLSA provenance.
    Provenance,
}

/// Describes a version to other people's tools.
pub struct Describe {
    /// The version.
    pub way: Way,
    /// How.
    pub kind: Kind,
    /// Where packages are.
    pub shelf: Shelf,
    /// The audit log's origin.
    pub origin: String,
}

impl Deed for Describe {
    type Reply = Value;

    fn event(&self) -> Event {
        Event::ModelRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _caller: &Principal, _directory: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Value>, Rejection> {
        let Self { way: Way { model: name, version }, kind, shelf, origin } = self;
        let seen = Seen::of(office, &name).version(office, &name, version);
        seen.ok_or(Code::NotFound)?;
        let model = office.snapshot.directory.models.get(&name).ok_or(Code::NotFound)?;
        let record = model.versions.get(&version).ok_or(Code::NotFound)?;
        let files = shelf.listed(record.clone()).await?;
        let (project, now) = (&model.project, office.gate.now());
        let described =
            Described { model: &name, version, project, record, files: &files, origin: &origin, now };
        Ok(Done::read(match kind {
            Kind::BillOfMaterials => bill_of_materials(&described),
            Kind::Provenance => provenance(&described),
        }))
    }
}
