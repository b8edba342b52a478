"""A secret that prints as nothing, so that no log, traceback or notebook shows it by accident."""

from __future__ import annotations

import re

# What a header carries as one word (RFC 6750, 2.1, is narrower), and no longer than the server takes a token. Anything else
# would make HTTP libraries complain, and repeat the value while they do.
_TOKEN = re.compile(r"\A[\x21-\x7e]{1,8192}\Z")


class Secret:
    """A key or a token. Only :meth:`reveal` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def of(cls, value: str | None) -> Secret | None:
        """The key that this is, if it is one."""
        return cls(value.strip()) if value and _TOKEN.match(value.strip()) else None

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key is not pickled; make the client where it is used")
