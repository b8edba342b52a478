//! What the tests need beside Rust: a Python environment with foreign clients, and a Go tool chain with `sumdb`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Runs a command to its end; its failure is ours.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    eprintln!("+ {command:?}");
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("failed: {command:?}")) }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Installs Debian packages that are missing; without root it says which.
pub(crate) fn packages() -> Result<(), String> {
    let present = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let sumdb = Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb").is_dir();
    let mut missing = Vec::new();
    if !present("cc", &["--version"]) {
        missing.push("gcc");
    }
    if !present("curl", &["--version"]) {
        missing.push("curl");
    }
    if !present("python3", &["-c", "import venv, ensurepip"]) {
        missing.push("python3-venv");
    }
    if !present("node", &["--version"]) {
        missing.push("nodejs");
    }
    if !present("npm", &["--version"]) {
        missing.push("npm");
    }
    if !present("openssl", &["version"]) {
        missing.push("openssl");
    }
    if !present("go", &["version"]) {
        missing.push("golang-go");
    }
    if !sumdb {
        missing.push("golang-golang-x-mod-dev");
    }
    let root = present("sh", &["-c", "test \"$(id -u)\" = 0 && command -v apt-get"]);
    // 150 MB for one test, so only where it can be had without asking; elsewhere the test says that it is left out.
    if root && !present("/usr/bin/python3", &["-c", "import torch"]) {
        missing.push("python3-torch");
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !root {
        return Err(format!("missing packages; install them first: apt-get install {}", missing.join(" ")));
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt().args(["-qq", "update"]))?;
    run(apt().args(["-qq", "install", "--yes", "--no-install-recommends"]).args(&missing))
}

/// The Python environment with the pinned foreign clients, made or renewed when the list has changed.
pub(crate) fn python() -> Result<PathBuf, String> {
    let requirements = root().join("conformance/requirements.txt");
    let environment = target().join("venv");
    let stamp = environment.join("requirements.txt");
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let python = environment.join("bin/python");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    fs::create_dir_all(target()).map_err(|error| error.to_string())?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
    fs::write(stamp, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}
