"""Asking until there is an answer, within a deadline, and only where asking again is safe.

| what happened | asked again |
|---|---|
| nothing was sent: the server refused the connection | always |
| 429 | always, after exactly the seconds that `Retry-After` says: nothing was done |
| 503, or the connection broke | questions and reads; a change is never repeated blindly |
| anything else | never |
"""

from __future__ import annotations

import json
import logging
import platform
import random
import time
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ._connection import Failure, Fault, Pool, Reply, Request
from ._version import __version__
from .errors import (
    ConnectionFailed,
    DeadlineExceeded,
    MantletError,
    ProtocolError,
    RateLimited,
    Unavailable,
    Uncertain,
    rejected,
)

if TYPE_CHECKING:
    from ._endpoint import Endpoint

logger = logging.getLogger("mantlet")

BACKOFF_S = 0.25
"""The first wait where nobody says how long; the next ones are twice as long each."""
BACKOFF_MAX_S = 8.0
"""No such wait is longer."""

_USER_AGENT = f"mantlet-python/{__version__} (Python {platform.python_version()})"


class Clock(Protocol):
    """Time, as far as waiting needs it; tests bring their own."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Waits."""


class Transport:
    """Requests and answers of one client."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout: float,
        retries: int,
        connections: int,
        clock: Clock | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self.address = endpoint.address
        self._endpoint = endpoint
        self.timeout = timeout
        self.clock: Clock = clock or time
        self._retries = retries
        self._pool = Pool(endpoint, connections)
        # Not for secrets: it keeps clients that failed together from coming back together.
        self._jitter = jitter or random.Random()  # noqa: S311

    def close(self) -> None:
        """Closes the kept connections."""
        self._pool.close()

    def send(self, request: Request, timeout: float | None = None) -> Reply:
        """The answer to a request, if it is a success.

        Args:
            request: what to ask.
            timeout: seconds for all attempts together, instead of the client's.

        Raises:
            MantletError: there is none, or the answer is no.

        """
        ends = self.clock.monotonic() + (self.timeout if timeout is None else timeout)

        def left() -> float:
            return max(0.0, ends - self.clock.monotonic())

        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", **request.headers}
        request = Request(request.method, request.path, headers, request.body, request.repeatable)
        attempt = 0
        # A change goes over a connection of its own: one that the server has just closed would leave in doubt whether
        # the change was made.
        fresh = not request.repeatable
        while True:
            outcome = self._pool.exchange(request, self._endpoint.bearer(), left, fresh)
            if isinstance(outcome, Reply) and outcome.status < 300:
                logger.debug("%s %s: %d", request.method, request.path, outcome.status)
                return outcome
            if isinstance(outcome, Failure) and outcome.fault is Fault.STALE and request.repeatable:
                fresh = True
                continue
            error = _error(outcome, request)
            wait = self._wait(outcome, error, request, attempt)
            if wait is None or attempt >= self._retries or wait >= left():
                logger.debug("%s %s: %s", request.method, request.path, error)
                raise error
            attempt += 1
            logger.debug("%s %s: %s; again in %.2f s", request.method, request.path, error, wait)
            self.clock.sleep(wait)

    def _wait(self, outcome: object, error: MantletError, request: Request, attempt: int) -> float | None:
        """Seconds until the same may be asked again; `None` if it may not."""
        if isinstance(error, RateLimited):
            return self._backoff(attempt) if error.retry_after is None else error.retry_after
        if isinstance(outcome, Failure):
            unsent = outcome.fault is Fault.UNREACHED
            broken = outcome.fault is Fault.BROKEN and request.repeatable
            return self._backoff(attempt) if unsent or broken else None
        if isinstance(error, Unavailable) and error.status == 503 and request.repeatable:
            return self._backoff(attempt) if error.retry_after is None else error.retry_after
        return None

    def _backoff(self, attempt: int) -> float:
        longest = min(BACKOFF_MAX_S, BACKOFF_S * 2.0**attempt)
        return float(longest * self._jitter.uniform(0.5, 1.0))

    def get(self, path: str, *, timeout: float | None = None) -> Reply:
        """Reads something."""
        return self.send(Request("GET", path), timeout)

    def ask(self, path: str, document: object, *, timeout: float | None = None) -> Reply:
        """Asks something that changes nothing."""
        return self.send(_with_json("POST", path, document, repeatable=True), timeout)

    def change(self, method: str, path: str, document: object = None) -> Reply:
        """Changes something, once."""
        return self.send(_with_json(method, path, document, repeatable=False))


def _with_json(method: str, path: str, document: object, *, repeatable: bool) -> Request:
    if document is None:
        return Request(method, path, repeatable=repeatable)
    # Infinity and NaN are not JSON; what is asked is made of other values by now.
    body = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    return Request(method, path, {"Content-Type": "application/json"}, body, repeatable)


def _error(outcome: object, request: Request) -> MantletError:
    if isinstance(outcome, Reply):
        return rejected(outcome.status, outcome.headers, outcome.body)
    if not isinstance(outcome, Failure):  # nothing else is returned
        return ProtocolError("no answer")
    if outcome.fault in (Fault.UNREACHED, Fault.UNTRUSTED):
        return ConnectionFailed(str(outcome))
    if outcome.fault is Fault.MALFORMED:
        return ProtocolError(str(outcome))
    if not request.repeatable:
        return Uncertain(f"{outcome}; whether it was done is not known")
    return DeadlineExceeded(str(outcome)) if outcome.fault is Fault.SLOW else ConnectionFailed(str(outcome))


def document(reply: Reply) -> Any:
    """The JSON of an answer.

    Raises:
        ProtocolError: it is none.

    """
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        malformed(reply)


def malformed(reply: Reply) -> NoReturn:
    """Says that an answer is not one that this client understands.

    Raises:
        ProtocolError: always.

    """
    request_id = reply.headers.get("x-request-id", "unknown")
    raise ProtocolError(f"the answer is not one that this client understands (request {request_id})")
