//! `mantlet root`: the key that wraps everything at rest.

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
    home::{Home, RootKeySource, Rotation},
};

/// Runs the command.
pub async fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let home = session::home(common)?;
    let config = session::config(&home)?;
    match command {
        Command::Key(RootKeyCommand::Status) => status(common, &home, &config),
        Command::Key(RootKeyCommand::Rotate { to }) => rotate(common, &home, &config, to).await,
    }
}

fn status(common: &Common, home: &Home, config: &Config) -> Result<(), Failure> {
    let source = &config.store.root_key;
    let keys = home.root_keys(source, |name| std::env::var_os(name));
    let rotating = keys.map_err(|error| told(&error, error.hint()))? > 1;
    if common.json {
        return print::json(&json!({ "place": source.to_string(), "rotating": rotating }));
    }
    print::line(format!("root key       {source}"))?;
    if rotating {
        print::line("being replaced; either key opens the home. go on: mantlet root key rotate")?;
    }
    Ok(())
}

async fn rotate(
    common: &Common,
    home: &Home,
    config: &Config,
    to: Option<RootKeySource>,
) -> Result<(), Failure> {
    if to == Some(RootKeySource::Inside) && !config.danger.single_person {
        return Err(Failure::new("a team's root key cannot be kept inside the home")
            .hint("keep it in a file elsewhere: --to file:/PATH"));
    }
    let held = home.lock().map_err(|error| {
        told(&error, Some("stop the server first: its keys are replaced, and it has them in memory".into()))
    })?;
    let source = &config.store.root_key;
    let rotation = Rotation::begin(home, source, to.as_ref(), |name| std::env::var_os(name))
        .map_err(|error| told(&error, error.hint()))?;
    faults::step("root-key-begun");
    rotation.reseal_files().map_err(|error| told(&error, error.hint()))?;
    faults::step("files-resealed");
    let root = rotation.root().map_err(|error| told(&error, error.hint()))?;
    assemble::rekey(home, &root).await?;
    faults::step("stores-resealed");
    let rewrapped = rewrap(home, &root)?;
    faults::step("registry-rewrapped");
    if rotation.waits_for_configuration() {
        let place = to.as_ref().unwrap_or(source);
        return report(
            common,
            &rewrapped,
            false,
            &format!(
                "either key opens the home. now say so in {}:\n\n  [store]\n  root_key = \"{place}\"\n\nand let the former \
             key go: mantlet root key rotate",
                home.config_path().display(),
            ),
        );
    }
    rotation.place().map_err(|error| told(&error, error.hint()))?;
    faults::step("root-key-placed");
    // Opened by the newest key alone, as a server will: before former ones go, it is known that nothing needs them.
    let root = rotation.newest().map_err(|error| told(&error, error.hint()))?;
    let (app, _) = App::open(home.clone(), root, config.clone(), super::overlay(), held).await?;
    let noted = administer::announce(app.server.gate(), Event::SysRootKey).await;
    app.close().await;
    noted?;
    faults::step("rotation-noted");
    rotation.finish().map_err(|error| told(&error, error.hint()))?;
    report(common, &rewrapped, true, "the root key was replaced; the former one opens nothing any more")
}

fn rewrap(home: &Home, root: &crate::home::RootKey) -> Result<Rewrapped, Failure> {
    let registry = assemble::registry(home, root)?;
    let rewrapped = registry.rewrap().map_err(|error| told(&error, error.hint()))?;
    for path in &rewrapped.damaged {
        print::note(format_args!("`{}` was damaged before, and is left as it is", path.display()));
    }
    Ok(rewrapped)
}

fn report(common: &Common, rewrapped: &Rewrapped, finished: bool, message: &str) -> Result<(), Failure> {
    let (anew, kept) = (rewrapped.rewrapped, rewrapped.kept);
    if common.json {
        let damaged = &rewrapped.damaged;
        return print::json(
            &json!({ "finished": finished, "rewrapped": anew, "kept": kept, "damaged": damaged }),
        );
    }
    print::line(format!("objects        {anew} wrapped anew, {kept} were"))?;
    print::line(message)
}
