"""Models that run elsewhere, for real: MLServer with a scikit-learn model, and Triton by PyTriton. What Mantlet answers is
what they say when they are asked directly, judged.

Where a server cannot be installed its tests are skipped, which pytest tells by name.
"""

import csv
import json
import os
import pathlib
import subprocess
import sys

import pytest
import requests

from conftest import BINARY, ROOT, clean_environment, serve
from elsewhere import answers, environment, free_ports, until

HERE = pathlib.Path(__file__).resolve().parent / "upstreams"
DATA = ROOT / "testdata/models/breast_cancer"
# MLServer's worker dies with the event loop of later uvloops.
MLSERVER = ["mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22"]
TRITON = ["nvidia-pytriton==0.7.0"]
DATATYPES = {
    "bool": [True, False], "uint8": [0, 255], "uint16": [1, 65535], "uint32": [2, 4294967295],
    "uint64": [3, 18446744073709551615], "int8": [-128, 127], "int16": [-32768, 5], "int32": [-2147483648, 6],
    "int64": [-9223372036854775808, 7], "fp16": [0.5, -2.0], "fp32": [0.25, 1.5], "fp64": [-0.125, 1e300],
    "bytes": ["a", "grüße"],
}


# Triton's own interpreter runs with the standard library of the environment's, and knows less than later patch releases of
# that ask for: the system's comes first.
SYSTEM = "/usr/bin/python3"


class Elsewhere:
    """A running server of somebody else's."""

    def __init__(self, command, http, work, model):
        self.url, self.work = f"http://127.0.0.1:{http}", work
        self.log = open(work / "server.log", "ab")
        self.process = subprocess.Popen(command, cwd=work, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            until(f"{model} at {self.url}", lambda: self.alive() and answers(f"{self.url}/v2/models/{model}/ready"))
        except AssertionError:
            self.kill()
            raise AssertionError((work / "server.log").read_text()[-4000:])

    def alive(self):
        assert self.process.poll() is None, (self.work / "server.log").read_text()[-4000:]
        return True

    def infer(self, model, body):
        answer = requests.post(f"{self.url}/v2/models/{model}/infer", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return {output["name"]: output for output in answer.json()["outputs"]}

    def kill(self):
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    python = environment("mlserver", MLSERVER)
    work = tmp_path_factory.mktemp("trained")
    subprocess.run([python, HERE / "train.py", DATA / "train.csv", work], check=True)
    return work


def mlserver(work, trained):
    python = environment("mlserver", MLSERVER)
    http, grpc, metrics = free_ports(3)
    settings = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    model = {"name": "cancer-there", "implementation": "mlserver_sklearn.SKLearnModel",
             "parameters": {"uri": str(trained / "model.joblib"), "version": "7"}}
    (work / "settings.json").write_text(json.dumps(settings))
    (work / "model-settings.json").write_text(json.dumps(model))
    return Elsewhere([python.parent / "mlserver", "start", work], http, work, "cancer-there")


def triton(work, trained):
    python = environment("triton", TRITON, SYSTEM if os.path.exists(SYSTEM) else sys.executable)
    ports = free_ports(3)
    command = [python, HERE / "triton_server.py", trained / "weights.json", *map(str, ports)]
    return Elsewhere(command, ports[0], work, "cancer-there")


@pytest.fixture(scope="module", params=[mlserver, triton], ids=["mlserver", "triton"])
def elsewhere(request, tmp_path_factory, trained):
    server = request.param(tmp_path_factory.mktemp(request.param.__name__), trained)
    server.kind = request.param.__name__
    yield server
    server.kill()


CANCER = """
name = "cancer"
backend = "v2"
labels = ["malignant", "benign"]
batch_rows_max = 256
[served_as]
model = "cancer-there"
{version}
[[input]]
name = "x"
datatype = "FP32"
shape = [-1, 30]
[[output]]
name = "predict_proba"
datatype = "FP64"
shape = [-1, 2]
"""


def run(home, *arguments):
    return subprocess.run([BINARY, *arguments, "--home", str(home)], check=True, capture_output=True, text=True,
                          env=clean_environment()).stdout


@pytest.fixture(scope="module")
def gate(elsewhere, tmp_path_factory):
    """A home whose models run there, and a server in front of it."""
    work = tmp_path_factory.mktemp("gate")
    home = work / "home"
    made = json.loads(subprocess.run([BINARY, "init", str(home), "--demo", "--json"], check=True, capture_output=True,
                                     text=True, env=clean_environment()).stdout)
    cancer = work / "cancer"
    cancer.mkdir()
    version = 'version = "7"' if elsewhere.kind == "mlserver" else ""
    (cancer / "mantlet-model.toml").write_text(CANCER.format(version=version))
    run(home, "model", "profile", str(cancer), "--reference", str(DATA / "train.csv"), "--background", "20")
    run(home, "model", "add", str(cancer))
    models = ["cancer"]
    if elsewhere.kind == "triton":
        models.append("echo")
        tensors = "".join(
            f'[[{kind}put]]\nname = "{kind}_{name}"\ndatatype = "{name.upper()}"\nshape = [-1, -1]\n'
            for kind in ("in", "out") for name in DATATYPES
        )
        echo = work / "echo"
        echo.mkdir()
        (echo / "mantlet-model.toml").write_text(f'name = "echo"\nbackend = "v2"\nconfidence = "none"\n'
                                                 f'[disclosure]\ndecimals = 15\n{tensors}')
        run(home, "model", "add", str(echo))
    with open(home / "mantlet.toml", "a") as config:
        config.write(f'\n[[upstream]]\nname = "there"\nurl = "{elsewhere.url}"\nprobe_interval_ms = 200\n')
        config.writelines(f'\n[[model]]\nname = "{model}"\nupstream = "there"\nserved_as = ["cancer-there"]\n' for model in models)
    gate = serve(home, made)
    gate.key_there = gate.new_key("app", models)
    yield gate
    gate.process.terminate()
    assert gate.process.wait(timeout=60) == 0


def ask(gate, path, body=None):
    headers = {"Authorization": f"Bearer {gate.key_there}"}
    method = "GET" if body is None else "POST"
    return requests.request(method, gate.url + path, json=body, headers=headers, verify=gate.ca, timeout=30)


def rows():
    with open(DATA / "test.csv") as file:
        return [[float(cell) for cell in row[:-1]] for row in list(csv.reader(file))[1:]]


def question(some):
    flat = [value for row in some for value in row]
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [len(some), 30], "data": flat}]}


def test_the_model_becomes_ready(gate):
    until("the model to be ready", lambda: ask(gate, "/v2/models/cancer/ready").status_code == 200)


def test_predictions_are_what_the_server_says_itself(gate, elsewhere):
    some = rows()
    direct = elsewhere.infer("cancer-there", {**question(some), "outputs": [{"name": "predict_proba"}]})["predict_proba"]
    expect = [direct["data"][2 * index:2 * index + 2] for index in range(len(some))]
    answer = ask(gate, "/v2/models/cancer/infer", question(some))
    assert answer.status_code == 200, answer.text
    answer = answer.json()
    said = answer["outputs"][0]["data"]
    outcomes = answer["parameters"]["row_outcome"].split(",")
    served = 0
    for index, (outcome, p) in enumerate(zip(outcomes, expect, strict=True)):
        assert outcome == ("served" if max(p) >= 0.7 else "fallback"), (index, p)
        if outcome == "served":
            served += 1
            assert said[2 * index:2 * index + 2] == pytest.approx(p, abs=6e-7)
        else:
            assert said[2 * index:2 * index + 2] != pytest.approx(p, abs=1e-3), "a guess got through"
    assert 100 < served < len(some)


def test_one_row_in_the_simple_protocol(gate, elsewhere):
    row = rows()[0]
    direct = elsewhere.infer("cancer-there", {**question([row]), "outputs": [{"name": "predict_proba"}]})["predict_proba"]["data"]
    answer = ask(gate, "/v1/models/cancer/predict", {"features": row}).json()
    assert answer["result"] == ["malignant", "benign"][direct.index(max(direct))]
    assert answer["confidence"] == pytest.approx(max(direct), abs=6e-7)


def test_answers_are_explained(gate, elsewhere):
    answer = ask(gate, "/v2/models/cancer/explain", {"features": rows()[1], "options": {"evaluations": 400}})
    assert answer.status_code == 200, answer.text
    told = answer.json()["explanation"]
    added = sum(item["value"] for item in told["attributions"])
    assert told["method"] == "sampling" and told["base_value"] + added == pytest.approx(told["output_value"], abs=1e-4)


def test_every_datatype_survives(gate, elsewhere):
    if elsewhere.kind != "triton":
        pytest.skip("the model that says back what it is told is Triton's")
    import numpy
    import ssl
    import tritonclient.http as client
    until("the model to be ready", lambda: ask(gate, "/v2/models/echo/ready").status_code == 200)
    numbers = {"bool": bool, "fp16": "float16", "fp32": "float32", "fp64": "float64", "bytes": object}
    arrays = {
        name: numpy.array([[v.encode() if isinstance(v, str) else v for v in values]], dtype=numbers.get(name, name))
        for name, values in DATATYPES.items()
    }
    inputs = []
    for name, array in arrays.items():
        tensor = client.InferInput(f"in_{name}", list(array.shape), name.upper())
        tensor.set_data_from_numpy(array, binary_data=True)
        inputs.append(tensor)
    context = ssl.create_default_context(cafile=gate.ca)
    asking = client.InferenceServerClient(gate.listen, ssl=True, ssl_context_factory=lambda: context)
    answer = asking.infer("echo", inputs, headers={"Authorization": f"Bearer {gate.key_there}"})
    for name, array in arrays.items():
        assert answer.as_numpy(f"out_{name}").tolist() == array.tolist(), name
    asking.close()


def test_a_server_that_is_gone_is_a_503_and_says_nothing(gate, elsewhere):
    """The last: it kills the server."""
    elsewhere.kill()
    answer = ask(gate, "/v1/models/cancer/predict", {"features": rows()[0]})
    assert answer.status_code == 503 and "127.0.0.1" not in answer.text and "there" not in answer.text
    until("the model to be not ready", lambda: ask(gate, "/v2/models/cancer/ready").status_code == 503)
    until("the breaker to open", lambda: "Retry-After" in ask(gate, "/v1/models/cancer/predict", {"features": rows()[0]}).headers)
