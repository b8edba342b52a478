"""Evaluations: how good a model's answers are to rows of which the truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._frames import Columns, frame


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % confidence interval.

    Attributes:
        value: the figure.
        low: the interval's lower end, if there is an interval.
        high: its upper end.
        method: how the interval was found: `wilson`, `delong`, `structural_components` or `bootstrap`.

    """

    value: float
    low: float | None = None
    high: float | None = None
    method: str | None = None


@dataclass(frozen=True, repr=False)
class Report:
    """What an evaluation found.

    Attributes:
        model: the model.
        version: the version that was evaluated.
        digest: SHA-256 of its signed package.
        candidate: whether that version is not live.
        target: the column with the truth.
        given: rows that were given.
        refused: rows that the model's contract refuses, and that are in no figure.
        evaluated: rows that were evaluated.
        metrics: figures by name; those of `served` have it before their names, as in `served.accuracy`.
        slices: the same by column, and within it by group.
        document: all of it, as the server wrote it, with confusion matrix, curves and classes.
        request_id: what the audit log calls the request.
        receipt: what proves the request's entry in the log.

    """

    model: str
    version: int
    digest: str
    candidate: bool
    target: str
    given: int
    refused: int
    evaluated: int
    metrics: Mapping[str, Figure]
    slices: Mapping[str, Mapping[str, Mapping[str, Figure]]]
    document: Mapping[str, Any]
    request_id: str | None
    receipt: str | None = field(default=None)

    def __getitem__(self, metric: str) -> Figure:
        """The figure of this name."""
        return self.metrics[metric]

    def to_frame(self, library: str | None = None) -> Any:
        """A data frame: `metric`, `value`, `low`, `high`, and before them `slice` and `group` if there are slices.

        Rows about all of the data have `None` in the place of a slice.
        """
        rows = [(None, None, name, figure) for name, figure in self.metrics.items()]
        rows += [
            (column, group, name, figure)  # type: ignore[misc]
            for column, groups in self.slices.items()
            for group, metrics in groups.items()
            for name, figure in metrics.items()
        ]
        columns: Columns = {
            "metric": [name for _, _, name, _ in rows],
            "value": [figure.value for _, _, _, figure in rows],
            "low": [figure.low for _, _, _, figure in rows],
            "high": [figure.high for _, _, _, figure in rows],
        }
        if self.slices:
            by = {"slice": [column for column, _, _, _ in rows], "group": [group for _, group, _, _ in rows]}
            columns = {**by, **columns}
        return frame(columns, library)

    def __repr__(self) -> str:
        refused = f", {self.refused} refused" if self.refused else ""
        width = max((len(name) for name in self.metrics), default=0)
        lines = [f"{self.model} version {self.version}: {self.evaluated} rows evaluated{refused}"]
        for name, figure in self.metrics.items():
            interval = "" if figure.low is None else f"  {figure.low:.4g} to {figure.high:.4g}"
            lines.append(f"{name:<{width}}  {figure.value:<8.4g}{interval}".rstrip())
        return "\n".join(lines)


def report(document: Mapping[str, Any], request_id: str | None, receipt: str | None) -> Report:
    """Reads the server's document."""
    rows = document["rows"]
    return Report(
        model=document["model"],
        version=int(document["version"]),
        digest=document["digest"],
        candidate=bool(document.get("candidate", False)),
        target=document["target"],
        given=int(rows["given"]),
        refused=int(rows["refused"]),
        evaluated=int(rows["evaluated"]),
        metrics=dict(_figures(document)),
        slices={
            sliced["column"]: {str(group["group"]): dict(_figures(group)) for group in sliced["groups"]}
            for sliced in document["slices"]
        },
        document=document,
        request_id=request_id,
        receipt=receipt,
    )


def _figures(part: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Every figure of a report or of a group of its rows."""
    for kind in ("classification", "regression"):
        for name, value in part.get(kind, {}).items():
            yield from _figure(name, value)
    for name, value in part.items():
        if name not in ("classification", "regression"):
            yield from _figure(name, value)


def _figure(name: str, value: Any) -> Iterator[tuple[str, Figure]]:
    if not isinstance(value, dict):
        return
    if "value" in value:
        interval = value.get("interval") or {}
        yield name, Figure(float(value["value"]), interval.get("low"), interval.get("high"), interval.get("method"))
    elif name in ("served", "interval"):
        for inner, figure in value.items():
            yield from _figure(f"{name}.{inner}", figure)
