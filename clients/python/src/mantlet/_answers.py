"""Predictions: what a model answered, how sure it was, and what became of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union, overload

from ._connection import Reply
from ._frames import Columns, frame
from ._transport import document, malformed

Result = Union[str, float, Mapping[str, Any]]
"""A class, a number, or all outputs by name where the package does not say what they mean."""


@dataclass(frozen=True)
class Prediction:
    """The answer to one row.

    Attributes:
        result: the class or the number; in a withheld answer the package's fallback, which is never the guess.
        confidence: 0 to 1, or `None` where the model's author said that there is none.
        outcome: `served`, or why not: `fallback` (not sure enough) or `review` (a person decides; see `Client.held`).
        action: what the package says is to be done with a withheld answer, such as `manual_review`.
        interval: of a regression, the numbers between which the truth is with this confidence.
        candidate: whether the version that answered is not live.
        row: the row's place in its request, from 0.
        request_id: what the audit log calls the request.
        receipt: what proves the request's entry in the log; see `Client.audit`.

    """

    result: Result
    confidence: float | None
    outcome: str
    request_id: str
    action: str | None = None
    interval: tuple[float, float] | None = None
    candidate: bool = False
    row: int = 0
    receipt: str | None = None

    @property
    def served(self) -> bool:
        """Whether this is the model's answer, and not something in its place."""
        return self.outcome == "served"

    @property
    def held(self) -> bool:
        """Whether a person is going to decide."""
        return self.outcome == "review"


@dataclass(frozen=True)
class Predictions(Sequence[Prediction]):
    """The answers to many rows, in the rows' order."""

    rows: tuple[Prediction, ...]
    library: str | None = field(default=None, repr=False)
    index: Any = field(default=None, repr=False, compare=False)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Prediction]: ...

    def __getitem__(self, place: int | slice) -> Prediction | Sequence[Prediction]:
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.rows)

    @property
    def request_ids(self) -> tuple[str, ...]:
        """The requests that it took, in order."""
        return tuple(dict.fromkeys(row.request_id for row in self.rows))

    def to_frame(self, library: str | None = None) -> Any:
        """A data frame with a row for each answer, of the library that the features came in by.

        Its columns are `result`, `confidence`, `outcome`, `action`, `interval_low`, `interval_high` and `request_id`; those
        that would be empty are left out. Where the features had an index, the answers have the same.
        """
        columns: Columns = {
            "result": [row.result for row in self.rows],
            "confidence": [row.confidence for row in self.rows],
            "outcome": [row.outcome for row in self.rows],
            "action": [row.action for row in self.rows],
            "interval_low": [row.interval and row.interval[0] for row in self.rows],
            "interval_high": [row.interval and row.interval[1] for row in self.rows],
            "request_id": [row.request_id for row in self.rows],
        }
        always = ("result", "confidence", "outcome", "request_id")
        kept = {name: cells for name, cells in columns.items() if name in always or any(c is not None for c in cells)}
        library = library or self.library
        return frame(kept, library, self.index if library in (None, "pandas") else None)


def predictions(reply: Reply, single: bool) -> list[Prediction]:
    """Reads an answer of the simple protocol.

    Raises:
        ProtocolError: it is none.

    """
    answer = document(reply)
    try:
        rows = [answer] if single else answer["results"]
        return [_prediction(row, place, answer, reply) for place, row in enumerate(rows)]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        malformed(reply)


def _prediction(row: Mapping[str, Any], place: int, answer: Mapping[str, Any], reply: Reply) -> Prediction:
    action, interval = row.get("action"), row.get("interval")
    return Prediction(
        result=row["result"],
        confidence=row["confidence"],
        outcome=row.get("outcome") or ("served" if action is None else "fallback"),
        request_id=answer["request_id"],
        action=action,
        interval=None if interval is None else (float(interval[0]), float(interval[1])),
        candidate=bool(answer.get("candidate", False)),
        row=place,
        receipt=reply.headers.get("mantlet-receipt"),
    )
