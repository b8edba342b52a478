"""Whether the exported model answers as the Python one does.

Both are asked about the same rows. The exported one takes numbers of 32 bits, as every export does, so a row whose number lies
within rounding of a tree's threshold may fall on its other side. That is a difference like any other, and is not let pass unless
the author says how many rows may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import Disagreement, PackageError
from .columns import Columns, Rows
from .model import Task, load

_BATCH_ROWS = 1_000
_SEED = 20_260_101


@dataclass(frozen=True)
class Agreement:
    """What was compared.

    Attributes:
        rows: on how many rows.
        differing: how many of them differ by more than was tolerated.
        largest: the largest difference between two numbers.

    """

    rows: int
    differing: int
    largest: float


def check(
    model: Any,
    onnx: bytes,
    columns: Columns,
    task: Task,
    tried: list[Rows],
    *,
    tolerance: float,
    differing_max: float,
    rows_max: int,
) -> Agreement:
    """Asks both models about the same rows.

    Args:
        model: the Python model.
        onnx: the exported one.
        columns: what they take.
        task: what they do.
        tried: rows to ask about.
        tolerance: how far two numbers may lie apart, absolute, or of large ones relative.
        differing_max: the share of rows that may differ by more.
        rows_max: at most so many of each of `tried`, drawn with a fixed seed.

    Raises:
        Disagreement: they differ.
        PackageError: the exported model does not run.

    """
    numpy = load("numpy")
    runtime = load("onnxruntime")
    quiet = runtime.SessionOptions()
    quiet.log_severity_level = 3
    try:
        session = runtime.InferenceSession(onnx, quiet, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever the runtime raises
        raise PackageError(f"the exported model does not load: {error}") from error
    compared, differing, largest = 0, 0, 0.0
    for rows in tried:
        chosen = _chosen(numpy, len(rows.cells), rows_max)
        for start in range(0, len(chosen), _BATCH_ROWS):
            places = chosen[start : start + _BATCH_ROWS]
            differences, apart = _compare(numpy, model, session, columns, task, rows, places)
            largest = max(largest, float(numpy.nanmax(differences, initial=0.0)))
            # Written so that a NaN, which is no number at all, counts as different.
            differing += int((~(differences <= tolerance) | apart).sum())
            compared += len(places)
    if differing > differing_max * compared:
        raise Disagreement(
            f"the exported model answers {differing} of {compared} rows otherwise than the Python one; the largest "
            f"difference is {largest:g}, and `tolerance` is {tolerance:g}. Numbers have 32 bits there: rows on a tree's "
            "threshold may fall on its other side. If that is all, say which share of rows may differ by `differing_max`",
            differing,
            largest,
        )
    return Agreement(compared, differing, largest)


def _chosen(numpy: Any, count: int, most: int) -> Any:
    if count <= most:
        return numpy.arange(count)
    return numpy.sort(numpy.random.default_rng(_SEED).choice(count, most, replace=False))


def _compare(
    numpy: Any, model: Any, session: Any, columns: Columns, task: Task, rows: Rows, places: Any
) -> tuple[Any, Any]:
    """For each row the largest difference of a number, relative beyond 1, and whether it has another class."""
    inputs = columns.arrays([rows.cells[place] for place in places])
    outputs = session.run(None, inputs)
    source = _rows_of(numpy, rows.source, places)
    if task is Task.REGRESSION:
        expected = numpy.asarray(model.predict(source), dtype=float).reshape(len(places), -1)
        given = numpy.asarray(outputs[-1], dtype=float).reshape(len(places), -1)
        apart = numpy.zeros(len(places), dtype=bool)
    else:
        expected = numpy.asarray(model.predict_proba(source), dtype=float)
        given = numpy.asarray(outputs[1], dtype=float).reshape(len(places), -1)
        apart = _other_class(numpy, model, expected, outputs[0])
    if given.shape != expected.shape:
        raise PackageError("the exported model gives another number of values than the Python one")
    differences = numpy.abs(given - expected) / numpy.maximum(1.0, numpy.abs(expected))
    return differences.max(axis=1), apart


def _other_class(numpy: Any, model: Any, probabilities: Any, labels: Any) -> Any:
    """Whether the exported label is not the most probable class. Where two are as probable, either is right."""
    classes = [_name(label) for label in numpy.asarray(model.classes_).tolist()]
    said = [_name(label) for label in numpy.asarray(labels).reshape(-1).tolist()]
    if any(label not in classes for label in said):
        raise PackageError("the exported model names other classes than the Python one")
    chosen = probabilities[numpy.arange(len(said)), [classes.index(label) for label in said]]
    return probabilities.max(axis=1) - chosen > 1e-6


def _name(label: Any) -> str:
    """A class as an export has it: truth values and whole numbers are integers there."""
    whole = isinstance(label, bool) or (isinstance(label, float) and label.is_integer())
    return str(int(label) if whole else label)


def _rows_of(numpy: Any, source: Any, places: Any) -> Any:
    """Some of the rows, in the form that the model was trained with."""
    if hasattr(source, "iloc"):
        return source.iloc[places]
    if hasattr(source, "iter_rows"):
        return source[places.tolist()]
    if hasattr(source, "take") and hasattr(source, "column_names"):
        return source.take(places)
    return numpy.asarray(source)[places]
