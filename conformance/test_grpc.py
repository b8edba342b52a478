"""gRPC as foreign clients speak it: NVIDIA's tritonclient.grpc, kserve's InferenceGRPCClient, and gRPC's own packages for
health and reflection. Whatever they get is what REST says of the same."""

import asyncio
import csv
import json
import pathlib
import queue
import ssl
import subprocess

import grpc
import kserve
import numpy
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, unknown_fields

# tritonclient and kserve both describe package `inference`, and one pool of descriptors takes it once.
default, pool = descriptor_pool.Default, descriptor_pool.DescriptorPool()
descriptor_pool.Default = lambda: pool
import tritonclient.grpc as triton  # noqa: E402
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc  # noqa: E402

descriptor_pool.Default = default

import tritonclient.http as rest  # noqa: E402
from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402
from grpc_reflection.v1alpha import reflection_pb2  # noqa: E402
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # noqa: E402
    ProtoReflectionDescriptorDatabase,
)
from tritonclient.utils import InferenceServerException  # noqa: E402

from conftest import BINARY, ROOT, clean_environment, serve  # noqa: E402

MODEL = "breast-cancer"
PROTO = ROOT / "crates/mantlet/proto"


def credentials(served):
    return grpc.ssl_channel_credentials(pathlib.Path(served.grpc_ca).read_bytes())


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def own(served):
    return bearer(served.key)


@pytest.fixture(scope="module")
def client(served):
    client = triton.InferenceServerClient(served.listen, ssl=True, root_certificates=served.grpc_ca)
    yield client
    client.close()


@pytest.fixture(scope="module")
def over_rest(served):
    context = ssl.create_default_context(cafile=served.ca)
    client = rest.InferenceServerClient(served.listen, ssl=True, ssl_context_factory=lambda: context)
    yield client
    client.close()


@pytest.fixture(scope="module")
def channel(served):
    with grpc.secure_channel(served.listen, credentials(served)) as channel:
        yield channel


@pytest.fixture(scope="module")
def monitor(served):
    out = served.run("key", "create", "--consumer", "watcher", "--model", MODEL, "--monitor", "--json")
    return bearer(json.loads(out.stdout)["key"])


@pytest.fixture(scope="module")
def texts(served, tmp_path_factory):
    """A model whose inputs are texts and numbers; its key; three rows of it by input."""
    package = tmp_path_factory.mktemp("grpc") / "texts"
    package.mkdir()
    (package / "model.onnx").write_bytes((ROOT / "testdata/models/credit/credit-lr.onnx").read_bytes())
    (package / "mantlet-model.toml").write_text('name = "grpc-texts"\nthreshold = 0.0\n')
    served.run("model", "add", str(package))
    with open(ROOT / "testdata/models/credit/test.csv") as file:
        rows = [row for _, row in zip(range(3), csv.DictReader(file))]
    return bearer(served.new_key("grpc-texts", ["grpc-texts"])), rows


def question(row, rows=1, dtype=numpy.float32, datatype="FP32"):
    data = numpy.array([row] * rows, dtype=dtype)
    return triton.InferInput("input", list(data.shape), datatype).set_data_from_numpy(data)


def status_of(error):
    return error.value.status().removeprefix("StatusCode.")


# The server and its models.


def test_health(client):
    assert client.is_server_live() and client.is_server_ready()


def test_server_metadata_is_rests_but_for_what_is_rests_alone(client, over_rest):
    metadata = client.get_server_metadata(as_json=True)
    assert metadata["name"] == "mantlet" and metadata["version"] == "2"
    assert set(over_rest.get_server_metadata()["extensions"]) - set(metadata["extensions"]) == {"mantlet_explain"}


def test_model_ready(client, own):
    assert client.is_model_ready(MODEL, headers=own)
    assert client.is_model_ready(MODEL, model_version="1", headers=own)
    with pytest.raises(InferenceServerException) as error:
        client.is_model_ready("no-such-model", headers=own)
    assert status_of(error) == "NOT_FOUND"


def test_metadata_is_rests(client, over_rest, own, served):
    ours = client.get_model_metadata(MODEL, headers=own, as_json=True)
    theirs = over_rest.get_model_metadata(MODEL, headers=served.headers)
    for tensor in ours["inputs"] + ours["outputs"]:
        tensor["shape"] = [int(extent) for extent in tensor["shape"]]
    assert ours == theirs


def test_configuration_is_rests(client, over_rest, own, served):
    config = client.get_model_config(MODEL, headers=own).config
    theirs = over_rest.get_model_config(MODEL, headers=served.headers)
    assert (config.name, config.platform, config.backend) == (MODEL, theirs["platform"], theirs["backend"])
    assert config.max_batch_size == theirs["max_batch_size"]
    names = model_config_pb2.DataType.Name
    for ours, listed in ((config.input, theirs["input"]), (config.output, theirs["output"])):
        described = [{"name": t.name, "data_type": names(t.data_type), "dims": list(t.dims)} for t in ours]
        assert described == listed


def test_statistics_are_rests_and_take_their_own_right(client, over_rest, own, monitor, served):
    with pytest.raises(InferenceServerException) as error:
        client.get_inference_statistics(MODEL, headers=own)
    assert status_of(error) in ("PERMISSION_DENIED", "NOT_FOUND")
    for model in (MODEL, ""):
        theirs = over_rest.get_inference_statistics(model, headers=monitor)["model_stats"]
        ours = client.get_inference_statistics(model, headers=monitor).model_stats
        assert [s.name for s in ours] == [s["name"] for s in theirs] and MODEL in [s.name for s in ours]
        for mine, listed in zip(ours, theirs):
            assert mine.version == listed["version"] and mine.last_inference == listed["last_inference"]
            assert mine.inference_count == listed["inference_count"]
            assert mine.execution_count == listed["execution_count"]
            for kind in ("success", "fail"):
                duration = getattr(mine.inference_stats, kind)
                assert {"count": duration.count, "ns": duration.ns} == listed["inference_stats"][kind]


def test_repository_index_is_rests(client, over_rest, own, served):
    ours = client.get_model_repository_index(headers=own, as_json=True)["models"]
    theirs = over_rest.get_model_repository_index(headers=served.headers)
    assert [(m["name"], m["version"], m["state"]) for m in ours] == [
        (m["name"], m["version"], m["state"]) for m in theirs
    ]


def test_loading_is_not_a_callers_business(client, own):
    for call in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException) as error:
            call(MODEL, headers=own)
        assert status_of(error) in ("PERMISSION_DENIED", "NOT_FOUND")


# Inference.


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("rows", [1, 3])
def test_infer_is_rests(client, over_rest, own, served, row, rows, compression):
    outputs = [triton.InferRequestedOutput(name) for name in ("label", "probabilities")]
    answer = client.infer(
        MODEL, [question(row, rows)], outputs=outputs, request_id="my-id", headers=own,
        compression_algorithm=compression, client_timeout=30,
    )
    tensor = rest.InferInput("input", [rows, len(row)], "FP32")
    tensor.set_data_from_numpy(numpy.array([row] * rows, dtype=numpy.float32))
    theirs = over_rest.infer(MODEL, [tensor], headers=served.headers)
    for name in ("label", "probabilities"):
        assert (answer.as_numpy(name) == theirs.as_numpy(name)).all()
        assert answer.as_numpy(name).dtype == theirs.as_numpy(name).dtype
    response = answer.get_response()
    assert (response.id, response.model_name, response.model_version) == ("my-id", MODEL, "1")
    said = {name: getattr(p, p.WhichOneof("parameter_choice")) for name, p in response.parameters.items()}
    assert said == theirs.get_response()["parameters"] and said["outcome"] == "served"
    assert not len(unknown_fields.UnknownFieldSet(response))


def test_infer_without_naming_outputs_gives_all(client, own, row):
    answer = client.infer(MODEL, [question(row, 2)], headers=own)
    assert answer.as_numpy("label").shape == (2,) and answer.as_numpy("probabilities").shape == (2, 2)


def test_async_infer(client, own, row):
    answers = queue.Queue()
    for number in range(5):
        client.async_infer(
            MODEL, [question(row)], lambda result, error: answers.put((result, error)), request_id=str(number),
            headers=own,
        )
    got = [answers.get(timeout=60) for _ in range(5)]
    assert all(error is None for _, error in got)
    assert {result.get_response().id for result, _ in got} == set("01234")


def test_texts_go_in_and_come_out(client, over_rest, texts):
    key, rows = texts
    metadata = client.get_model_metadata("grpc-texts", headers=key)
    ours, theirs = [], []
    for spec in metadata.inputs:
        values = [row[spec.name] for row in rows]
        text = spec.datatype == "BYTES"
        data = numpy.array([v.encode() if text else float(v) for v in values], dtype=object if text else numpy.float32)
        data = data.reshape(len(rows), 1)
        ours.append(triton.InferInput(spec.name, list(data.shape), spec.datatype).set_data_from_numpy(data))
        theirs.append(rest.InferInput(spec.name, list(data.shape), spec.datatype).set_data_from_numpy(data))
    assert any(spec.datatype == "BYTES" for spec in metadata.inputs)
    answer = client.infer("grpc-texts", ours, headers=key)
    listed = over_rest.infer("grpc-texts", theirs, headers=key)
    for output in metadata.outputs:
        assert (answer.as_numpy(output.name) == listed.as_numpy(output.name)).all()


def test_typed_contents_are_answered_in_typed_contents(channel, own, row):
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    request = service_pb2.ModelInferRequest(model_name=MODEL)
    tensor = request.inputs.add(name="input", datatype="FP32", shape=[1, len(row)])
    tensor.contents.fp32_contents.extend(row)
    typed = stub.ModelInfer(request, metadata=tuple(own.items()))
    assert not typed.raw_output_contents
    request.parameters["binary_data_output"].bool_param = True
    raw = stub.ModelInfer(request, metadata=tuple(own.items()))
    by_name = {output.name: output.contents for output in typed.outputs}
    for output, packed in zip(raw.outputs, raw.raw_output_contents, strict=True):
        kind = {"FP32": ("fp32_contents", "<f4"), "INT64": ("int64_contents", "<i8")}[output.datatype]
        assert numpy.frombuffer(packed, kind[1]).tolist() == list(getattr(by_name[output.name], kind[0]))


# What is wrong.


@pytest.mark.parametrize(
    "tensor",
    [
        triton.InferInput("nonsense", [1, 30], "FP32").set_data_from_numpy(numpy.zeros((1, 30), numpy.float32)),
        triton.InferInput("input", [1, 29], "FP32").set_data_from_numpy(numpy.zeros((1, 29), numpy.float32)),
        triton.InferInput("input", [1, 30], "FP64").set_data_from_numpy(numpy.zeros((1, 30), numpy.float64)),
        triton.InferInput("input", [1, 30], "FP16").set_data_from_numpy(numpy.zeros((1, 30), numpy.float16)),
        triton.InferInput("input", [0, 30], "FP32").set_data_from_numpy(numpy.zeros((0, 30), numpy.float32)),
    ],
    ids=["name", "shape", "datatype", "half", "nothing"],
)
def test_what_the_contract_does_not_say_is_rests_rejection(client, over_rest, own, served, tensor):
    with pytest.raises(InferenceServerException) as error:
        client.infer(MODEL, [tensor], headers=own)
    assert status_of(error) == "INVALID_ARGUMENT" and "nonsense" not in error.value.message()
    theirs = rest.InferInput(tensor.name(), list(tensor.shape()), tensor.datatype())
    theirs._raw_data = tensor._get_content() or b""
    theirs._parameters["binary_data_size"] = len(theirs._raw_data)
    with pytest.raises(InferenceServerException) as listed:
        over_rest.infer(MODEL, [theirs], headers=served.headers)
    assert listed.value.message() == error.value.message()


def test_without_a_key_nothing_answers(client, row):
    calls = (
        lambda: client.infer(MODEL, [question(row)]),
        lambda: client.get_model_metadata(MODEL),
        lambda: client.get_model_config(MODEL),
        lambda: client.get_model_repository_index(),
        lambda: client.get_inference_statistics(),
    )
    for call in calls:
        with pytest.raises(InferenceServerException) as error:
            call()
        assert status_of(error) == "UNAUTHENTICATED"


@pytest.mark.parametrize("header", ["api-key", "x-api-key"])
def test_a_key_may_come_in_the_other_headers(client, served, row, header):
    assert client.infer(MODEL, [question(row)], headers={header: served.key}) is not None


def test_what_is_not_offered_is_unimplemented(client, own):
    for call in (client.get_trace_settings, client.get_log_settings, client.get_system_shared_memory_status):
        with pytest.raises(InferenceServerException) as error:
            call(headers=own)
        assert status_of(error) == "UNIMPLEMENTED"
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put(error), headers=own)
    error = answers.get(timeout=60)
    assert error is not None and "UNIMPLEMENTED" in error.status()
    client.stop_stream(cancel_requests=True)


def test_the_limit_says_when_to_come_back(served, channel, row):
    out = served.run("key", "create", "--consumer", "slow", "--model", MODEL, "--rate", "1/min", "--json")
    metadata = tuple(bearer(json.loads(out.stdout)["key"]).items())
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    request = service_pb2.ModelInferRequest(
        model_name=MODEL, raw_input_contents=[numpy.array(row, numpy.float32).tobytes()]
    )
    request.inputs.add(name="input", datatype="FP32", shape=[1, len(row)])
    answer, call = stub.ModelInfer.with_call(request, metadata=metadata)
    headers = dict(call.initial_metadata())
    assert headers["mantlet-receipt"] and headers["x-request-id"] and headers["ratelimit"]
    with pytest.raises(grpc.RpcError) as error:
        stub.ModelInfer(request, metadata=metadata)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    told = dict(error.value.initial_metadata()) | dict(error.value.trailing_metadata())
    assert int(told["retry-after"]) >= 1 and "r=0" in told["ratelimit"]
    assert b"type.googleapis.com/google.rpc.RetryInfo" in told["grpc-status-details-bin"]


def test_a_deadline_that_is_over_is_one(channel, own):
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    with pytest.raises(grpc.RpcError) as error:
        stub.ModelInfer(service_pb2.ModelInferRequest(model_name=MODEL), timeout=1e-6, metadata=tuple(own.items()))
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


# Other clients.


def test_kserves_client(served, own, row):
    async def main():
        client = kserve.InferenceGRPCClient(served.listen, creds=credentials(served))
        headers = list(own.items())
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready(MODEL, headers=headers)
        answers = []
        for data in ([float(value) for value in row], numpy.array([row], dtype=numpy.float32)):
            tensor = kserve.InferInput("input", [1, len(row)], "FP32", data=data)
            request = kserve.InferRequest(model_name=MODEL, infer_inputs=[tensor], request_id="kserve-1")
            answers.append(await client.infer(request, headers=headers))
        await client.close()
        return answers

    for answer in asyncio.run(main()):
        outputs = {output.name: output.as_numpy() for output in answer.outputs}
        assert answer.id == "kserve-1" and set(outputs) == {"label", "probabilities"}
        assert abs(outputs["probabilities"].sum() - 1) < 1e-5


def test_health_by_grpcs_own_package(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "inference.GRPCInferenceService"):
        check = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert check.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as error:
        next(iter(stub.Watch(health_pb2.HealthCheckRequest())))
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


class Presenting(grpc.StreamStreamClientInterceptor):
    """Presents a key where a client has no place for one."""

    def __init__(self, key):
        self.key = key

    def intercept_stream_stream(self, continuation, details, requests):
        details = details._replace(metadata=[("authorization", f"Bearer {self.key}")])
        return continuation(details, requests)


def test_reflection_is_off_unless_it_is_wanted(served, tmp_path):
    home = tmp_path / "home"
    made = subprocess.run(
        [BINARY, "init", str(home), "--demo", "--json"], check=True, capture_output=True, text=True,
        env=clean_environment(),
    )
    with open(home / "mantlet.toml", "a") as file:
        file.write("\n[server]\ngrpc_reflection = true\n")
    showing = serve(home, json.loads(made.stdout))
    try:
        with grpc.secure_channel(showing.listen, credentials(showing)) as channel:
            database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(channel, Presenting(showing.key)))
            assert "inference.GRPCInferenceService" in database.get_services()
            own = descriptor_pool.DescriptorPool(database)
            method = own.FindServiceByName("inference.GRPCInferenceService").FindMethodByName("ModelInfer")
            assert method.input_type.full_name == "inference.ModelInferRequest"
            assert own.FindMessageTypeByName("inference.ModelConfig").fields_by_name["backend"].number == 17
            with pytest.raises(KeyError):
                own.FindMessageTypeByName("inference.NoSuchThing")
            with pytest.raises(grpc.RpcError) as error:
                ProtoReflectionDescriptorDatabase(channel).get_services()
            assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
    finally:
        showing.process.terminate()
        assert showing.process.wait(timeout=60) == 0
    with grpc.secure_channel(served.listen, credentials(served)) as channel:
        database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(channel, Presenting(served.key)))
        with pytest.raises(grpc.RpcError) as error:
            database.get_services()
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


# The descriptions in the repository.


def compiled(tmp_path):
    from grpc_tools import protoc

    out = tmp_path / "descriptors.binpb"
    files = sorted(path.name for path in PROTO.glob("*.proto"))
    arguments = ["protoc", "-I", str(PROTO), "--include_imports", f"--descriptor_set_out={out}", *files]
    assert protoc.main(arguments) == 0
    return out.read_bytes()


def parsed(data):
    return descriptor_pb2.FileDescriptorSet.FromString(data).file


def test_the_compiled_descriptions_are_of_the_proto_files(tmp_path):
    kept = {file.name: file for file in parsed((PROTO / "descriptors.binpb").read_bytes())}
    assert kept == {file.name: file for file in parsed(compiled(tmp_path))}, "see crates/mantlet/proto/README.md"


def shape(field):
    # Map entries and enumerations go by their names as well; the packages differ in nothing else.
    return field.number, field.type, field.label, field.type_name, field.HasField("oneof_index")


def covers(ours, theirs):
    """Whatever we say of a message is what the protocol's own description says."""
    listed = {field.name: field for field in theirs.field}
    for field in ours.field:
        assert shape(field) == shape(listed[field.name]), f"{ours.name}.{field.name}"
    for nested in ours.nested_type:
        covers(nested, next(other for other in theirs.nested_type if other.name == nested.name))


@pytest.mark.parametrize(
    "name, theirs",
    [
        ("grpc_service.proto", service_pb2.DESCRIPTOR),
        ("model_config.proto", model_config_pb2.DESCRIPTOR),
        ("health.proto", health_pb2.DESCRIPTOR),
        ("reflection_v1alpha.proto", reflection_pb2.DESCRIPTOR),
    ],
)
def test_the_descriptions_are_the_protocols_own(name, theirs):
    ours = next(file for file in parsed((PROTO / "descriptors.binpb").read_bytes()) if file.name == name)
    listed = descriptor_pb2.FileDescriptorProto()
    theirs.CopyToProto(listed)
    assert ours.package == listed.package
    for message in ours.message_type:
        covers(message, next(other for other in listed.message_type if other.name == message.name))
    for enum in ours.enum_type:
        other = next(other for other in listed.enum_type if other.name == enum.name)
        assert [(v.name, v.number) for v in enum.value] == [(v.name, v.number) for v in other.value]
    for service in ours.service:
        methods = {m.name: m for m in next(other for other in listed.service if other.name == service.name).method}
        for method in service.method:
            other = methods[method.name]
            assert (method.input_type, method.output_type) == (other.input_type, other.output_type)
            assert (method.client_streaming, method.server_streaming) == (other.client_streaming, other.server_streaming)
