"""Moments as the server writes them (RFC 3339, in UTC)."""

from __future__ import annotations

from datetime import datetime


def moment(text: str) -> datetime:
    """Reads a moment, with its time zone.

    Raises:
        ValueError: it is none.

    """
    # Python before 3.11 does not know the letter.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
