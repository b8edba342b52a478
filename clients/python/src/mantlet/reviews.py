"""Answers that wait for a person, as their reviewers and their callers see them. `Client.reviews` has the reviewers' part."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote, urlencode

from ._times import moment, text_of
from ._transport import document, malformed

if TYPE_CHECKING:
    from ._connection import Reply
    from ._transport import Transport

__all__ = ["HeldAnswer", "HeldRow", "Labelled", "Review", "Reviews"]

Labelled = dict[str, list[Optional[str]]]
"""Columns of rows, with what was decided as the last one."""

_OPEN = ("pending", "assigned")


@dataclass(frozen=True)
class HeldRow:
    """How a held row of one's own request stands.

    Attributes:
        row: its place in the request, from 0.
        status: `pending`, `decided`, `expired` or `erased`.
        result: what a person decided.

    """

    row: int
    status: str
    result: str | float | None = None


@dataclass(frozen=True)
class HeldAnswer:
    """How the held rows of one's own request stand.

    Attributes:
        request_id: the request.
        rows: those of its rows that were held.

    """

    request_id: str
    rows: tuple[HeldRow, ...]

    @property
    def settled(self) -> bool:
        """Whether nobody is going to decide anything about it any more."""
        return all(row.status not in _OPEN for row in self.rows)


@dataclass(frozen=True)
class Review:
    """A held row, as a reviewer sees it.

    Attributes:
        item: its name.
        project: the model's project.
        model: the model that was asked.
        version: the version that answered.
        request_id: the request.
        row: its place in the request, from 0.
        requester: who asked.
        held: when it was held.
        ends: from here on it is forgotten.
        status: `pending`, `assigned`, `decided`, `expired` or `erased`.
        assigned_to: who has taken it on.
        decided_by: who has decided.
        decided: when.
        document: all of it, as the server wrote it. After :meth:`Reviews.show` that includes what was asked; it is not printed.

    """

    item: str
    project: str
    model: str
    version: int
    request_id: str
    row: int
    requester: str
    held: datetime
    ends: datetime
    status: str
    assigned_to: str | None
    decided_by: str | None
    decided: datetime | None
    document: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def features(self) -> Mapping[str, Any] | None:
        """What was asked, by feature; only after :meth:`Reviews.show`, and as long as it is kept."""
        return self.document.get("features")

    @property
    def labels(self) -> tuple[str, ...] | None:
        """What can be decided, where that is one of several classes; only after :meth:`Reviews.show`."""
        labels = self.document.get("labels")
        return None if labels is None else tuple(labels)

    @property
    def result(self) -> str | float | None:
        """What was decided; only after :meth:`Reviews.show`."""
        return self.document.get("result")

    @property
    def guess(self) -> str | float | None:
        """What the model would have answered; only after :meth:`Reviews.show`."""
        return self.document.get("guess")

    @property
    def confidence(self) -> float | None:
        """How sure the model was; only after :meth:`Reviews.show`."""
        return self.document.get("confidence")


class Reviews:
    """A reviewer's work. Changes are asked for once: a lost answer is `Uncertain`, and :meth:`show` tells how it ended."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, model: str | None = None, status: str | None = None) -> list[Review]:
        """The rows that are held in the projects whose reviewer one is, without what was asked; the oldest 1,000.

        Args:
            model: of this model only.
            status: of this status only, instead of what is to be decided.

        """
        asked = {"model": model, "status": status}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        reply = self._transport.get("/admin/v1/reviews" + (f"?{query}" if query else ""))
        found = document(reply)
        try:
            return [_review(item) for item in found["reviews"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            malformed(reply)

    def show(self, item: str) -> Review:
        """A held row with what was asked and what the model would have answered. Looking is recorded."""
        return _one(self._transport.get(_path(item)))

    def assign(self, item: str, *, to: str | None = None, take_over: bool = False) -> Review:
        """Takes a held row on, so that nobody else does the same work.

        Args:
            item: its name.
            to: another reviewer who takes it on.
            take_over: even if somebody else has it.

        """
        asked: dict[str, Any] = {"take_over": True} if take_over else {}
        if to is not None:
            asked["to"] = to
        return _one(self._transport.change("POST", _path(item, "/assign"), asked))

    def decide(self, item: str, result: str | float, reason: str) -> Review:
        """Decides a held row. Nobody decides their own request.

        Args:
            item: its name.
            result: one of the model's classes, or a number.
            reason: why, for the record; at most 1,000 characters.

        """
        return _one(self._transport.change("POST", _path(item, "/decide"), {"result": result, "reason": reason}))

    def uphold(self, item: str, reason: str | None = None) -> Review:
        """Decides a held row as the model would have.

        Args:
            item: its name.
            reason: why, for the record.

        """
        asked: dict[str, Any] = {"uphold": True}
        if reason is not None:
            asked["reason"] = reason
        return _one(self._transport.change("POST", _path(item, "/decide"), asked))

    def erase(self, item: str) -> Review:
        """Has what was asked forgotten, for good."""
        return _one(self._transport.change("DELETE", _path(item)))

    def export(
        self,
        model: str,
        *,
        target: str = "target",
        since: str | datetime | None = None,
        until: str | datetime | None = None,
    ) -> Labelled:
        """The decided rows of a model as columns, with what was decided: what :meth:`Client.evaluate` and data frames take.

        Args:
            model: the model.
            target: what to call the column of decisions.
            since: decided not before this.
            until: decided before this.

        """
        asked = {"model": model, "target": target, "since": text_of(since), "until": text_of(until)}
        wanted = {name: value for name, value in asked.items() if value is not None}
        # It changes nothing, but reveals what was asked, and every export is a record of its own.
        reply = self._transport.change("POST", "/admin/v1/reviews/export", wanted)
        try:
            header, *rows = list(csv.reader(io.StringIO(reply.body.decode(), newline="")))
            return {name: [row[place] or None for row in rows] for place, name in enumerate(header)}
        except (ValueError, IndexError, csv.Error):
            malformed(reply)


def held_answer(reply: Reply) -> HeldAnswer:
    """Reads how the held rows of a request stand."""
    found = document(reply)
    try:
        rows = tuple(HeldRow(int(row["row"]), row["status"], row.get("result")) for row in found["rows"])
        return HeldAnswer(found["request_id"], rows)
    except (KeyError, TypeError, ValueError, AttributeError):
        malformed(reply)


def _path(item: str, rest: str = "") -> str:
    return f"/admin/v1/reviews/{quote(item, safe='')}{rest}"


def _one(reply: Reply) -> Review:
    found = document(reply)
    try:
        return _review(found)
    except (KeyError, TypeError, ValueError, AttributeError):
        malformed(reply)


def _review(item: Mapping[str, Any]) -> Review:
    decided = item.get("decided")
    return Review(
        item=item["item"],
        project=item["project"],
        model=item["model"],
        version=int(item["version"]),
        request_id=item["request_id"],
        row=int(item["row"]),
        requester=item["requester"],
        held=moment(item["held"]),
        ends=moment(item["ends"]),
        status=item["status"],
        assigned_to=item.get("assigned_to"),
        decided_by=item.get("decided_by"),
        decided=None if decided is None else moment(decided),
        document=item,
    )
