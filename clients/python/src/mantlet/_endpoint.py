"""Where the server is, whom to trust there, and as whom to ask.

Verification is on, and there is no argument, variable or attribute that switches it off: a home's own authority is as
easily trusted (``mantlet env`` prints where it is).
"""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Union
from urllib.parse import urlsplit

from ._certificate import ClientCertificate
from ._secret import Secret
from .errors import ConfigurationError

URL = "MANTLET_URL"
"""Where the server is."""
CA = "MANTLET_CA"
"""A file with the authorities to trust, in PEM."""
API_KEY = "MANTLET_API_KEY"
"""The key to ask with."""
IDENTITY = "MANTLET_IDENTITY"
"""The directory of the person to act as."""

StrPath = Union[str, "os.PathLike[str]"]

Fetch = Callable[[], str]
"""Gives a token as it is by now."""

# What is in an identity's files; none is longer than a certificate chain.
_FILE_BYTES_MAX = 256 << 10


@dataclass(frozen=True)
class Address:
    """A server: `https://host:port`, with a path before all of its routes where a proxy adds one."""

    host: str
    port: int
    base: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads a URL.

        Raises:
            ConfigurationError: it is not ``https``, or has what has no place there.

        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigurationError(f"`{URL}` is no URL: {error}") from None
        # What stands before an @ is a credential, and credentials in a URL end up in logs.
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError("the URL names a user; a key is given by itself")
        if parts.scheme != "https" or not host:
            raise ConfigurationError("the server's URL is written as `https://host:port`")
        if parts.query or parts.fragment:
            raise ConfigurationError("the server's URL has no query and no fragment")
        return cls(host, port or 443, parts.path.rstrip("/"))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}{self.base}"


@dataclass(frozen=True)
class Endpoint:
    """All that it takes to ask."""

    address: Address
    context: ssl.SSLContext
    key: Fetch | Secret | None
    certificate: ClientCertificate | None = None

    def bearer(self) -> Secret | None:
        """What to show in the header, if anything: the key, or the token as it is by now.

        Raises:
            ConfigurationError: what was fetched is no token.

        """
        if not callable(self.key):
            return self.key
        token = Secret.of(self.key())
        if token is None:
            raise ConfigurationError("what `key` gave is no token")
        return token


def key_of(key: str | Fetch | None, other: bool) -> Fetch | Secret | None:
    """The key that was given, or that the environment has unless there is another credential; `None` if that is none.

    It raises nothing, because whoever calls it still holds the key in the clear, and exceptions keep their frames.
    """
    if callable(key):
        return key
    return Secret.of(key or (None if other else os.environ.get(API_KEY)))


def from_environment(
    url: str | None, key: Fetch | Secret | None, ca: StrPath | None, certificate: tuple[StrPath, StrPath] | None
) -> Endpoint:
    """What was given, and for the rest what ``mantlet env`` prints.

    Raises:
        ConfigurationError: there is no URL or no key, or the authority's file cannot be read.

    """
    url = url or os.environ.get(URL)
    if not url:
        raise ConfigurationError(f'where is the server? give `url`, or set `{URL}` (`eval "$(mantlet env)"` does)')
    if key is None and certificate is None:
        raise ConfigurationError(f"which key? give `key`, or set `{API_KEY}`, to one that has only characters of keys")
    context = _context(ca or os.environ.get(CA))
    shown = None
    if certificate is not None:
        chain, private = certificate
        shown = ClientCertificate(os.fspath(chain), os.fspath(private), context)
    return Endpoint(Address.parse(url), context, key, shown)


def from_directory(directory: StrPath | None, url: str | None) -> Endpoint:
    """A person's directory, as ``mantlet --as`` takes it.

    All that is presented comes from the directory alone. A key from the environment would let somebody act as another
    person than the one they named, and an authority from there would choose who gets to see the key.

    Raises:
        ConfigurationError: a file is missing, or others can read it.

    """
    named = directory or os.environ.get(IDENTITY)
    if not named:
        raise ConfigurationError(f"as whom? give `directory`, or set `{IDENTITY}`")
    where = Path(named)
    key = Secret.of(_private(where / "key"))
    if key is None:
        raise ConfigurationError(f"there is no key in `{where / 'key'}`")
    found = url or os.environ.get(URL) or _text(where / "url")
    if not found:
        raise ConfigurationError(f"`{where}` does not say where the server is; give `url`")
    ca = where / "ca.pem"
    context = _context(ca if ca.exists() else None)
    certificate, certificate_key = where / "certificate.pem", where / "certificate.key"
    # Without both, the person comes with the key alone, which opens less.
    shown = None
    if certificate.exists() and _private(certificate_key) is not None:
        shown = ClientCertificate(str(certificate), str(certificate_key), context)
    return Endpoint(Address.parse(found.strip()), context, key, shown)


def _context(ca: StrPath | None) -> ssl.SSLContext:
    """Trusts the authorities of a file and nobody else; without a file, the system's."""
    try:
        context = ssl.create_default_context(cafile=None if ca is None else os.fspath(ca))
    except OSError as error:
        raise ConfigurationError(f"cannot read the authority `{ca}`: {error}") from None
    # The server speaks nothing older.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _private(path: Path) -> str | None:
    """A file that nobody else may read, because whoever did would be this person."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"others can read `{path}`: chmod 600 {path}")
    return _text(path)


def _text(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_FILE_BYTES_MAX)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read `{path}`: {error.__class__.__name__}") from None
