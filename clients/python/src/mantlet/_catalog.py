"""What models there are, and what they take and give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ._connection import Reply
from ._transport import document, malformed


@dataclass(frozen=True)
class ModelInfo:
    """A model that the caller may ask.

    Attributes:
        name: its name.
        version: the live version.
        ready: whether it answers.

    """

    name: str
    version: int | None
    ready: bool


@dataclass(frozen=True)
class Port:
    """An input or an output of a model.

    Attributes:
        name: its name.
        datatype: the protocol's name of its elements' type, such as `FP32`.
        shape: its extents, -1 where any will do; the first is the number of rows.

    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Metadata:
    """What a model takes and gives.

    Attributes:
        name: its name.
        versions: the version that this is about.
        inputs: what it takes.
        outputs: what it gives.

    """

    name: str
    versions: tuple[int, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def datatype(self, name: str) -> str | None:
        """The datatype of an input, if there is one of this name."""
        return next((port.datatype for port in self.inputs if port.name == name), None)


def quoted(name: str) -> str:
    """A name as one segment of a path, whatever is in it."""
    return quote(name, safe="")


def path_of(model: str, version: int | None) -> str:
    """The part of a route that says which model is asked, and which version of it if not the live one."""
    versions = "" if version is None else f"/versions/{int(version)}"
    return f"models/{quoted(model)}{versions}"


def models(reply: Reply) -> list[ModelInfo]:
    """Reads the repository's index."""
    try:
        return [
            ModelInfo(item["name"], int(item["version"]) if "version" in item else None, item["state"] == "READY")
            for item in document(reply)
        ]
    except (KeyError, TypeError, ValueError):
        malformed(reply)


def metadata(reply: Reply) -> Metadata:
    """Reads a model's metadata."""
    found = document(reply)
    try:
        versions = tuple(int(version) for version in found["versions"])
        return Metadata(found["name"], versions, _ports(found["inputs"]), _ports(found["outputs"]))
    except (KeyError, TypeError, ValueError):
        malformed(reply)


def _ports(listed: Any) -> tuple[Port, ...]:
    return tuple(
        Port(port["name"], port["datatype"], tuple(int(extent) for extent in port["shape"])) for port in listed
    )
