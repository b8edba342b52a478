//! The chores, each a straight line of commands.

use std::process::Command;

use crate::environment::{packages, python, root, run, target};

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Everything that must hold.
pub(crate) fn test() -> Result<(), String> {
    packages()?;
    let python = python()?;
    let expected = target().join("expected");
    run(Command::new(&python)
        .arg(root().join("conformance/agreement.py"))
        .args([root().join("testdata/models"), expected.clone()]))?;
    // The feature lets tests order disk faults from the real binary; no release is built with it.
    run(cargo(&["test", "--workspace", "--locked", "--features", "mantlet/faults"])
        .env("MANTLET_EXPECTED", &expected)
        .env("MANTLET_PYTHON", &python))?;
    // The client has settings of its own, so its tests run where these are.
    for (directory, tests) in [(root(), "conformance"), (root().join("clients/python"), "tests")] {
        run(Command::new(&python)
            .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", tests])
            .env("MANTLET_BIN", target().join("debug/mantlet"))
            .current_dir(directory))?;
    }
    Ok(())
}

/// Formatting, clippy with warnings denied, documentation.
pub(crate) fn lint() -> Result<(), String> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))?;
    run(cargo(&["doc", "--workspace", "--no-deps", "--locked"])
        .env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links"))
}

/// The README's first command, on the release binary, as a user would run it.
pub(crate) fn smoke() -> Result<(), String> {
    run(&mut cargo(&["build", "--release", "--locked", "--package", "mantlet"]))?;
    run(Command::new("sh").arg(root().join("conformance/smoke.sh")).arg(target().join("release/mantlet")))
}

/// Fuzz targets, for a while each.
pub(crate) fn fuzz(arguments: &[&str]) -> Result<(), String> {
    let seconds = arguments.get(1).copied().unwrap_or("30");
    let all = [
        "request_json",
        "request_binary",
        "request_grpc",
        "api_key",
        "configuration",
        "onnx",
        "audit_entry",
        "audit_tiles",
        "upload",
        "token",
        "spiffe_id",
        "svid",
        "scan_safetensors",
        "scan_gguf",
        "scan_hdf5",
        "scan_template",
        "scan_onnx",
    ];
    let targets = arguments.first().map_or_else(|| all.to_vec(), |one| vec![*one]);
    targets.iter().try_for_each(|name| {
        let limit = format!("-max_total_time={seconds}");
        run(Command::new("cargo").args(["+nightly", "fuzz", "run", name, "--", &limit]).current_dir(root()))
    })
}
