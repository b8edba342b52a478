"""The certificate that a client shows: a person's second factor, or a workload's only one.

Workloads get new ones every hour, into the same files; so the files are looked at before a connection is opened.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from .errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

logger = logging.getLogger("mantlet")


class ClientCertificate:
    """Two files in PEM, a chain and its private key, and the context that shows them."""

    def __init__(self, chain: str, key: str, context: ssl.SSLContext) -> None:
        self._chain, self._key, self._context = chain, key, context
        self._lock = threading.Lock()
        self._loaded = self._state()
        try:
            context.load_cert_chain(chain, key)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"`{chain}` and `{key}` cannot be used: {error}") from None

    def refresh(self) -> None:
        """Takes the files as they are by now, if they have changed."""
        with self._lock:
            state = self._state()
            if state == self._loaded:
                return
            try:
                self._context.load_cert_chain(self._chain, self._key)
                self._loaded = state
            except (OSError, ValueError) as error:
                # One file has been replaced and the other has not, yet: the old certificate is good for a while.
                logger.debug("`%s` is not used yet: %s", self._chain, error)

    def _state(self) -> tuple[tuple[int, int], ...] | None:
        try:
            found = [os.stat(path) for path in (self._chain, self._key)]
        except OSError:
            return None
        return tuple((one.st_mtime_ns, one.st_ino) for one in found)
