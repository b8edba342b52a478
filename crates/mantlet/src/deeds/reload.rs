//! Reading the configuration again: all of it, or nothing.

use std::sync::Arc;

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    policy::Target,
    snapshot::Settings,
};
use mantlet_types::{Action, Code, Rejection, Resource, entry::Event};
use serde::Serialize;

/// Whatever can read the configuration again.
pub trait Reloader: Send + Sync {
    /// Reads, checks and puts in place what the listeners use; returns what the gate uses.
    ///
    /// # Errors
    /// If anything in the new configuration is invalid, needs a restart, or is a new danger. Then nothing changed.
    fn reload(&self) -> Result<Settings, String>;
}

/// Reads the configuration again.
pub struct ReloadConfig(pub Arc<dyn Reloader>);

/// It was read.
#[derive(Debug, Serialize)]
pub struct Reloaded {
    /// What happened, for a person.
    pub message: &'static str,
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

    async fn act(self, _office: &Office<'_>) -> Result<Done<Reloaded>, Rejection> {
        let settings = tokio::task::spawn_blocking(move || self.0.reload()).await;
        let settings = settings.map_err(|error| Rejection::unavailable(error.to_string()))?;
        let settings = settings.map_err(|why| {
            tracing::warn!(%why, "the configuration was not reloaded");
            Rejection::new(Code::Conflict).detailed(why)
        })?;
        let reply = Reloaded { message: "the configuration was read again" };
        Ok(Done { settings: Some(settings), ..Done::read(reply) })
    }
}
