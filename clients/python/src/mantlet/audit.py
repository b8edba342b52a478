"""The audit log, as far as one may read it. `Client.audit` has these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ._times import text_of
from ._transport import document, malformed

if TYPE_CHECKING:
    from ._transport import Transport

__all__ = ["Audit", "Proof"]


@dataclass(frozen=True)
class Proof:
    """That an entry is in the log.

    Attributes:
        entry: the entry. It says who, what and when, and holds nothing of what was asked or answered.
        proof: the offline proof (c2sp.org/tlog-proof), as ``mantlet audit verify`` and others' verifiers take it.
        vkey: the key that its checkpoint is verified with.

    """

    entry: Mapping[str, Any]
    proof: str
    vkey: str


class Audit:
    """Reading the log."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def search(
        self,
        *,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        principal: str | None = None,
        model: str | None = None,
        event: str | None = None,
        request_id: str | None = None,
        decision: str | None = None,
        project: str | None = None,
        count: int | None = None,
    ) -> list[Mapping[str, Any]]:
        """The latest entries that match, oldest first.

        Args:
            since: not before this.
            until: before this.
            principal: whose, as `consumer:NAME` or `user:NAME`.
            model: about this model.
            event: of this kind, such as `inference`.
            request_id: of this request.
            decision: `allow` or `deny`.
            project: this project's part of the log.
            count: at most so many; 100 unless said otherwise.

        """
        asked = {
            "since": text_of(since),
            "until": text_of(until),
            "principal": principal,
            "model": model,
            "event": event,
            "request_id": request_id,
            "decision": decision,
            "project": project,
            "count": count,
        }
        question = {name: value for name, value in asked.items() if value is not None}
        reply = self._transport.ask("/audit/v1/search", question)
        try:
            return list(document(reply)["entries"])
        except (KeyError, TypeError):
            malformed(reply)

    def prove(self, receipt: str) -> Proof:
        """The proof that a receipt's entry is in the log. A prediction's `receipt` is one."""
        reply = self._transport.ask("/audit/v1/prove", {"receipt": receipt})
        found = document(reply)
        try:
            return Proof(found["entry"], found["proof"], found["vkey"])
        except (KeyError, TypeError):
            malformed(reply)
