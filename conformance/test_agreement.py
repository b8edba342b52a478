"""Every shipped model, added as a package and asked over HTTP, agrees with onnxruntime on its test rows."""

import csv
import json

import numpy
import onnxruntime
import pytest
import requests

from conftest import ROOT

MODELS = ROOT / "testdata/models"
LISTED = json.loads((MODELS / "models.json").read_text())["models"]


def rows_of(model):
    with open(MODELS / model["dataset"] / "test.csv") as file:
        table = list(csv.reader(file))
    return table[0][:-1], [row[:-1] for row in table[1:]]


def oracle(path, names, rows):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if len(inputs) == 1:
        feed = {inputs[0].name: numpy.array(rows, dtype=numpy.float32)}
    else:
        columns = dict(zip(names, zip(*rows)))
        feed = {
            i.name: numpy.array(columns[i.name], dtype=object if "string" in i.type else numpy.float32).reshape(-1, 1)
            for i in inputs
        }
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feed)))


def tensors(path, names, rows):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if len(inputs) == 1:
        data = numpy.array(rows, dtype=numpy.float32)
        return [{"name": inputs[0].name, "shape": list(data.shape), "datatype": "FP32", "data": data.tolist()}]
    columns = dict(zip(names, zip(*rows)))
    made = []
    for i in inputs:
        text = "string" in i.type
        values = [v if text else float(numpy.float32(v)) for v in columns[i.name]]
        made.append({"name": i.name, "shape": [len(rows), 1], "datatype": "BYTES" if text else "FP32", "data": values})
    return made


@pytest.fixture(scope="module")
def added(served, tmp_path_factory):
    """All models, with neither threshold nor range in the way: what is compared is what the engine computes."""
    for name, model in LISTED.items():
        package = tmp_path_factory.mktemp(name)
        (package / "model.onnx").write_bytes((MODELS / model["file"]).read_bytes())
        settings = f'name = "{name}"\n'
        settings += 'confidence = "none"\n' if "labels" not in model and model["outputs"] == ["variable"] else "threshold = 0.0\n"
        (package / "mantlet-model.toml").write_text(settings)
        served.run("model", "add", str(package))
    return served, served.new_key("agreement", list(LISTED), rate=60_000_000)


@pytest.mark.parametrize("name", LISTED)
def test_whole_test_set(added, name):
    served, key = added
    model = LISTED[name]
    path = MODELS / model["file"]
    names, rows = rows_of(model)
    expected = oracle(path, names, rows)
    got = {output: [] for output in expected}
    for start in range(0, len(rows), 500):
        body = {"inputs": tensors(path, names, rows[start:start + 500])}
        answer = requests.post(f"{served.url}/v2/models/{name}/infer", json=body, verify=served.ca,
                               headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        for output in answer.json()["outputs"]:
            shape = output["shape"]
            got[output["name"]].append(numpy.array(output["data"]).reshape(shape))
    for output, want in expected.items():
        have = numpy.concatenate(got[output])
        if want.dtype.kind == "f":
            scale = max(1.0, float(numpy.abs(want).max()))
            assert numpy.abs(have.reshape(want.shape) - want).max() <= 1e-5 * scale, output
        else:
            assert have.reshape(want.shape).tolist() == want.tolist(), output
