"""KServe's InferenceRESTClient: it parses the bodies of the health routes, which others leave empty."""

import asyncio

import httpx
import ssl
from kserve import InferInput, InferRequest, InferenceRESTClient, RESTConfig

MODEL = "breast-cancer"


def with_client(served, work):
    async def main():
        transport = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=served.ca))
        config = RESTConfig(protocol="v2", transport=transport)
        return await work(InferenceRESTClient(config))

    return asyncio.run(main())


def test_live_and_ready(served):
    assert with_client(served, lambda client: client.is_server_live(served.url)) is True
    assert with_client(served, lambda client: client.is_server_ready(served.url)) is True


def test_model_ready(served):
    ready = with_client(served, lambda client: client.is_model_ready(served.url, MODEL, headers=served.headers))
    assert ready is True


def test_infer_in_json(served, row):
    request = InferRequest(
        model_name=MODEL, infer_inputs=[InferInput("input", [1, 30], "FP32", data=[row])], request_id="kserve-1"
    )
    answer = with_client(
        served, lambda client: client.infer(served.url, request, headers=served.headers, model_name=MODEL)
    )
    outputs = {output.name: output for output in answer.outputs}
    assert answer.id == "kserve-1" and set(outputs) == {"label", "probabilities"}


def test_infer_in_binary(served, row):
    import numpy

    tensor = InferInput("input", [1, 30], "FP32")
    tensor.set_data_from_numpy(numpy.array([row], dtype=numpy.float32), binary_data=True)
    request = InferRequest(model_name=MODEL, infer_inputs=[tensor])
    answer = with_client(
        served, lambda client: client.infer(served.url, request, headers=served.headers, model_name=MODEL)
    )
    assert {output.name for output in answer.outputs} == {"label", "probabilities"}
