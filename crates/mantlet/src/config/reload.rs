//! What a running server takes from a changed configuration, and what it does not.

use super::{Config, settings::SETTINGS};

/// A change that a running server does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` cannot change in a running server: {reason}")]
pub struct NotReloadable {
    /// The setting.
    pub setting: &'static str,
    /// Why not.
    pub reason: &'static str,
}

/// Switching a danger on takes somebody who restarts the server and sees its warning, not whoever can signal it.
const NEW_DANGER: &str = "a new danger takes a restart, which says so";

impl Config {
    /// Whether a running server of this configuration can go over to the new one.
    ///
    /// # Errors
    /// Every setting that stands against it; then nothing of the new configuration is taken.
    pub fn reloadable(&self, new: &Self) -> Result<(), Vec<NotReloadable>> {
        let refused: Vec<NotReloadable> = SETTINGS
            .iter()
            .filter(|setting| (setting.value)(self) != (setting.value)(new))
            .filter_map(|setting| {
                let new_danger = setting.section() == "danger" && (setting.value)(new) == true;
                let reason = if new_danger { Some(NEW_DANGER) } else { setting.restart };
                reason.map(|reason| NotReloadable { setting: setting.key, reason })
            })
            .collect();
        if refused.is_empty() { Ok(()) } else { Err(refused) }
    }
}
