"""What can go wrong, as one tree of exceptions under :class:`MantletError`.

Every answer of the server that is no success becomes a :class:`Rejected`, of the class that says what to do about it. An
exception carries the request's id, under which the operator finds the cause; it never carries the key, nor what was asked.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AuthenticationError",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Disagreement",
    "Forbidden",
    "Invalid",
    "MantletError",
    "MissingDependency",
    "NotFound",
    "PackageError",
    "ProtocolError",
    "RateLimited",
    "Rejected",
    "TooLarge",
    "Unavailable",
    "Uncertain",
    "Unfit",
]


class MantletError(Exception):
    """Anything that goes wrong here."""


class ConfigurationError(MantletError):
    """The client does not know where the server is, whom to trust, or as whom to ask."""


class MissingDependency(MantletError, ImportError):
    """What was asked for needs a package that is not installed; the message says which."""


class ConnectionFailed(MantletError):
    """The server was not reached, or showed no certificate that is trusted. Nothing was asked."""


class Uncertain(MantletError):
    """The connection broke after a change was asked for: whether it was made is not known. Look before asking again."""


class DeadlineExceeded(MantletError, TimeoutError):
    """No answer within the time that the call was given."""


class ProtocolError(MantletError):
    """The answer is not one that this client understands."""


class Unfit(MantletError, TypeError):
    """What was given is no row, no table, or has a value that no feature has. Nothing was asked."""


class PackageError(MantletError):
    """A model cannot be packaged."""


class Disagreement(PackageError):
    """The exported model does not answer as the Python one does, so there is no package.

    Attributes:
        rows: how many of the rows that were tried differ.
        largest: the largest difference between two numbers.

    """

    def __init__(self, message: str, rows: int, largest: float) -> None:
        super().__init__(message)
        self.rows = rows
        self.largest = largest


class Rejected(MantletError):
    """The server answered, and the answer is no.

    Attributes:
        status: the HTTP status.
        code: the server's name for the reason, such as ``invalid_input``.
        title: the reason in a few words.
        detail: more about it, if there is more.
        field: the feature or member that is wrong, if it is one.
        request_id: what the operator finds the request by, in the audit log and in the server's own.

    """

    def __init__(
        self,
        status: int,
        title: str,
        *,
        code: str | None = None,
        detail: str | None = None,
        field: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.field = field
        self.request_id = request_id
        self.retry_after = retry_after
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        sentence = self.detail or self.title
        if self.field is not None:
            sentence += f": `{self.field}`"
        if self.request_id is not None:
            sentence += f" (request {self.request_id})"
        return sentence


class Invalid(Rejected):
    """The question is not one that the model takes; :attr:`~Rejected.field` names the feature."""


class AuthenticationError(Rejected):
    """No key, or a wrong, expired or revoked one, or one for another network; which of these is not said."""


class Forbidden(Rejected):
    """Whoever asks may not do this."""


class NotFound(Rejected):
    """No such thing, or none that whoever asks may know of."""


class Conflict(Rejected):
    """It does not fit how things are; :attr:`~Rejected.detail` says why."""


class TooLarge(Rejected):
    """More than one request may carry, or more rows than a whole minute of the caller's limit allows."""


class RateLimited(Rejected):
    """The caller's limit is used up; :attr:`retry_after` seconds from now the same request fits.

    Attributes:
        retry_after: seconds to wait.

    """


class Unavailable(Rejected):
    """The server cannot answer now. The operator finds the cause under the request's id."""


_BY_STATUS: Mapping[int, type[Rejected]] = {
    400: Invalid,
    401: AuthenticationError,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    408: Unavailable,
    409: Conflict,
    413: TooLarge,
    415: Invalid,
    429: RateLimited,
    431: TooLarge,
}

# The Open Inference Protocol has room for one sentence, which ends with the field.
_FIELD = re.compile(r"\A(?P<sentence>[^`]+): `(?P<field>[^`]+)`\Z")

# Delta-seconds (RFC 9110, 10.2.3); the form with a date is not one that the server writes.
_SECONDS = re.compile(r"\A[0-9]{1,9}\Z")


def rejected(status: int, headers: Mapping[str, str], body: bytes) -> Rejected:
    """The exception for an answer: problem details (RFC 9457) or the Open Inference Protocol's error.

    Header names are in lower case.
    """
    document = _document(body)
    title = _text(document, "title") or f"HTTP status {status}"
    field = _text(document, "field")
    sentence = _text(document, "error")
    if sentence is not None:
        found = _FIELD.match(sentence)
        title, field = (found["sentence"], found["field"]) if found else (sentence, None)
    wait = headers.get("retry-after", "")
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else Rejected)
    return kind(
        status,
        title,
        code=_text(document, "code"),
        detail=_text(document, "detail"),
        field=field,
        request_id=_text(document, "request_id") or headers.get("x-request-id"),
        retry_after=float(wait) if _SECONDS.match(wait) else None,
    )


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(document: Mapping[str, Any], member: str) -> str | None:
    value = document.get(member)
    return value if isinstance(value, str) else None
