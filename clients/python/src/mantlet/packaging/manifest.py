"""``mantlet-model.toml``: what a package's author says about the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import PackageError

# As the server has it.
_NAME = re.compile(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")
_BARE = re.compile(r"\A[A-Za-z0-9_-]+\Z")


def check_name(name: str) -> None:
    """Checks a model's name.

    Raises:
        PackageError: no model can be called so.

    """
    if not _NAME.match(name):
        raise PackageError(
            "a model's name has small letters, digits, `.`, `_` and `-`, and begins with one of the first"
        )


def labels(classes: list[Any] | None, named: Sequence[str] | None) -> list[str] | None:
    """Texts of the classes, unless the model's own values are texts.

    Raises:
        PackageError: there are not as many as classes, or others than the model's own.

    """
    if classes is None:
        if named is not None:
            raise PackageError("a regression has no `labels`")
        return None
    texts = None if named is None else [str(label) for label in named]
    if texts is not None and (len(texts) != len(classes) or len(set(texts)) != len(texts)):
        raise PackageError(f"`labels` names each of the {len(classes)} classes once, in the order of `classes_`")
    if all(isinstance(label, str) for label in classes):
        if texts is not None and texts != classes:
            raise PackageError("the model's own classes are texts; leave `labels` out")
        return None
    return texts


def toml(settings: Mapping[str, Any]) -> str:
    """A TOML document; members that are `None` are left out.

    Raises:
        PackageError: a value is of a kind that no setting has.

    """
    plain = {key: value for key, value in settings.items() if value is not None and not isinstance(value, Mapping)}
    tables = {key: value for key, value in settings.items() if isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, members in tables.items():
        lines += _table(_key(key), members)
    return "\n".join(lines) + "\n"


def _table(name: str, members: Mapping[str, Any]) -> list[str]:
    inner = {key: value for key, value in members.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in members.items() if key not in inner and value is not None}
    lines = ["", f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in plain.items())] if plain else []
    for key, value in inner.items():
        lines += _table(f"{name}.{_key(key)}", value)
    return lines


def _key(key: str) -> str:
    return key if _BARE.match(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise PackageError(f"a setting cannot be of `{type(value).__name__}`")


def _text(text: str) -> str:
    """A basic string (TOML 1.0): control characters, quotes and backslashes are escaped."""

    def escaped(character: str) -> str:
        if character in '"\\':
            return "\\" + character
        code = ord(character)
        return f"\\u{code:04X}" if code < 0x20 or code == 0x7F else character

    return '"' + "".join(map(escaped, text)) + '"'
