"""Data frames out, of the library that the rows came in by, or of one that is installed."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import MissingDependency

Columns = dict[str, list[Any]]


def frame(columns: Columns, library: str | None = None, index: Any = None) -> Any:
    """A data frame of equally long columns.

    Args:
        columns: by name, in order.
        library: `pandas`, `polars` or `pyarrow`; otherwise the first of these that is installed.
        index: the rows' labels, for pandas.

    Raises:
        MissingDependency: there is no such library.

    """
    candidates = (library,) if library else ("pandas", "polars", "pyarrow")
    for name in candidates:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if name == "pandas":
            return module.DataFrame(columns, index=index)
        return module.DataFrame(columns, strict=False) if name == "polars" else module.table(columns)
    raise MissingDependency("data frames need `pandas`, `polars` or `pyarrow`: pip install 'mantlet[frames]'")
