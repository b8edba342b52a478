"""What a measurement needs before it can begin, made if it is missing: release binaries, and Pythons with the peers."""

import hashlib
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def program(path, *build):
    """A binary; one of this repository's release directory is built by `cargo build --release` with these arguments."""
    if path.is_relative_to(ROOT / "target/release"):
        subprocess.run(["cargo", "build", "--release", "--locked", *build], cwd=ROOT, check=True)
    if not path.exists():
        sys.exit(f"{path} is missing")
    return path


def python(given, *packages):
    """The Python that was given, or one of its own with these packages, in `target`; `None` for `none`."""
    if given is not None:
        return None if str(given) == "none" else given
    name = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    made = ROOT / f"target/bench-{name}/bin/python"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", made.parent.parent], check=True)
        subprocess.run([made, "-m", "pip", "install", "--quiet", *packages], check=True)
    return made
