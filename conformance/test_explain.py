"""Explanations over HTTP, held against the definition: Shapley values enumerated over onnxruntime, and their axioms."""

import csv
import itertools
import json
import math

import numpy
import onnxruntime
import pytest
import requests

from conftest import ROOT

MODELS = ROOT / "testdata/models"
LISTED = json.loads((MODELS / "models.json").read_text())["models"]
EXACT = {"bc-lr": "linear", "bc-gbdt": "tree", "rain-gbdt": "tree", "diabetes-gbr": "tree"}


def table(model, name):
    with open(MODELS / LISTED[model]["dataset"] / f"{name}.csv") as file:
        rows = list(csv.reader(file))
    return rows[0][:-1], [row[:-1] for row in rows[1:]]


@pytest.fixture(scope="module")
def added(served, tmp_path_factory):
    """All models with a background of 16 rows, and neither threshold nor range in the way."""
    backgrounds = {}
    for name, model in LISTED.items():
        package = tmp_path_factory.mktemp(name)
        (package / "model.onnx").write_bytes((MODELS / model["file"]).read_bytes())
        none = model["outputs"] == ["variable"]
        settings = f'name = "{name}"\n' + ('confidence = "none"\n' if none else "threshold = 0.0\n")
        settings += "[disclosure]\ndecimals = 12\n[range]\npolicy = \"off\"\n"
        (package / "mantlet-model.toml").write_text(settings)
        reference = MODELS / model["dataset"] / "test.csv"
        served.run("model", "profile", str(package), "--reference", str(reference), "--background", "16")
        profile = json.loads((package / "profile.json").read_text())
        assert len(profile["background"]["rows"]) == 16
        backgrounds[name] = profile["background"]["rows"]
        served.run("model", "add", str(package))
    return served, served.new_key("explained", list(LISTED), rate=60_000_000), backgrounds


def explain(added, name, row, **options):
    served, key, _ = added
    body = {"features": row} | ({"options": options} if options else {})
    answer = requests.post(f"{served.url}/v2/models/{name}/explain", json=body, verify=served.ca,
                           headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def cells(names, row):
    return {name: cell if not _is_number(cell) else float(cell) for name, cell in zip(names, row)}


def _is_number(cell):
    try:
        float(cell)
        return True
    except ValueError:
        return False


class Oracle:
    """A model's output on a scale, by onnxruntime."""

    def __init__(self, name):
        self.session = onnxruntime.InferenceSession(str(MODELS / LISTED[name]["file"]), providers=["CPUExecutionProvider"])
        self.inputs = self.session.get_inputs()

    def feed(self, names, rows):
        if len(self.inputs) == 1:
            return {self.inputs[0].name: numpy.array(rows, dtype=numpy.float32)}
        columns = dict(zip(names, zip(*rows)))
        return {
            i.name: numpy.array(columns[i.name], dtype=object if "string" in i.type else numpy.float32).reshape(-1, 1)
            for i in self.inputs
        }

    def outputs(self, names, rows, column, scale):
        output = "variable" if scale == "value" else "probabilities"
        said = numpy.asarray(self.session.run([output], self.feed(names, rows))[0], dtype=float)
        said = said.reshape(len(rows), -1)[:, column]
        return numpy.log(said / (1 - said)) if scale == "log_odds" else said


def enumerated(oracle, names, background, x, column, scale):
    """Shapley values by their definition; every coalition of at most ten features."""
    n = len(names)
    coalitions = list(itertools.product([False, True], repeat=n))
    mixed = [[a if chosen else b for a, b, chosen in zip(x, row, coalition)] for coalition in coalitions for row in background]
    values = oracle.outputs(names, mixed, column, scale).reshape(len(coalitions), -1).mean(axis=1)
    value = dict(zip(coalitions, values))
    weight = [math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) for s in range(n)]
    def of(i):
        without = [c for c in coalitions if not c[i]]
        return sum(weight[sum(c)] * (value[c[:i] + (True,) + c[i + 1:]] - value[c]) for c in without)
    return numpy.array([of(i) for i in range(n)])


@pytest.mark.parametrize("name", LISTED)
def test_attributions_sum_to_the_answer_less_the_base(added, name):
    names, rows = table(name, "test")
    oracle, (_, _, backgrounds) = Oracle(name), added
    for row in rows[:3]:
        answer = explain(added, name, cells(names, row), **({} if name in EXACT else {"evaluations": 1500}))
        found = answer["explanation"]
        assert found["method"] == EXACT.get(name, "sampling")
        values = [item["value"] for item in found["attributions"]]
        assert [item["feature"] for item in found["attributions"]] == names
        assert sum(values) == pytest.approx(found["output_value"] - found["base_value"], abs=1e-9)
        column = 0 if found["scale"] == "value" else int(answer["result"])
        numbers = [[float(c) if _is_number(c) else c for c in r] for r in [row]]
        said = oracle.outputs(names, numbers, column, found["scale"])[0]
        assert found["output_value"] == pytest.approx(said, abs=2e-3, rel=2e-3)
        base = oracle.outputs(names, backgrounds[name], column, found["scale"]).mean()
        assert found["base_value"] == pytest.approx(base, abs=5e-3, rel=2e-3)
        assert found["evaluations"] <= 1501


@pytest.mark.parametrize("name", ["rain-gbdt", "diabetes-gbr"])
def test_small_models_are_explained_as_the_definition_says(added, name):
    names, rows = table(name, "test")
    for row in rows[:2]:
        x = [float(cell) for cell in row]
        answer = explain(added, name, x)
        found = answer["explanation"]
        column = 0 if found["scale"] == "value" else int(answer["result"])
        expect = enumerated(Oracle(name), names, added[2][name], x, column, found["scale"])
        values = numpy.array([item["value"] for item in found["attributions"]])
        assert numpy.abs(values - expect).max() <= 1e-4 * max(1.0, numpy.abs(expect).max())


def test_the_same_request_gets_the_same_explanation(added):
    names, rows = table("bc-mlp", "test")
    one, two = (explain(added, "bc-mlp", cells(names, rows[5]), evaluations=600) for _ in range(2))
    assert one["explanation"] == two["explanation"]
    assert one["request_id"] != two["request_id"]


def test_both_protocols_get_one_explanation(added):
    served, key, _ = added
    names, rows = table("bc-gbdt", "test")
    row = [float(cell) for cell in rows[0]]
    v2 = {"id": "mine", "inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 30], "data": row}]}
    answer = requests.post(f"{served.url}/v2/models/bc-gbdt/explain", json=v2, verify=served.ca,
                           headers={"Authorization": f"Bearer {key}"}).json()
    assert answer["id"] == "mine"
    assert answer["explanation"] == explain(added, "bc-gbdt", row)["explanation"]


def test_shap_agrees_where_it_is_installed(added):
    """The standing comparison with shap is in testdata/explained; this one is fresh."""
    shap = pytest.importorskip("shap", reason="pip install shap==0.51.0 to compare afresh")
    names, rows = table("bc-mlp", "test")
    x, background = [float(c) for c in rows[0]], numpy.array(added[2]["bc-mlp"], dtype=float)
    answer = explain(added, "bc-mlp", x, evaluations=20_000)
    found, column = answer["explanation"], int(answer["result"])
    oracle = Oracle("bc-mlp")
    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.explainers.Permutation(lambda r: oracle.outputs(names, r, column, "probability"), masker, seed=1)
    expect = explainer(numpy.array([x]), max_evals=50 * 61, silent=True).values[0]
    for item, expect in zip(found["attributions"], expect):
        assert abs(item["value"] - expect) <= 5 * item["standard_error"] + 5e-3, item
