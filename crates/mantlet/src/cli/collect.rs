//! `mantlet model collect`: takes away what the registry keeps and nothing names.

use std::collections::BTreeSet;

use mantlet_gate::administer;
use mantlet_models::registry::{Orphans, PackageDigest};
use mantlet_types::entry::{Event, Token};
use serde_json::json;

use super::{args::Common, exit::Failure, print, session};
use crate::assemble::{self, App, told};

/// Runs the command. With the home to itself: no registration is on its way, and none begins.
pub async fn run(common: &Common, dry_run: bool) -> Result<(), Failure> {
    let home = session::home(common)?;
    let config = session::config(&home)?;
    let held = home.lock().map_err(|error| {
        told(&error, Some("stop the server first: it may be about to name what nothing names yet".into()))
    })?;
    let root = session::root_key(&home, &config)?;
    let registry = assemble::registry(&home, &root)?;
    let (app, _) = App::open(home, root, config, super::overlay(), held).await?;
    let collected = async {
        let snapshot = app.server.gate().snapshot();
        let versions = snapshot.directory.models.values().flat_map(|model| model.versions.values());
        let named: BTreeSet<PackageDigest> = versions.map(|version| PackageDigest(version.package)).collect();
        let orphans = registry.orphans(&named).map_err(|error| told(&error, error.hint()))?;
        if !dry_run && !orphans.paths.is_empty() {
            // Written down before anything is gone, and that it is.
            note(&app, "begin", &orphans).await?;
            registry.remove(&orphans).map_err(|error| told(&error, error.hint()))?;
            note(&app, "done", &orphans).await?;
        }
        Ok::<_, Failure>(orphans)
    };
    let collected = collected.await;
    app.close().await;
    let Orphans { paths, bytes } = collected?;
    if common.json {
        return print::json(&json!({ "files": paths, "bytes": bytes, "removed": !dry_run }));
    }
    let what = if dry_run { "nothing names" } else { "took away" };
    print::line(format!("{what} {} files with {bytes} bytes", paths.len()))
}

async fn note(app: &App, what: &str, orphans: &Orphans) -> Result<(), Failure> {
    let subject = Token::of(&format!("{what}:{}", orphans.paths.len()));
    Ok(administer::announce(app.server.gate(), Event::SysCollect, Some(subject)).await?)
}
