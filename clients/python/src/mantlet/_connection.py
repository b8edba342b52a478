"""One exchange over TLS, and the connections that are kept for the next one.

This is the only place where the key is written out. What fails here is therefore returned and not raised: an exception
from below would carry frames whose variables hold the header, and tools that show those would show the key.
"""

from __future__ import annotations

import functools
import http.client
import os
import select
import socket
import ssl
import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._endpoint import Endpoint
    from ._secret import Secret

REPLY_BYTES_MAX = 256 << 20
"""Longest answer; the server's own bounds keep them far below."""

EXPECT_BYTES = 64 << 10
"""A longer body is sent once the server has said that it wants it."""

EXPECT_S = 2.0
"""Or after so many seconds."""

_CHUNK_BYTES = 64 << 10

_Left = Callable[[], float]


@dataclass(frozen=True)
class Request:
    """What is asked.

    `repeatable` says whether asking twice does no more than asking once: questions and reads, but no changes.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    repeatable: bool = True


@dataclass(frozen=True)
class Reply:
    """What was answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Fault(Enum):
    """Why there is no answer."""

    UNREACHED = "the server was not reached"
    UNTRUSTED = "no trusted connection to the server"
    BROKEN = "the connection broke before the answer was whole"
    STALE = "the server had closed the connection that was kept for it"
    SLOW = "no answer in time"
    MALFORMED = "what came is no answer"


@dataclass(frozen=True)
class Failure:
    """An exchange without an answer."""

    fault: Fault
    why: str = ""

    def __str__(self) -> str:
        return f"{self.fault.value}: {self.why}" if self.why else self.fault.value


class Pool:
    """Connections to one server, for any number of threads. A connection serves one request at a time."""

    def __init__(self, endpoint: Endpoint, idle_max: int) -> None:
        self._endpoint = endpoint
        self._idle_max = idle_max
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPSConnection] = []
        self._owner = os.getpid()
        self._closed = False

    def exchange(self, request: Request, bearer: Secret | None, left: _Left, fresh: bool) -> Reply | Failure:
        """Sends a request and reads its answer.

        Args:
            request: what to ask.
            bearer: the key or token to ask with.
            left: gives the seconds that are left, from 0.
            fresh: open a connection, even if one is kept.

        """
        kept = None if fresh else self._take()
        if kept is not None:
            outcome = self._over(kept, request, bearer, left)
            # Closed in the very moment between the look at it and the request: that says nothing about the server.
            if isinstance(outcome, Failure) and outcome.fault is Fault.BROKEN:
                return Failure(Fault.STALE, outcome.why)
            return outcome
        opened = self._open(left)
        return opened if isinstance(opened, Failure) else self._over(opened, request, bearer, left)

    def close(self) -> None:
        """Closes what is kept. Requests that are under way end as they would have."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        _close(idle)

    def _take(self) -> http.client.HTTPSConnection | None:
        """A kept connection that is still open."""
        while True:
            with self._lock:
                if self._owner != os.getpid():
                    # Forked: the parent goes on using these, and two cannot speak over one connection.
                    self._owner, self._idle = os.getpid(), []
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not _is_readable(connection):
                return connection
            # Nothing was asked, so all that can have come is the end.
            connection.close()

    def _keep(self, connection: http.client.HTTPSConnection) -> None:
        with self._lock:
            if not self._closed and self._owner == os.getpid() and len(self._idle) < self._idle_max:
                self._idle.append(connection)
                return
        connection.close()

    def _open(self, left: _Left) -> http.client.HTTPSConnection | Failure:
        address = self._endpoint.address
        if self._endpoint.certificate is not None:
            self._endpoint.certificate.refresh()
        connection = http.client.HTTPSConnection(
            address.host, address.port, timeout=max(left(), 0.001), context=self._endpoint.context
        )
        # A debug level that somebody set for all connections would print the key.
        connection.debuglevel = 0
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            return Failure(Fault.UNTRUSTED, error.verify_message or str(error))
        except OSError as error:
            if _is_alert(error):
                return Failure(Fault.UNTRUSTED, getattr(error, "reason", None) or str(error))
            return Failure(Fault.UNREACHED, str(error))
        return connection

    def _over(
        self, connection: http.client.HTTPSConnection, request: Request, bearer: Secret | None, left: _Left
    ) -> Reply | Failure:
        """One exchange; the connection is kept if it can be."""
        whole = False
        try:
            outcome, whole = self._speak(connection, request, bearer, left)
        finally:
            if whole:
                self._keep(connection)
            else:
                connection.close()
        return outcome

    def _speak(
        self, connection: http.client.HTTPSConnection, request: Request, bearer: Secret | None, left: _Left
    ) -> tuple[Reply | Failure, bool]:
        """The answer, and whether the connection is good for another one."""
        wire = connection.sock
        payload = _Payload(connection, request.body, left)
        try:
            wire.settimeout(max(left(), 0.001))
            connection.putrequest(request.method, self._endpoint.address.base + request.path, skip_accept_encoding=True)
            if bearer is not None:
                connection.putheader("Authorization", "Bearer " + bearer.reveal())
            for name, value in request.headers.items():
                connection.putheader(name, value)
            if request.body or request.method in ("POST", "PUT"):
                connection.putheader("Content-Length", str(len(request.body)))
            if payload.is_large:
                connection.putheader("Expect", "100-continue")
            connection.endheaders(None if payload.is_large else request.body or None)
            with payload.answered() as response:
                body = _read(response, wire, left)
        except (OSError, http.client.HTTPException) as error:
            return _failure(error), False
        if body is None:
            return Failure(Fault.BROKEN), False
        if len(body) > REPLY_BYTES_MAX:
            return Failure(Fault.MALFORMED, f"it is longer than {REPLY_BYTES_MAX} bytes"), False
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, body), payload.is_sent and not response.will_close


class _Payload:
    """A request's body on its way.

    A server that refuses a body answers before it has read all of it, and hangs up; whoever is still sending then gets to hear
    of a broken connection, and never of the answer. So a large body waits until the server asks for it (RFC 9110, 10.1.1).
    """

    def __init__(self, connection: http.client.HTTPSConnection, body: bytes, left: _Left) -> None:
        self._connection, self._body, self._left = connection, body, left
        self.is_large = len(body) > EXPECT_BYTES
        self.is_sent = not self.is_large

    def send(self) -> None:
        """Sends the body, unless it is on its way."""
        if not self.is_sent:
            self.is_sent = True
            self._connection.sock.settimeout(max(self._left(), 0.001))
            self._connection.send(self._body)

    def answered(self) -> http.client.HTTPResponse:
        """The head of the final answer."""
        self._connection.response_class = functools.partial(_Response, self.send)  # type: ignore[assignment]
        wait = self._left() if self.is_sent else min(self._left(), EXPECT_S)
        self._connection.sock.settimeout(max(wait, 0.001))
        try:
            return self._connection.getresponse()
        except socket.timeout:
            if self.is_sent:
                raise
            # Something between here and there does not know how to ask.
            self.send()
            return self._connection.getresponse()


class _Response(http.client.HTTPResponse):
    """A response that tells when the server asks for the body."""

    def __init__(self, on_continue: Callable[[], None], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_continue = on_continue

    def _read_status(self) -> tuple[str, int, str]:
        found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        if found[1] == http.client.CONTINUE:
            self._on_continue()
        return found


def _read(response: http.client.HTTPResponse, wire: ssl.SSLSocket, left: _Left) -> bytes | None:
    """The whole body and at most a byte more than the bound; `None` if it ends before its length."""
    length = response.length
    chunks: list[bytes] = []
    read = 0
    while read <= REPLY_BYTES_MAX:
        wire.settimeout(max(left(), 0.001))
        chunk = response.read(_CHUNK_BYTES)
        if not chunk:
            break
        chunks.append(chunk)
        read += len(chunk)
    if length is not None and read < min(length, REPLY_BYTES_MAX):
        return None
    return b"".join(chunks)


def _failure(error: Exception) -> Failure:
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return Failure(Fault.SLOW)
    # In TLS 1.3 a server turns a client's certificate down only after the client has begun to speak.
    if _is_alert(error):
        return Failure(Fault.UNTRUSTED, getattr(error, "reason", None) or "TLS")
    # `RemoteDisconnected` is both, and means an end without an answer.
    if isinstance(error, http.client.HTTPException) and not isinstance(
        error, (ConnectionError, http.client.IncompleteRead)
    ):
        return Failure(Fault.MALFORMED, error.__class__.__name__)
    return Failure(Fault.BROKEN, error.strerror if isinstance(error, OSError) and error.strerror else "")


def _is_alert(error: Exception) -> bool:
    """Whether the two did not come to terms over TLS, other than by an end of the connection."""
    ended = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    return isinstance(error, ssl.SSLError) and not isinstance(error, ended)


def _is_readable(connection: http.client.HTTPSConnection) -> bool:
    """Whether something has come that nobody asked for."""
    wire = connection.sock
    if wire is None or wire.fileno() < 0:
        return True
    if hasattr(select, "poll"):  # which, other than `select`, takes any number of open files
        poll = select.poll()
        poll.register(wire, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([wire], [], [], 0)[0])


def _close(connections: Iterable[http.client.HTTPSConnection]) -> None:
    for connection in connections:
        connection.close()
