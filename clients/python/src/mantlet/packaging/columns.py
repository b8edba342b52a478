"""The columns of a model: their names, and whether they hold numbers or text.

A model of numbers alone is exported with one input, a matrix. One that takes texts, or picks columns by name, is exported with
an input for each column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._tables import Scalar, Table, table
from ..errors import PackageError, Unfit
from .model import load, steps_of

MATRIX = "input"
"""The name of the input that is a matrix."""

TARGET = "target"
"""The column of the truths in data that are written for a profile."""


@dataclass(frozen=True)
class Rows:
    """Rows as the Python model takes them, and as cells."""

    source: Any
    cells: list[list[Scalar]]
    truths: list[Scalar]


@dataclass(frozen=True)
class Columns:
    """A model's columns, in its order."""

    names: tuple[str, ...]
    texts: frozenset[str]
    separate: bool
    """Whether each column is an input of its own."""

    def rows(self, source: Any, truths: Any) -> Rows:
        """Rows of these columns.

        Raises:
            PackageError: they have others, or not as many truths.

        """
        try:
            cells = table(source).rows
            listed = [row[0] for row in table({TARGET: _listed(truths)}).rows]
        except Unfit as error:
            raise PackageError(str(error)) from None
        if any(len(row) != len(self.names) for row in cells):
            raise PackageError(f"the model takes {len(self.names)} columns, and rows have others")
        if len(listed) != len(cells):
            raise PackageError("there are not as many truths as rows")
        if any(truth is None for truth in listed):
            raise PackageError("a truth is missing")
        return Rows(source, cells, listed)

    def arrays(self, cells: list[list[Scalar]]) -> dict[str, Any]:
        """Rows as the exported model's inputs."""
        numpy = load("numpy")

        def number(value: Scalar) -> float:
            return float("nan") if value is None else float(value)

        if not self.separate:
            return {MATRIX: numpy.array([[number(value) for value in row] for row in cells], dtype=numpy.float32)}
        inputs = {}
        for place, name in enumerate(self.names):
            values = [row[place] for row in cells]
            if name in self.texts:
                column = numpy.array(["" if value is None else str(value) for value in values], dtype=object)
            else:
                column = numpy.array([number(value) for value in values], dtype=numpy.float32)
            inputs[name] = column.reshape(-1, 1)
        return inputs


def columns_of(model: Any, source: Any, features: Sequence[str] | None) -> Columns:
    """The columns of a model, by the rows that it was trained on.

    Raises:
        PackageError: they have no names, or hold what is neither number nor text.

    """
    try:
        rows = table(source)
    except Unfit as error:
        raise PackageError(f"`X`: {error}") from None
    if rows.single:
        raise PackageError("`X` has rows and columns")
    names = _names(rows, features, len(rows.rows[0]))
    if rows.names is not None and tuple(names) != rows.names:
        raise PackageError("`features` names other columns than the data frame has")
    if TARGET in names:
        raise PackageError(f"no feature is called `{TARGET}`: the truth is")
    texts = frozenset(name for place, name in enumerate(names) if _is_text(rows, place, name))
    composed = load("sklearn.compose")
    by_name = any(isinstance(step, composed.ColumnTransformer) for step in steps_of(model)) and rows.names is not None
    return Columns(tuple(names), texts, bool(texts) or by_name)


def _names(rows: Table, features: Sequence[str] | None, width: int) -> tuple[str, ...]:
    names = rows.names if features is None else tuple(str(name) for name in features)
    if names is None:
        names = tuple(f"x{place}" for place in range(width))
    if len(names) != width or len(set(names)) != width:
        raise PackageError("`features` names every column once")
    return names


def _is_text(rows: Table, place: int, name: str) -> bool:
    kinds = {isinstance(row[place], str) for row in rows.rows if row[place] is not None}
    if len(kinds) > 1:
        raise PackageError(f"column `{name}` has both texts and numbers")
    return True in kinds


def _listed(truths: Any) -> list[Any]:
    as_list = getattr(truths, "tolist", None) or getattr(truths, "to_list", None)
    listed: list[Any] = list(truths) if as_list is None else as_list()
    if any(isinstance(truth, (list, tuple)) for truth in listed):
        raise PackageError("a model with several outputs cannot be packaged; package one for each")
    return listed
