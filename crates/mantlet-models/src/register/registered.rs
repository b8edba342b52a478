//! What registering says: whether there is room for one version more, and what comes next.

use mantlet_gate::directory::ModelRecord;
use mantlet_types::{ModelName, Rejection, Sha256, Version};
use serde::Serialize;

/// Versions of one model that are not retired. Each is loaded, so that its author can try it.
const VERSIONS_MAX: usize = 64;

/// Versions of one model, retired ones among them. Their records are kept, some two KiB each, and travel with every change of
/// the model. Beyond, the longest retired make room: the log still says who did what with them.
const RECORDS_MAX: usize = 512;

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
    /// Conditions for going live that it does not meet yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
    /// Retired versions of which the log alone knows from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forgotten: Vec<Version>,
    /// What to do next.
    pub next: String,
}

/// Makes sure that a model may have one version more, and says which retired ones have no record any more for that: first
/// those that never answered anybody but their authors, the oldest first. Numbers are not given again, since the newest
/// stays newest until the next one is there.
pub(super) fn make_room(name: &ModelName, record: &mut ModelRecord) -> Result<Vec<Version>, Rejection> {
    let retired = record.versions.values().filter(|version| version.facts.retired.is_some()).count();
    let kept = record.versions.len();
    if kept.saturating_sub(retired) >= VERSIONS_MAX {
        let retire = format!("retire one that is not needed: mantlet --as DIR model retire {name} VERSION");
        return Err(Rejection::argument(format!("a model has at most {VERSIONS_MAX} versions; {retire}")));
    }
    let mut retired: Vec<(bool, Version)> = record
        .versions
        .iter()
        .filter(|(_, version)| version.facts.retired.is_some())
        .map(|(number, version)| (version.was_live, *number))
        .collect();
    retired.sort_unstable();
    let beyond = (kept + 1).saturating_sub(RECORDS_MAX);
    let forgotten: Vec<Version> = retired.into_iter().take(beyond).map(|(_, number)| number).collect();
    record.versions.retain(|number, _| !forgotten.contains(number));
    Ok(forgotten)
}

/// `nowhere` is a model that runs elsewhere, without anybody having said where.
pub(super) fn reply(
    model: &ModelName,
    version: Version,
    digest: Sha256,
    live: bool,
    nowhere: bool,
) -> Registered {
    let status = if live { "live" } else { "candidate" };
    let next = if nowhere {
        format!(
            "say in mantlet.toml where it runs, as in [[model]] name = \"{model}\", upstream = \"NAME\"; then: mantlet \
             config reload"
        )
    } else if live {
        format!("mantlet key create --consumer APP --model {model}")
    } else {
        format!(
            "try it as its author: mantlet --as DIR predict {model} --version-number {version}; then an ML engineer: \
             mantlet --as DIR model request {model} {version}"
        )
    };
    Registered {
        model: model.clone(),
        version,
        status,
        digest,
        unmet: Vec::new(),
        forgotten: Vec::new(),
        next,
    }
}

#[cfg(test)]
mod tests;
