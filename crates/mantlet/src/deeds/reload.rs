//! Reading the configuration again: all of it, or nothing.

use std::sync::Arc;

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    policy::Target,
    ports::Model,
    snapshot::{Settings, Snapshot},
};
use mantlet_types::{Action, Code, ModelName, Rejection, Resource, Version, entry::Event};
use serde::Serialize;

/// Whatever can read the configuration again.
pub trait Reloader: Send + Sync {
    /// Reads, checks and puts in place what the listeners use; returns what the gate uses.
    ///
    /// # Errors
    /// If anything in the new configuration is invalid, needs a restart, is a new danger, or does not fit what is served
    /// under this snapshot. Then nothing changed.
    fn reload(&self, snapshot: &Snapshot) -> Result<Renewal, String>;
}

/// What the gate goes over to.
pub struct Renewal {
    /// Settings.
    pub settings: Settings,
    /// Models under another threshold than before, and those whose signers are trusted again.
    pub loaded: Vec<Arc<dyn Model>>,
    /// Versions whose signers are trusted no more: they stop answering.
    pub unloaded: Vec<(ModelName, Version)>,
}

/// Reads the configuration again.
pub struct ReloadConfig(pub Arc<dyn Reloader>);

/// It was read.
#[derive(Debug, Serialize)]
pub struct Reloaded {
    /// What happened, for a person.
    pub message: &'static str,
    /// Versions that have stopped answering, as `model@version`: whoever signed them is trusted no more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<String>,
}

impl Deed for ReloadConfig {
    type Reply = Reloaded;

    fn event(&self) -> Event {
        Event::ConfigReload
    }

    fn changes(&self) -> bool {
        true
    }

    fn claims(&self, _caller: &Principal, _directory: &Directory) -> Result<Claims, Rejection> {
        let home = "home".parse().map_err(|_| Rejection::new(Code::NotFound))?;
        Ok(Claims::All(vec![(Action::ManageUsers, Target::Resource(Resource::Project(home)))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Reloaded>, Rejection> {
        let snapshot = Arc::clone(office.snapshot);
        let renewal = tokio::task::spawn_blocking(move || self.0.reload(&snapshot)).await;
        let renewal = renewal.map_err(|error| Rejection::unavailable(error.to_string()))?;
        let Renewal { settings, loaded, unloaded } = renewal.map_err(|why| {
            tracing::warn!(%why, "the configuration was not reloaded");
            Rejection::new(Code::Conflict).detailed(why)
        })?;
        let stopped = unloaded.iter().map(|(model, version)| format!("{model}@{version}")).collect();
        let reply = Reloaded { message: "the configuration was read again", stopped };
        Ok(Done { settings: Some(settings), loaded, unloaded, ..Done::read(reply) })
    }
}
