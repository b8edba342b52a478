"""The scripts of `docs/how-to/convert-to-onnx.md`, run as they stand there; what they write is served and asked."""

import os
import re
import subprocess
import sys

import numpy
import pytest
import requests
from conftest import ROOT, clean_environment
from sklearn.datasets import load_breast_cancer

PAGE = (ROOT / "docs/how-to/convert-to-onnx.md").read_text()
SCRIPTS = dict(re.findall(r"^```python (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
# Frameworks that are too large for this environment, and where another Python may have them.
ELSEWHERE = {
    "torch": ("import torch", "MANTLET_TORCH_PYTHON", "apt-get install python3-torch (150 MB)"),
    "keras": ("import keras, tensorflow, tf2onnx", "MANTLET_KERAS_PYTHON", "pip install tensorflow-cpu tf2onnx (1.5 GB)"),
}


def test_the_page_has_a_script_for_each_framework():
    assert list(SCRIPTS) == ["sklearn", "xgboost", "lightgbm", "torch", "keras", "compare"]


def python_with(framework):
    """A Python that has the framework; without one the test is left out, and says how it is run."""
    modules, setting, install = ELSEWHERE[framework]
    for python in (os.environ.get(setting), sys.executable, "/usr/bin/python3"):
        try:
            if python and subprocess.run([python, "-c", modules], capture_output=True, timeout=300).returncode == 0:
                return python
        except FileNotFoundError:
            continue
    pytest.skip(f"no Python here has {framework}: {install}, and {setting}=PYTHON if it is elsewhere")


def add(served, package, framework, settings=""):
    """Adds what a script wrote; how to ask it."""
    name = f"converted-{framework}"
    (package / "mantlet-model.toml").write_text(f'name = "{name}"\n{settings}')
    served.run("model", "add", str(package))
    key = served.new_key(f"{name}-app", [name])

    def ask(path, body):
        return requests.post(
            f"{served.url}{path.format(name)}", json=body, verify=served.ca, timeout=60,
            headers={"Authorization": f"Bearer {key}"},
        )

    return ask


def write(python, framework, package):
    package.mkdir()
    subprocess.run([python, "-c", SCRIPTS[framework]], cwd=package, check=True, env=clean_environment(), timeout=600)


@pytest.mark.parametrize("framework", ["sklearn", "xgboost", "lightgbm"])
def test_what_the_script_writes_answers(framework, served, tmp_path):
    package = tmp_path / framework
    write(sys.executable, framework, package)
    ask = add(served, package, framework)
    reply = ask("/v1/models/{}/predict", {"features": [float(value) for value in load_breast_cancer().data[0]]})
    assert reply.status_code == 200, reply.text
    # The first row of the data set is malignant, which is class 0, and no model is in doubt about it.
    assert (reply.json()["result"], reply.json()["confidence"] > 0.9) == ("0", True), reply.text


@pytest.mark.parametrize("framework", ELSEWHERE)
def test_what_the_script_writes_answers_as_the_framework_did(framework, served, tmp_path):
    written, package = tmp_path / "written", tmp_path / framework
    write(python_with(framework), framework, written)
    subprocess.run([sys.executable, "-c", SCRIPTS["compare"]], cwd=written, check=True, env=clean_environment(), timeout=60)
    package.mkdir()
    (written / "model.onnx").rename(package / "model.onnx")
    rows, expected = numpy.load(written / "rows.npy"), numpy.load(written / "expected.npy")
    tensor = {"name": "X", "shape": list(rows.shape), "datatype": "FP32", "data": rows.tolist()}
    # Such models do not name their classes, so the package does; and rows in doubt are answered as others are.
    ask = add(served, package, framework, 'labels = ["no", "yes"]\nthreshold = 0.0\n')
    reply = ask("/v2/models/{}/infer", {"inputs": [tensor]})
    assert reply.status_code == 200, reply.text
    output, = (output for output in reply.json()["outputs"] if output["datatype"] == "FP32")
    have = numpy.array(output["data"]).reshape(output["shape"])
    assert have.shape == expected.shape and numpy.abs(have - expected).max() < 1e-5
