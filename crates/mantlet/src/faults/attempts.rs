//! What somebody would try who has taken over the serving process: told to a test, which cannot get in otherwise.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::home::Home;

/// The variable that asks for it.
const ASKED: &str = "MANTLET_ATTEMPTS";

/// Tries to change what is served and to read private keys, from a thread of its own, and writes down in `run/attempts`
/// which error each attempt met; 0 is none.
pub fn attempt(home: &Home) {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    let (registry, keys, run) = (home.registry_dir(), home.keys_dir(), home.dir().join("run"));
    let tried = std::thread::spawn(move || tried(&registry, &keys, &run));
    let tried = serde_json::to_vec(&tried.join().unwrap_or_default()).unwrap_or_default();
    let _ = fs::write(home.dir().join("run/attempts.new"), tried);
    let _ = fs::rename(home.dir().join("run/attempts.new"), home.dir().join("run/attempts"));
}

fn tried(registry: &PathBuf, keys: &Path, run: &Path) -> BTreeMap<&'static str, i32> {
    let blobs = registry.join("blobs");
    let blob = fs::read_dir(&blobs).ok().and_then(|mut found| Some(found.next()?.ok()?.path()));
    let blob = blob.unwrap_or_else(|| blobs.join("none"));
    let open = |path: &PathBuf| fs::OpenOptions::new().read(true).write(true).open(path).map(drop);
    let mode = fs::Permissions::from_mode(0o777);
    let attempts: Vec<(&'static str, io::Result<()>)> = vec![
        // A writable mapping that others see takes a descriptor like this one.
        ("write or map", open(&blob)),
        ("append", fs::OpenOptions::new().append(true).open(&blob).map(drop)),
        ("truncate", fs::OpenOptions::new().write(true).truncate(true).open(&blob).map(drop)),
        ("create", fs::write(blobs.join("new"), b"x")),
        ("make a directory", fs::create_dir(registry.join("new"))),
        ("rename", fs::rename(&blob, blobs.join("renamed"))),
        ("rename out", fs::rename(&blob, run.join("renamed"))),
        ("replace", fs::write(run.join("other"), b"x").and_then(|()| fs::rename(run.join("other"), &blob))),
        ("unlink", fs::remove_file(&blob)),
        ("remove the directory", fs::remove_dir(registry.join("kept"))),
        ("chmod", fs::set_permissions(&blob, mode.clone())),
        ("chmod the directory", fs::set_permissions(registry, mode)),
        ("symlink", std::os::unix::fs::symlink("/etc/passwd", blobs.join("link"))),
        ("hard link", fs::hard_link(&blob, blobs.join("hard"))),
        ("hard link out", fs::hard_link(&blob, run.join("hard"))),
        ("chown", std::os::unix::fs::chown(&blob, None, Some(0))),
        ("read the authority's key", fs::read(keys.join("ca.key")).map(drop)),
        ("read the author's key", fs::read(keys.join("author.key")).map(drop)),
        ("read the root key", fs::read(keys.join("root.key")).map(drop)),
        ("add a signer", fs::write(keys.join("trusted/mine.pem"), b"x")),
        ("change the configuration", fs::write(registry.with_file_name("mantlet.toml"), b"")),
        ("start a program", std::process::Command::new("/bin/true").status().map(drop)),
        // What must still work, or the others would prove nothing.
        ("read what is served", fs::read(&blob).map(drop)),
        ("write beside the control socket", fs::write(run.join("mine"), b"x")),
    ];
    let number = |result: io::Result<()>| result.err().map_or(0, |error| error.raw_os_error().unwrap_or(-1));
    attempts.into_iter().map(|(what, result)| (what, number(result))).collect()
}
