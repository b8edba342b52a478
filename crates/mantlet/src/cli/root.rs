//! `mantlet root`: the key that wraps everything at rest.

use std::ffi::OsString;

use mantlet_gate::administer;
use mantlet_models::registry::Rewrapped;
use mantlet_types::entry::Event;
use serde_json::json;

use super::{
    args::{Common, Root as Command, RootKeyCommand},
    exit::Failure,
    print, session,
};
use crate::{
    assemble::{self, App, told},
    config::Config,
    faults,
    home::{Home, HomeLock, RootKeySource, RootKeyState, Rotation},
};

/// Runs the command.
pub async fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let home = session::home(common)?;
    let config = session::config(&home)?;
    match command {
        Command::Key(RootKeyCommand::Status) => status(common, &home, &config),
        Command::Key(RootKeyCommand::Rotate { abandon: true, .. }) => abandon(common, &home, &config),
        Command::Key(RootKeyCommand::Rotate { to, leave_damaged, .. }) => {
            rotate(common, &home, &config, to, leave_damaged).await
        }
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn status(common: &Common, home: &Home, config: &Config) -> Result<(), Failure> {
    let source = &config.store.root_key;
    let state = home.root_key_state(source, variable).map_err(|error| told(&error, error.hint()))?;
    if common.json {
        let rotating = state != RootKeyState::Settled;
        let opened_by_either = state == RootKeyState::Either;
        return print::json(
            &json!({ "place": source.to_string(), "rotating": rotating, "opened_by_either": opened_by_either }),
        );
    }
    print::line(format!("root key       {source}"))?;
    match state {
        RootKeyState::Settled => Ok(()),
        RootKeyState::Either => print::line(
            "being replaced; either key opens the home. go on: mantlet root key rotate; or give it up: mantlet root key \
             rotate --abandon",
        ),
        RootKeyState::Resealing => print::line(
            "replaced; not everything is sealed anew yet, and until then nothing is served. go on: mantlet root key rotate",
        ),
    }
}

fn taken(home: &Home) -> Result<HomeLock, Failure> {
    home.lock().map_err(|error| {
        told(&error, Some("stop the server first: its keys are replaced, and it has them in memory".into()))
    })
}

fn abandon(common: &Common, home: &Home, config: &Config) -> Result<(), Failure> {
    let _held = taken(home)?;
    Rotation::abandon(home, &config.store.root_key, variable).map_err(|error| told(&error, error.hint()))?;
    if common.json {
        return print::json(&json!({ "finished": false, "abandoned": true }));
    }
    print::line(
        "the root key stays as it is; the key that was to replace it opens nothing any more, and is not taken again",
    )
}

async fn rotate(
    common: &Common,
    home: &Home,
    config: &Config,
    to: Option<RootKeySource>,
    leave_damaged: bool,
) -> Result<(), Failure> {
    if to == Some(RootKeySource::Inside) && !config.danger.single_person {
        return Err(Failure::new("a team's root key cannot be kept inside the home")
            .hint("keep it in a file elsewhere: --to file:/PATH"));
    }
    let held = taken(home)?;
    let source = &config.store.root_key;
    let mut rotation =
        Rotation::begin(home, source, to.as_ref(), variable).map_err(|error| told(&error, error.hint()))?;
    faults::step("root-key-begun");
    if rotation.waits_for_configuration() {
        return waiting(common, home, to.as_ref().unwrap_or(source));
    }
    // While the home can be used: whoever has to decide about an older store decides before everything is sealed anew.
    let root = rotation.root().map_err(|error| told(&error, error.hint()))?;
    assemble::check_store(home, &root).await?;
    rotation.place().map_err(|error| told(&error, error.hint()))?;
    faults::step("root-key-placed");
    rotation.renew_home_key(variable).map_err(|error| told(&error, error.hint()))?;
    faults::step("home-key-made");
    rotation.reseal_files().map_err(|error| told(&error, error.hint()))?;
    faults::step("files-resealed");
    let root = rotation.root().map_err(|error| told(&error, error.hint()))?;
    assemble::rekey(home, &root).await?;
    faults::step("stores-resealed");
    let rewrapped = rewrap(home, &root)?;
    faults::step("registry-rewrapped");
    if !rewrapped.damaged.is_empty() && !leave_damaged {
        return Err(Failure::new("stored files are damaged, and no key will open them once the former one is gone").hint(
            "put them back from a backup and run the command again; or let them be: mantlet root key rotate --leave-damaged",
        ));
    }
    // Opened by the newest key alone, as a server will: before the former one goes, it is known that nothing needs it.
    rotation.check_files().map_err(|error| told(&error, error.hint()))?;
    let root = rotation.newest().map_err(|error| told(&error, error.hint()))?;
    let (app, _) = App::open(home.clone(), root, config.clone(), super::overlay(), held).await?;
    let noted = administer::announce(app.server.gate(), Event::SysRootKey, Some(app.ring().clone())).await;
    // Until the last step the home is ours.
    let _held = app.close().await;
    noted?;
    faults::step("rotation-noted");
    rotation.finish().map_err(|error| told(&error, error.hint()))?;
    report(common, &rewrapped)
}

/// Says what the person has to do before this can go on.
fn waiting(common: &Common, home: &Home, place: &RootKeySource) -> Result<(), Failure> {
    if common.json {
        return print::json(&json!({ "finished": false, "place": place.to_string() }));
    }
    print::line(format!(
        "either key opens the home. now say so in {}, in the table [store] that it has:\n\n  root_key = \"{place}\"\n\nand let the former key go: \
         mantlet root key rotate",
        home.config_path().display(),
    ))
}

fn rewrap(home: &Home, root: &crate::home::RootKey) -> Result<Rewrapped, Failure> {
    let registry = assemble::registry(home, root)?;
    let rewrapped = registry.rewrap().map_err(|error| told(&error, error.hint()))?;
    for path in &rewrapped.damaged {
        print::note(format_args!("`{}` is damaged, and was left as it is", path.display()));
    }
    Ok(rewrapped)
}

fn report(common: &Common, rewrapped: &Rewrapped) -> Result<(), Failure> {
    let (anew, kept) = (rewrapped.rewrapped, rewrapped.kept);
    if common.json {
        let damaged = &rewrapped.damaged;
        return print::json(
            &json!({ "finished": true, "rewrapped": anew, "kept": kept, "damaged": damaged }),
        );
    }
    print::line(format!("objects        {anew} wrapped anew, {kept} were"))?;
    print::line(
        "the root key was replaced; the former one opens nothing any more. delete it wherever it still is: it opens older \
         copies of the home",
    )
}
