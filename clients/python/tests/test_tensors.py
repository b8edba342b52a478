"""Arrays of every datatype go there and back unchanged: in our own form, in tritonclient's, and through a real server."""

import contextlib
import json
import struct

import hypothesis
import numpy
import onnx
import pytest
from hypothesis import strategies
from hypothesis.extra import numpy as arrays
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

import mantlet
from mantlet import _tensors
from mantlet._connection import Reply

FIXED = sorted(_tensors.DATATYPES)
SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
TEXTS = strategies.one_of(strategies.text(max_size=12), strategies.binary(max_size=12))
quiet = hypothesis.settings(deadline=None, max_examples=60, derandomize=True)


@pytest.mark.parametrize("name", FIXED)
@hypothesis.given(data=strategies.data())
@quiet
def test_round_trip_of_every_width(name, data):
    array = data.draw(arrays.arrays(numpy.dtype(_tensors.DATATYPES[name]), SHAPES))
    assert _tensors.datatype(array) == name
    packed = _tensors.pack(array)
    # An oracle of its own: numpy's bytes in the order that the protocol says.
    assert packed == array.astype(array.dtype.newbyteorder("<")).tobytes()
    back = _tensors.unpack(packed, name, array.shape)
    numpy.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    assert back.flags.writeable


@hypothesis.given(texts=strategies.lists(TEXTS, max_size=6))
@quiet
def test_round_trip_of_texts_is_what_tritonclient_has(texts):
    array = numpy.empty(len(texts), dtype=object)
    array[:] = texts
    packed = _tensors.pack(array)
    if texts:
        assert packed == serialize_byte_tensor(array).item()
        assert deserialize_bytes_tensor(packed).tolist() == _tensors.unpack(packed, "BYTES", array.shape).tolist()
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    assert _tensors.unpack(packed, "BYTES", array.shape).tolist() == encoded


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_callers_byte_order_does_not_matter(order):
    array = numpy.array([1, 256], dtype=order + "u4")
    assert _tensors.pack(array) == struct.pack("<II", 1, 256)
    assert _tensors.datatype(array) == "UINT32"


@pytest.mark.parametrize("strange", [numpy.zeros(1, "c8"), numpy.zeros(1, "M8[s]"), numpy.zeros(1, "f8,i4")])
def test_what_has_no_datatype_is_refused(strange):
    with pytest.raises(mantlet.Unfit):
        _tensors.datatype(strange)


@hypothesis.given(
    body=strategies.binary(max_size=80), name=strategies.sampled_from([*FIXED, "BYTES", "NONE"]), shape=SHAPES
)
@quiet
def test_bytes_that_are_no_tensor_are_refused_and_nothing_worse(body, name, shape):
    with contextlib.suppress(mantlet.ProtocolError):
        assert _tensors.unpack(body, name, shape).shape == shape


@hypothesis.given(
    header=strategies.recursive(
        strategies.one_of(
            strategies.none(),
            strategies.integers(-3, 9),
            strategies.sampled_from(["FP32", "BYTES", "served", "out", ""]),
        ),
        lambda inner: strategies.one_of(
            strategies.lists(inner, max_size=3),
            strategies.dictionaries(
                strategies.sampled_from(
                    ["outputs", "parameters", "name", "datatype", "shape", "data", "binary_data_size", "outcome"]
                ),
                inner,
                max_size=6,
            ),
        ),
        max_leaves=12,
    ),
    tail=strategies.binary(max_size=16),
    cut=strategies.integers(-5, 5),
)
@quiet
def test_answers_that_are_none_are_refused_and_nothing_worse(header, tail, cut):
    start = json.dumps(header).encode()
    reply = Reply(200, {_tensors.HEADER_LENGTH: str(len(start) + cut)}, start + tail)
    with contextlib.suppress(mantlet.ProtocolError):
        _tensors.inference(reply)


# What the server's engines hand on unchanged. Its answers are rounded to decimals, so floats are such as that leaves alone.
SAMPLES = {
    "BOOL": [[True, False]],
    "INT32": [[-(2**31), 2**31 - 1]],
    "INT64": [[-(2**53), 2**53]],
    "FP32": [[0.5, -1024.25]],
    "FP64": [[0.5, -1024.25]],
    "BYTES": [["car", "gärtner"]],
}
ELEMENTS = {"BOOL": "BOOL", "INT32": "INT32", "INT64": "INT64", "FP32": "FLOAT", "FP64": "DOUBLE", "BYTES": "STRING"}


@pytest.fixture(scope="module")
def echoes(served, tmp_path_factory):
    """A model for each datatype that answers what it was asked, and a client of all."""
    names = {}
    for name, element in ELEMENTS.items():
        kind = getattr(onnx.TensorProto, element)
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", ["x"], ["y"])],
            "echo",
            [onnx.helper.make_tensor_value_info("x", kind, ["N", 2])],
            [onnx.helper.make_tensor_value_info("y", kind, ["N", 2])],
        )
        opsets = [onnx.helper.make_opsetid("", 18)]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
        directory = tmp_path_factory.mktemp("echo") / f"echo-{name.lower()}"
        directory.mkdir()
        onnx.save(model, directory / "model.onnx")
        (directory / "mantlet-model.toml").write_text(f'name = "{directory.name}"\nconfidence = "none"\n')
        served.run("model", "add", str(directory))
        names[name] = directory.name
    client = mantlet.Client(served.url, served.new_key("echo", list(names.values())), served.ca)
    yield client, names
    client.close()


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_round_trip_through_a_real_server(echoes, name):
    client, names = echoes
    array = numpy.array(SAMPLES[name] * 3, dtype=_tensors.DATATYPES.get(name, object))
    answer = client.infer(names[name], {"x": array}, outputs=["y"], id="mine")
    back = answer.outputs["y"]
    expected = numpy.vectorize(str.encode, otypes=[object])(array) if name == "BYTES" else array
    assert back.tolist() == expected.tolist()
    assert back.shape == array.shape
    assert (answer.id, answer.confidence, answer.row_outcome) == ("mine", None, ("served",) * 3)
    assert answer.request_id
    assert answer.receipt


def test_numbers_are_made_what_the_model_takes_if_that_keeps_what_they_are(echoes):
    client, names = echoes
    for array in (numpy.array([[1.0, 2.0]]), numpy.array([[1, 2]], dtype=numpy.int32)):
        assert client.infer(names["FP32"], array).outputs["y"].dtype == numpy.float32
    with pytest.raises(mantlet.Invalid) as error:
        client.infer(names["INT64"], numpy.array([[1.5, 2.0]]))
    assert error.value.field == "x"
