"""The scripts of `docs/how-to/convert-to-onnx.md`, run as they stand there; what they write is served and asked."""

import re
import subprocess
import sys

import pytest
import requests
from conftest import ROOT, clean_environment
from sklearn.datasets import load_breast_cancer

PAGE = (ROOT / "docs/how-to/convert-to-onnx.md").read_text()
SCRIPTS = dict(re.findall(r"^```python (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_the_page_has_a_script_for_each_framework():
    assert list(SCRIPTS) == ["sklearn", "xgboost", "lightgbm"]


@pytest.mark.parametrize("framework", SCRIPTS)
def test_what_the_script_writes_answers(framework, served, tmp_path):
    package = tmp_path / framework
    package.mkdir()
    subprocess.run([sys.executable, "-c", SCRIPTS[framework]], cwd=package, check=True, env=clean_environment())
    name = f"converted-{framework}"
    (package / "mantlet-model.toml").write_text(f'name = "{name}"\n')
    served.run("model", "add", str(package))
    key = served.new_key(f"{name}-app", [name])
    row = [float(value) for value in load_breast_cancer().data[0]]
    reply = requests.post(
        f"{served.url}/v1/models/{name}/predict", json={"features": row}, verify=served.ca, timeout=60,
        headers={"Authorization": f"Bearer {key}"},
    )
    assert reply.status_code == 200, reply.text
    # The first row of the data set is malignant, which is class 0, and no model is in doubt about it.
    assert (reply.json()["result"], reply.json()["confidence"] > 0.9) == ("0", True), reply.text
