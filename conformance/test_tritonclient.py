"""NVIDIA's tritonclient over HTTP: every call that an unprivileged client makes of an Open Inference server."""

import numpy
import pytest
import ssl
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

MODEL = "breast-cancer"


@pytest.fixture
def client(served):
    context = ssl.create_default_context(cafile=served.ca)
    client = triton.InferenceServerClient(served.listen, ssl=True, ssl_context_factory=lambda: context)
    yield client
    client.close()


def question(row, rows=1, binary=True):
    data = numpy.array([row] * rows, dtype=numpy.float32)
    tensor = triton.InferInput("input", list(data.shape), "FP32")
    tensor.set_data_from_numpy(data, binary_data=binary)
    return tensor


def test_health(client):
    assert client.is_server_live() and client.is_server_ready()


def test_server_metadata_names_extensions_and_nothing_of_the_inside(client):
    metadata = client.get_server_metadata()
    assert metadata["name"] == "mantlet" and "binary_tensor_data" in metadata["extensions"]


def test_model_ready_and_metadata(client, served):
    assert client.is_model_ready(MODEL, headers=served.headers)
    assert client.is_model_ready(MODEL, model_version="1", headers=served.headers)
    metadata = client.get_model_metadata(MODEL, headers=served.headers)
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 30]}]
    assert [output["name"] for output in metadata["outputs"]] == ["label", "probabilities"]


def test_a_model_that_is_not_there_is_not_ready(client, served):
    assert not client.is_model_ready("no-such-model", headers=served.headers)


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_infer(client, served, row, binary_in, binary_out, compression):
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("label", "probabilities")]
    answer = client.infer(
        MODEL, [question(row, binary=binary_in)], outputs=outputs, request_id="my-id", headers=served.headers,
        request_compression_algorithm=compression, response_compression_algorithm=compression,
    )
    response = answer.get_response()
    assert response["id"] == "my-id" and response["model_name"] == MODEL
    probabilities = answer.as_numpy("probabilities")
    assert probabilities.shape == (1, 2) and abs(probabilities.sum() - 1) < 1e-5
    assert answer.as_numpy("label").tolist() == [int(probabilities.argmax())]
    assert response["parameters"]["outcome"] == "served" and response["parameters"]["confidence"] >= 0.7


def test_infer_without_naming_outputs_gives_all(client, served, row):
    answer = client.infer(MODEL, [question(row, rows=3)], headers=served.headers)
    assert answer.as_numpy("label").shape == (3,) and answer.as_numpy("probabilities").shape == (3, 2)


def test_statistics_of_ones_own_model_need_their_own_right(client, served):
    with pytest.raises(InferenceServerException) as error:
        client.get_inference_statistics(MODEL, headers=served.headers)
    assert error.value.status() in ("403", "404")


def test_repository_index_shows_what_the_key_may_ask(client, served):
    index = client.get_model_repository_index(headers=served.headers)
    assert [(model["name"], model["state"]) for model in index] == [(MODEL, "READY")]


def test_loading_is_not_a_callers_business(client, served):
    for call in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException):
            call(MODEL, headers=served.headers)


@pytest.mark.parametrize(
    "tensor",
    [
        triton.InferInput("nonsense", [1, 30], "FP32").set_data_from_numpy(numpy.zeros((1, 30), numpy.float32)),
        triton.InferInput("input", [1, 29], "FP32").set_data_from_numpy(numpy.zeros((1, 29), numpy.float32)),
        triton.InferInput("input", [1, 30], "FP64").set_data_from_numpy(numpy.zeros((1, 30), numpy.float64)),
    ],
    ids=["name", "shape", "datatype"],
)
def test_what_the_contract_does_not_say_is_400(client, served, tensor):
    with pytest.raises(InferenceServerException) as error:
        client.infer(MODEL, [tensor], headers=served.headers)
    assert error.value.status() == "400"
    assert "nonsense" not in error.value.message()


def test_without_a_key_nothing_answers(client, row):
    for call in (lambda: client.infer(MODEL, [question(row)]), lambda: client.get_model_metadata(MODEL)):
        with pytest.raises(InferenceServerException) as error:
            call()
        assert error.value.status() == "401"
