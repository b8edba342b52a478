"""Moments as the server writes them (RFC 3339, in UTC)."""

from __future__ import annotations

from datetime import datetime, timezone


def moment(text: str) -> datetime:
    """Reads a moment, with its time zone.

    Raises:
        ValueError: it is none.

    """
    # Python before 3.11 does not know the letter.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def text_of(moment: str | datetime | None) -> str | None:
    """A moment as the server reads it."""
    if isinstance(moment, datetime):
        # Without a zone it is local time, as everywhere in Python.
        return moment.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return moment
