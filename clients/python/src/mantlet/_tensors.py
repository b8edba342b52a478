"""The Open Inference Protocol's binary tensors: arrays to bytes and back.

Elements are little-endian and row-major; those of `BYTES` have their length before them, as 32 bits.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._connection import Reply
from .errors import MissingDependency, ProtocolError, Unfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._catalog import Metadata

    Array = NDArray[Any]

HEADER_LENGTH = "inference-header-content-length"

DATATYPES: Mapping[str, str] = {
    "BOOL": "|b1",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""The protocol's datatypes of fixed width, as numpy writes them."""


@dataclass(frozen=True)
class Inference:
    """A model's own outputs, with what judgment says of them.

    Attributes:
        outputs: arrays by name. A withheld row has the package's fallback in them.
        confidence: of the least sure row.
        outcome: `served`, `fallback` or `review`: the worst of all rows.
        row_confidence: of each row.
        row_outcome: of each row.
        model_version: the version that answered.
        request_id: what the audit log calls the request.
        receipt: what proves the request's entry in the log.
        candidate: whether the version that answered is not live.
        id: what the caller called the request.

    """

    outputs: Mapping[str, Array]
    confidence: float | None
    outcome: str
    row_confidence: tuple[float | None, ...]
    row_outcome: tuple[str, ...]
    model_version: str
    request_id: str | None
    receipt: str | None = None
    candidate: bool = False
    id: str | None = field(default=None)


def load_numpy() -> Any:
    """The numpy module.

    Raises:
        MissingDependency: it is not installed.

    """
    try:
        import numpy
    except ImportError as error:
        raise MissingDependency("arrays need `numpy`: pip install 'mantlet[arrays]'") from error
    return numpy


def arrays(inputs: Array | Mapping[str, Array], ports: Metadata) -> dict[str, Array]:
    """Arrays by the names of a model's inputs, in its datatypes where that keeps what their elements are.

    Raises:
        Unfit: there is one array, and the model has several inputs.
        MissingDependency: there is no numpy.

    """
    numpy = load_numpy()
    if not isinstance(inputs, Mapping):
        if len(ports.inputs) != 1:
            names = ", ".join(f"`{port.name}`" for port in ports.inputs)
            raise Unfit(f"`{ports.name}` has several inputs ({names}); give arrays by name")
        inputs = {ports.inputs[0].name: inputs}
    return {name: _converted(numpy, numpy.asarray(array), ports.datatype(name)) for name, array in inputs.items()}


def _converted(numpy: Any, array: Array, wanted: str | None) -> Array:
    kind = DATATYPES.get(wanted or "")
    if kind is not None and array.dtype.kind not in "OSU" and numpy.can_cast(array.dtype, kind, "same_kind"):
        return array.astype(kind, copy=False)
    return array


def datatype(array: Array) -> str:
    """The protocol's name of an array's type.

    Raises:
        Unfit: it has none.

    """
    kind = array.dtype.kind
    if kind in "OSU":
        return "BYTES"
    for name, own in DATATYPES.items():
        if kind == own[1] and array.dtype.itemsize == int(own[2]):
            return name
    raise Unfit(f"arrays of `{array.dtype}` have no datatype in the protocol")


def pack(array: Array) -> bytes:
    """The binary form.

    Raises:
        Unfit: an element is neither text nor bytes, where elements are objects.

    """
    name = datatype(array)
    if name == "BYTES":
        return b"".join(struct.pack("<I", len(text)) + text for text in map(_bytes, array.reshape(-1).tolist()))
    return array.astype(DATATYPES[name], copy=False).tobytes()


def unpack(data: bytes, name: str, shape: tuple[int, ...]) -> Array:
    """The array that this is the binary form of. Its elements are `bytes` where the datatype is `BYTES`.

    Raises:
        ProtocolError: it is not the form of such an array.

    """
    numpy = load_numpy()
    count = 1
    for extent in shape:
        count *= extent
    if name == "BYTES":
        texts = _strings(data, count)
        array = numpy.empty(count, dtype=object)
        array[:] = texts
        return array.reshape(shape)  # type: ignore[no-any-return]
    kind = DATATYPES.get(name)
    if kind is None or len(data) != count * int(kind[2]):
        raise ProtocolError("an output is not of its datatype and shape")
    # A copy, because what is read from bytes cannot be written to.
    return numpy.frombuffer(data, dtype=kind).reshape(shape).copy()  # type: ignore[no-any-return]


def question(
    inputs: Mapping[str, Array], outputs: list[str] | None, parameters: Mapping[str, Any], id_: str | None
) -> tuple[bytes, int]:
    """A request in binary, and how many bytes of it are its header."""
    packed = {name: pack(array) for name, array in inputs.items()}
    header: dict[str, Any] = {
        "inputs": [
            {
                "name": name,
                "datatype": datatype(array),
                "shape": list(array.shape),
                "parameters": {"binary_data_size": len(packed[name])},
            }
            for name, array in inputs.items()
        ],
        "parameters": {**parameters, "binary_data_output": True},
    }
    if outputs is not None:
        header["outputs"] = [{"name": name} for name in outputs]
    if id_ is not None:
        header["id"] = id_
    start = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    return start + b"".join(packed.values()), len(start)


def inference(reply: Reply) -> Inference:
    """Reads an answer in binary.

    Raises:
        ProtocolError: it is none.

    """
    try:
        return _inference(reply)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise ProtocolError("the answer is not one of the Open Inference Protocol") from None


def _inference(reply: Reply) -> Inference:
    length = int(reply.headers.get(HEADER_LENGTH, len(reply.body)))
    header, tail = json.loads(reply.body[:length]), reply.body[length:]
    outputs: dict[str, Any] = {}
    for output in header["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        shape = tuple(int(extent) for extent in output["shape"])
        if size is None:
            outputs[output["name"]] = _listed(output["data"], output["datatype"], shape)
        else:
            outputs[output["name"]] = unpack(tail[:size], output["datatype"], shape)
            tail = tail[size:]
    said = header.get("parameters", {})
    confidence, outcome = said.get("confidence"), said["outcome"]
    by_row = said.get("row_confidence")
    outcomes = tuple(said["row_outcome"].split(",")) if "row_outcome" in said else (outcome,)
    confidences = tuple(float(text) if text else None for text in by_row.split(",")) if by_row else (confidence,)
    return Inference(
        outputs=outputs,
        confidence=confidence,
        outcome=outcome,
        row_confidence=confidences * len(outcomes) if len(confidences) == 1 else confidences,
        row_outcome=outcomes,
        model_version=header["model_version"],
        request_id=reply.headers.get("x-request-id"),
        receipt=reply.headers.get("mantlet-receipt"),
        candidate=bool(said.get("candidate", False)),
        id=header.get("id"),
    )


def _listed(data: list[Any], name: str, shape: tuple[int, ...]) -> Array:
    numpy = load_numpy()
    if name == "BYTES":
        array = numpy.empty(len(data), dtype=object)
        array[:] = [text.encode() for text in data]
    else:
        array = numpy.array(data, dtype=DATATYPES[name])
    return array.reshape(shape)  # type: ignore[no-any-return]


def _bytes(element: object) -> bytes:
    if isinstance(element, str):
        return element.encode()
    if isinstance(element, bytes):
        return element
    raise Unfit(f"an element of an array of texts is of `{type(element).__name__}`")


def _strings(data: bytes, count: int) -> list[bytes]:
    texts = []
    place = 0
    while place + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, place)
        place += 4
        texts.append(data[place : place + length])
        place += length
    if place != len(data) or len(texts) != count:
        raise ProtocolError("an output is not of its datatype and shape")
    return texts
