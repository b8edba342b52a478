"""The profile of a package, which the ``mantlet`` command makes from data in CSV.

The data lie in a directory of their own, that nobody else reads and that does not outlive the command: a package is handed to
others, and rows that a model was trained on are not theirs to have.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PackageError
from .columns import TARGET, Columns, Rows

if TYPE_CHECKING:
    from .._endpoint import StrPath

BINARY = "MANTLET_BIN"
"""Where the command is, if it is not on the path."""

_REFERENCE = "reference.csv"
_CALIBRATION = "calibration.csv"
_TIMEOUT_S = 600


def command(binary: StrPath | None) -> str | None:
    """The command, if there is one.

    Raises:
        PackageError: the one that was named is not there.

    """
    named = binary or os.environ.get(BINARY)
    found = shutil.which(named or "mantlet")
    if named and found is None:
        raise PackageError(f"there is no command `{os.fspath(named)}`")
    return found


def write_data(directory: Path, columns: Columns, reference: Rows, calibration: Rows | None) -> None:
    """Writes the rows, in files that only their owner reads."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for name, rows in ((_REFERENCE, reference), (_CALIBRATION, calibration)):
        if rows is None:
            continue
        descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*columns.names, TARGET])
            writer.writerows([*map(_cell, cells), _cell(truth)] for cells, truth in zip(rows.cells, rows.truths))


def _cell(value: object) -> object:
    if value is None:
        return ""
    # A truth value is the number that the model takes for it.
    return int(value) if isinstance(value, bool) else value


def arguments(
    binary: str,
    package: Path,
    data: Path,
    background: int | None = None,
    coverage: float | None = None,
    calibrate: bool = True,
) -> list[str]:
    """The command line that makes the profile."""
    line = [binary, "model", "profile", str(package), "--reference", str(data / _REFERENCE), "--target", TARGET]
    if calibrate and (data / _CALIBRATION).exists():
        line += ["--calibration", str(data / _CALIBRATION)]
    if background is not None:
        line += ["--background", str(background)]
    if coverage is not None:
        line += ["--coverage", str(coverage)]
    return line


def run(binary: str, package: Path, data: Path, background: int, coverage: float | None, *, calibrate: bool) -> None:
    """Makes the profile.

    Raises:
        PackageError: the command refuses; its own words say why.

    """
    line = arguments(binary, package, data, background, coverage, calibrate)
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageError(f"`{binary}` did not run: {error.__class__.__name__}") from error
    if done.returncode != 0:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise PackageError(f"`mantlet model profile` refuses the package: {said}")
