"""From a trained model to a directory that ``mantlet model add`` serves.

The model is exported to ONNX, tried on the rows that came with it, and refused if it does not answer as the Python model
does. What only Mantlet knows how to make, the profile, is left to the ``mantlet`` command.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PackageError
from . import agreement, manifest, profile
from .columns import columns_of
from .export import exported
from .model import Task, classes_of, task_of

if TYPE_CHECKING:
    from .._endpoint import StrPath

__all__ = ["Package", "package"]

ROWS_TRIED_MAX = 10_000
"""Rows on which both models are asked; more of them find no more kinds of difference."""


@dataclass(frozen=True)
class Package:
    """A package that was made.

    Attributes:
        name: the model's name.
        directory: what ``mantlet model add`` takes.
        task: `classification` or `regression`.
        features: the columns, in the model's order.
        rows_compared: rows on which the exported model was tried.
        rows_differing: those of them on which it answers otherwise than the Python one; 0 unless `differing_max` said otherwise.
        largest_difference: between a number of the one and of the other.
        profiled: whether `profile.json` is there.
        data: where the data for the profile are, if it is still to be made.

    """

    name: str
    directory: Path
    task: str
    features: tuple[str, ...]
    rows_compared: int
    rows_differing: int
    largest_difference: float
    profiled: bool
    data: Path | None = None

    @property
    def next_command(self) -> str:
        """What to run next."""
        if self.profiled or self.data is None:
            return f"mantlet model add {self.directory}"
        return " ".join(profile.arguments("mantlet", self.directory, self.data))


def package(
    model: Any,
    X: Any,  # noqa: N803 - as scikit-learn calls it
    y: Any,
    *,
    name: str,
    directory: StrPath,
    task: str | None = None,
    features: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    calibration: tuple[Any, Any] | None = None,
    confidence: str | None = None,
    threshold: float | None = None,
    width_max: float | None = None,
    sensitivity: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    background: int = 100,
    coverage: float | None = None,
    tolerance: float = 1e-4,
    differing_max: float = 0.0,
    target_opset: int | None = None,
    binary: StrPath | None = None,
) -> Package:
    """Makes a package of a trained scikit-learn, XGBoost or LightGBM model.

    Args:
        model: the model or pipeline, as its library's scikit-learn interface has it.
        X: rows that it was trained on. Types, ranges and categories that the server accepts come from them, and the exported
            model is tried on them.
        y: their truths.
        name: the model's name on the server.
        directory: where to write; made, or empty.
        task: `classification` or `regression`, if the model does not say.
        features: the columns' names, in the model's order, if `X` has none.
        labels: a text for each class, in the order of `classes_`.
        calibration: rows that the model has never seen, and their truths. From them comes how far its confidence can be
            believed. A regression has none without them.
        confidence: `none`, if answers are to have none.
        threshold: least confidence of a served answer, instead of 0.7.
        width_max: an interval wider than this is withheld.
        sensitivity: 0 to 3 by feature; what those of 2 or more added is not shown in explanations.
        settings: whatever else belongs into ``mantlet-model.toml``, such as ``{"fallback": {"action": "call_back"}}``.
        background: rows of `X` that the profile keeps for explanations, 0 to 100. Whoever may read the package reads them.
        coverage: that intervals of a regression promise, instead of 0.9.
        tolerance: how far two numbers may lie apart, absolute, or of large ones relative.
        differing_max: the share of rows that may lie further apart, where rounding to 32 bits makes some.
        target_opset: of the default ONNX domain, instead of the converter's choice.
        binary: the ``mantlet`` command, instead of the one that ``MANTLET_BIN`` names or that is on the path.

    Raises:
        PackageError: it cannot be exported, the directory is not empty, or the profile cannot be made.
        Disagreement: the exported model answers otherwise than the Python one.
        MissingDependency: a converter is not installed.

    """
    manifest.check_name(name)
    where = _empty(Path(directory))
    what = task_of(model, task)
    columns = columns_of(model, X, features)
    reference = columns.rows(X, y)
    held_out = None if calibration is None else columns.rows(*calibration)
    if what is Task.REGRESSION and held_out is None and confidence != "none":
        raise PackageError(
            "a regression has confidence only by rows that it has never seen: give `calibration=(X, y)`, or say "
            "`confidence='none'`"
        )
    classes = classes_of(model) if what is Task.CLASSIFICATION else None
    texts = manifest.labels(classes, labels)
    onnx = exported(model, columns, what, target_opset)
    tried = [reference] if held_out is None else [reference, held_out]
    found = agreement.check(
        model, onnx, columns, what, tried, tolerance=tolerance, differing_max=differing_max, rows_max=ROWS_TRIED_MAX
    )

    stated: dict[str, Any] = {"name": name, "features": list(columns.names), "labels": texts}
    stated.update({"confidence": confidence, "threshold": threshold, "width_max": width_max})
    stated.update({"sensitivity": dict(sensitivity or {}) or None, **(settings or {})})
    command = profile.command(binary)
    where.mkdir(parents=True, exist_ok=True)
    data = None
    try:
        (where / "model.onnx").write_bytes(onnx)
        (where / "mantlet-model.toml").write_text(manifest.toml(stated), encoding="utf-8")
        if command is None:
            data = _empty(where.with_name(where.name + "-data"))
            profile.write_data(data, columns, reference, held_out)
        else:
            with tempfile.TemporaryDirectory(prefix="mantlet-") as scratch:
                profile.write_data(Path(scratch), columns, reference, held_out)
                profile.run(command, where, Path(scratch), background, coverage, calibrate=confidence != "none")
    except BaseException:
        # Half a package would be taken for one.
        shutil.rmtree(where, ignore_errors=True)
        raise
    return Package(
        name=name,
        directory=where,
        task=what.value,
        features=columns.names,
        rows_compared=found.rows,
        rows_differing=found.differing,
        largest_difference=found.largest,
        profiled=command is not None,
        data=data,
    )


def _empty(directory: Path) -> Path:
    """A place to write to, where nothing is.

    Raises:
        PackageError: there is something.

    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise PackageError(f"`{directory}` is there already, and not empty")
    return directory
