//! The chores, each a straight line of commands.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::environment::{packages, python, root, run, target};

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// For all fuzz targets together, in every run of the tests.
const MUTATE_SECONDS: &str = "120";

/// Everything that must hold.
pub(crate) fn test() -> Result<(), String> {
    packages()?;
    // The feature lets tests order disk faults from the real binary; no release is built with it.
    let tests = ["test", "--workspace", "--locked", "--features", "mantlet/faults"];
    let expected = target().join("expected");
    // Installing waits for the network while building waits for the processor.
    let (python, built) = thread::scope(|scope| {
        let python = scope.spawn(|| prepared(&expected));
        let built = run(cargo(&tests).arg("--no-run"));
        (python.join().unwrap_or_else(|_| Err("preparing Python panicked".to_owned())), built)
    });
    let python = python?;
    built?;
    run(cargo(&tests).env("MANTLET_EXPECTED", &expected).env("MANTLET_PYTHON", &python))?;
    mutate(MUTATE_SECONDS)?;
    // The client has settings of its own, so its tests run where these are.
    for (directory, tests) in [(root(), "conformance"), (root().join("clients/python"), "tests")] {
        run(Command::new(&python)
            .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", tests])
            .env("MANTLET_BIN", target().join("debug/mantlet"))
            .current_dir(directory))?;
    }
    Ok(())
}

/// The Python environment, and what onnxruntime answers for every model of the tests.
fn prepared(expected: &Path) -> Result<PathBuf, String> {
    let python = python()?;
    run(Command::new(&python)
        .arg(root().join("conformance/agreement.py"))
        .args([root().join("testdata/models").as_path(), expected]))?;
    Ok(python)
}

/// Formatting, clippy with warnings denied, documentation.
pub(crate) fn lint() -> Result<(), String> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))?;
    // Benches behind a feature are no target of the workspace's.
    run(&mut cargo(&[
        "clippy",
        "-p",
        "mantlet-gate",
        "--features",
        "testing",
        "--benches",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ]))?;
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
    // A target is a file of its own; a test holds the files against bodies and corpora.
    let mut all = Vec::new();
    for file in std::fs::read_dir(root().join("fuzz/fuzz_targets")).map_err(|error| error.to_string())? {
        let path = file.map_err(|error| error.to_string())?.path();
        all.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    all.sort();
    let targets = arguments.first().map_or(all, |one| vec![(*one).to_owned()]);
    targets.iter().try_for_each(|name| {
        let limit = format!("-max_total_time={seconds}");
        run(Command::new("cargo").args(["+nightly", "fuzz", "run", name, "--", &limit]).current_dir(root()))
    })
}

/// Inputs that were kept, changed at random from a fixed seed: what fuzzing is where there is no nightly compiler. Coverage does not
/// steer it, so it finds less than `fuzz` does.
pub(crate) fn mutate(seconds: &str) -> Result<(), String> {
    run(cargo(&[
        "test",
        "--workspace", // the features of a package alone are others, and all would be built anew
        "--locked",
        "--features",
        "mantlet/faults",
        "--test",
        "corpora",
    ])
    .args(["--", "--ignored", "--exact", "mutated_inputs_fail_nothing"])
    .env("MANTLET_MUTATE_SECONDS", seconds))
}

/// Makes the lists of names that models may use: of pickles, TensorFlow, Keras and ONNX, from released wheels. Those are
/// downloaded and read, never installed; ONNX's, which are compiled, are those of the tests' environment.
pub(crate) fn allow_list(date: &str) -> Result<(), String> {
    let python = python()?;
    let here = root().join("xtask/allow_list");
    let wheels = target().join("wheels");
    for list in ["wheels.txt", "operator_wheels.txt"] {
        let pinned = std::fs::read_to_string(here.join(list)).map_err(|error| error.to_string())?;
        for line in pinned.lines().filter(|line| !line.starts_with('#')) {
            download(&python, &wheels, line)?;
        }
    }
    let scan = root().join("crates/mantlet-scan");
    run(Command::new(&python)
        .arg(here.join("generate.py"))
        .args([&wheels, &scan.join("data/names.txt"), &scan.join("data/attributes.txt")])
        .arg(date))?;
    run(Command::new(&python).arg(here.join("operators.py")).args([&wheels, &scan.join("src/format")]))
}

/// Downloads one wheel, named by a line of a list.
fn download(python: &Path, wheels: &Path, line: &str) -> Result<(), String> {
    let [project, version, for_python] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("`{line}` is no project, version and Python"));
    };
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--python-version", for_python]);
    for platform in WHEEL_PLATFORMS {
        pip.args(["--platform", platform]);
    }
    run(pip.arg("--dest").arg(wheels).arg(format!("{project}=={version}")))
}

/// What wheels for Linux on x86-64 were called over the years.
const WHEEL_PLATFORMS: [&str; 7] = [
    "manylinux1_x86_64",
    "manylinux2010_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_28_x86_64",
    "any",
];
