"""Keys of applications, and one's own: made, listed, replaced, revoked. `Client.keys` has these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ._times import moment
from ._transport import document, malformed

if TYPE_CHECKING:
    from ._connection import Reply
    from ._transport import Transport

__all__ = ["KeyInfo", "Keys", "NewKey"]


@dataclass(frozen=True)
class NewKey:
    """A key that was just made. It is shown this once, and not when this object is printed.

    Attributes:
        key: the key itself.
        kid: its public id.
        owner: whose it is, as `consumer:NAME` or `user:NAME`.
        expires: not valid from here on.
        retiring_until: when the key ends that this one replaces, if it replaces one.

    """

    key: str = field(repr=False)
    kid: str
    owner: str
    expires: datetime
    retiring_until: datetime | None = None


@dataclass(frozen=True)
class KeyInfo:
    """What is known of a key; never its secret.

    Attributes:
        kid: its public id.
        owner: whose it is.
        state: `active`, `retiring` (replaced, still valid), `expired` or `revoked`.
        created: when it was made.
        expires: not valid from here on.
        days_left: whole days until it ends for whatever reason.
        ends_soon: whether it ends soon and nothing replaces it yet.
        networks: from where it may be used; none means from wherever the server is heard.
        models: that its application may ask; none for a person.
        rate_per_minute: predictions for each model; absent for a person.

    """

    kid: str
    owner: str
    state: str
    created: datetime
    expires: datetime
    days_left: int
    ends_soon: bool
    networks: tuple[str, ...]
    models: tuple[str, ...]
    rate_per_minute: int | None


class Keys:
    """Deeds about keys. Changes are asked for once: a lost answer is `Uncertain`, and :meth:`list` tells how it ended."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        consumer: str,
        models: Sequence[str] = (),
        *,
        project: str = "home",
        rate_per_minute: int | None = None,
        expires_in_days: int | None = None,
        networks: Sequence[str] = (),
        monitor: bool = False,
    ) -> NewKey:
        """Makes an application's key, and the application if there is none of this name.

        Args:
            consumer: the application.
            models: that it may ask; for one that exists the same as before, or none.
            project: where it belongs.
            rate_per_minute: predictions for each model, instead of the home's default.
            expires_in_days: 1 to 365, instead of the home's default of 90.
            networks: from where the key may be used, as `10.0.0.0/8`.
            monitor: whether it may read statistics.

        """
        wanted: dict[str, Any] = {"consumer": consumer, "project": project, "models": sorted(models)}
        optional = {"rate_per_minute": rate_per_minute, "expires_in_days": expires_in_days}
        wanted.update({name: value for name, value in optional.items() if value is not None})
        wanted.update({"networks": list(networks), "monitor": monitor})
        return _new(self._transport.change("POST", "/admin/v1/keys", wanted))

    def list(self, *, consumer: str | None = None, project: str | None = None) -> list[KeyInfo]:
        """The keys that one may know of: of all applications, of one, or of those of a project; and one's own."""
        asked = {"consumer": consumer, "project": project}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        reply = self._transport.get("/admin/v1/keys" + (f"?{query}" if query else ""))
        found = document(reply)
        try:
            return [_info(item) for item in found]
        except (KeyError, TypeError, ValueError):
            malformed(reply)

    def rotate(self, kid: str, *, overlap_hours: int | None = None, expires_in_days: int | None = None) -> NewKey:
        """Replaces a key; the old one works on for the overlap.

        Args:
            kid: the key's public id.
            overlap_hours: 0 to 168, instead of 24.
            expires_in_days: of the new key.

        """
        asked = {"overlap_hours": overlap_hours, "expires_in_days": expires_in_days}
        wanted = {name: value for name, value in asked.items() if value is not None}
        return _new(self._transport.change("POST", f"/admin/v1/keys/{quote(kid, safe='')}/rotate", wanted))

    def revoke(self, kid: str) -> None:
        """Ends a key, now and for good."""
        self._transport.change("DELETE", f"/admin/v1/keys/{quote(kid, safe='')}")


def _new(reply: Reply) -> NewKey:
    made = document(reply)
    try:
        until = made.get("retiring_until")
        return NewKey(made["key"], made["kid"], made["owner"], moment(made["expires"]), until and moment(until))
    except (KeyError, TypeError, ValueError, AttributeError):
        malformed(reply)


def _info(item: Any) -> KeyInfo:
    return KeyInfo(
        kid=item["kid"],
        owner=item["owner"],
        state=item["state"],
        created=moment(item["created"]),
        expires=moment(item["expires"]),
        days_left=int(item["days_left"]),
        ends_soon=bool(item["ends_soon"]),
        networks=tuple(item["networks"]),
        models=tuple(item["models"]),
        rate_per_minute=item.get("rate_per_minute"),
    )
