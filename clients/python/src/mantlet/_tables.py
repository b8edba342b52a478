"""Features in: one row or many, of mappings, sequences, arrays and data frames, as the JSON that the server takes.

Data frames are known by what they can do, so none of their libraries is needed, or imported, until the caller brings one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from .errors import Unfit

Scalar = Union[None, bool, int, float, str]
"""A value of a feature. `None` and NaN say that it is missing."""

TARGET = "target"
"""The column of truths that come without a name."""

Row = Union[Mapping[str, Scalar], Sequence[Scalar]]
"""One row: by name in any order, or listed in the model's order."""


@dataclass(frozen=True)
class Table:
    """Rows, with the columns' names if they have any."""

    names: tuple[str, ...] | None
    rows: list[list[Scalar]]
    single: bool = False
    library: str | None = None
    """The data frame library that the rows came in by."""
    index: Any = None
    """The rows' labels, if the library has such."""

    def features(self, start: int, end: int) -> object:
        """Some of the rows as the simple protocol has them."""
        rows: list[Any] = list(self.rows[start:end])
        if self.names is not None:
            rows = [dict(zip(self.names, row)) for row in rows]
        return rows[0] if self.single else rows


def table(features: Any) -> Table:
    """Reads whatever callers have.

    Raises:
        Unfit: it is neither a row nor a table.

    """
    library = frame_library(features)
    if library is not None:
        return _frame(features, library)
    if _is_series(features):
        names = tuple(str(name) for name in features.index)
        return Table(names, [_row(features.tolist())], single=True)
    if isinstance(features, Mapping):
        return _mapping(features)
    if hasattr(features, "__array__") and hasattr(features, "tolist"):
        return _array(features)
    if isinstance(features, (str, bytes)) or not isinstance(features, Iterable):
        raise Unfit(f"features are a row or rows, not {_kind(features)}")
    items = list(features)
    if items and all(isinstance(item, Mapping) for item in items):
        return _named_rows(items)
    if items and all(_is_listed(item) for item in items):
        return Table(None, [_row(item) for item in items])
    if not items or any(isinstance(item, Mapping) or _is_listed(item) for item in items):
        raise Unfit("rows are all mappings, or all sequences, and there is at least one")
    return Table(None, [_row(items)], single=True)


def labelled(data: Any, target: Any) -> dict[str, object]:
    """Rows with their truths, as an evaluation takes them.

    Args:
        data: rows with names.
        target: the column with the truth, or the truths themselves.

    Raises:
        Unfit: there are no names, or not as many truths as rows.

    """
    rows = table(data)
    if rows.names is None:
        raise Unfit("an evaluation takes columns with names: a data frame, or a mapping of lists")
    if isinstance(target, str):
        if target not in rows.names:
            raise Unfit(f"there is no column `{target}`")
        return {"columns": rows.names, "rows": rows.rows, "target": target}
    truths = table({TARGET: list(target)}).rows
    if len(truths) != len(rows.rows) or TARGET in rows.names:
        raise Unfit(f"there is one truth for each row, and no column `{TARGET}` beside them")
    cells = [row + truth for row, truth in zip(rows.rows, truths)]
    return {"columns": [*rows.names, TARGET], "rows": cells, "target": TARGET}


def frame_library(data: Any) -> str | None:
    """`pandas`, `polars` or `pyarrow`, if it is a data frame that does as theirs do."""
    if not hasattr(data, "columns"):
        return None
    if hasattr(data, "itertuples"):
        return "pandas"
    if hasattr(data, "iter_rows") and hasattr(data, "rows"):
        return "polars"
    return "pyarrow" if hasattr(data, "column_names") and hasattr(data, "to_pydict") else None


def _frame(frame: Any, library: str) -> Table:
    if library == "pandas":
        names = _names(frame.columns)
        columns = [_column(name, _pandas_column(frame.iloc[:, place])) for place, name in enumerate(names)]
        index = frame.index
    elif library == "polars":
        names, index = _names(frame.columns), None
        columns = [_column(name, frame.get_column(name).to_list()) for name in names]
    else:
        names, index = _names(frame.column_names), None
        columns = [_column(name, frame.column(place).to_pylist()) for place, name in enumerate(names)]
    rows = [list(row) for row in zip(*columns)]
    if not rows:
        raise Unfit("the data frame has no rows")
    return Table(names, rows, library=library, index=index)


def _names(columns: Iterable[Any]) -> tuple[str, ...]:
    names = tuple(str(name) for name in columns)
    if len(set(names)) != len(names):
        raise Unfit("two columns of the data frame have the same name")
    return names


def _pandas_column(series: Any) -> list[Any]:
    """The column's values, with `None` for whichever of its kinds of nothing pandas has used."""
    return [None if gone else value for value, gone in zip(series.tolist(), series.isna().tolist())]


def _column(name: str, values: Iterable[Any]) -> list[Scalar]:
    return [_scalar(value, name) for value in values]


def _mapping(features: Mapping[Any, Any]) -> Table:
    """One row, or a table by columns if the values are lists."""
    names = _names(features)
    values = list(features.values())
    if not values or not all(_is_listed(value) for value in values):
        return Table(names, [[_scalar(value, name) for name, value in zip(names, values)]], single=True)
    columns = [_column(name, _items(value)) for name, value in zip(names, values)]
    if len({len(column) for column in columns}) != 1 or not columns[0]:
        raise Unfit("columns are equally long, and not empty")
    return Table(names, [list(row) for row in zip(*columns)])


def _named_rows(items: list[Mapping[Any, Any]]) -> Table:
    names = _names(items[0])
    if any(row.keys() != items[0].keys() for row in items):
        # What is missing in one row has to be said: a misspelled name would otherwise be a missing value.
        raise Unfit("every row names the same features; write `None` for what is missing")
    return Table(names, [[_scalar(row[name], str(name)) for name in items[0]] for row in items])


def _array(array: Any) -> Table:
    dimensions = len(array.shape)
    if dimensions == 1:
        return Table(None, [_row(array.tolist())], single=True)
    if dimensions != 2 or array.shape[0] == 0:
        raise Unfit("an array of features has one row, or rows and columns")
    return Table(None, [_row(row) for row in array.tolist()])


def _is_listed(item: Any) -> bool:
    if isinstance(item, (str, bytes, Mapping)):
        return False
    # A number of numpy has `tolist` as well, and no length.
    return isinstance(item, Sequence) or (hasattr(item, "tolist") and hasattr(item, "__len__"))


def _items(values: Any) -> Iterable[Any]:
    return values.tolist() if hasattr(values, "tolist") else values  # type: ignore[no-any-return]


def _row(values: Any) -> list[Scalar]:
    return [_scalar(value, place) for place, value in enumerate(_items(values), 1)]


def _scalar(value: Any, name: str | int) -> Scalar:
    """One value, of a type that JSON has. Of many values nearly all are such numbers, so these come first."""
    if type(value) is float and value - value == 0.0:
        return value
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            raise Unfit(f"feature `{name}` is infinite")
        return float(value)
    if hasattr(value, "item") and hasattr(value, "dtype"):
        return _scalar(value.item(), name)
    raise Unfit(f"feature `{name}` is {_kind(value)}; features are numbers, texts and truth values")


def _is_series(features: Any) -> bool:
    return hasattr(features, "index") and hasattr(features, "iloc") and hasattr(features, "tolist")


def _kind(value: object) -> str:
    return f"`{type(value).__module__}.{type(value).__qualname__}`"
