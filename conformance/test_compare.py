"""Comparisons against onnxruntime, NumPy and SciPy: what a new version changes is found out once more, from nothing but the two
ONNX files and the rows; and a client that sends all of its body hears why it was refused."""

import csv
import hashlib
import json

import numpy
import onnxruntime
import pytest
import requests
from conftest import ROOT
from scipy import stats

MODELS = ROOT / "testdata/models"
SETTINGS = 'name = "{name}"\nthreshold = 0.9\n[disclosure]\ndecimals = 15\n[range]\npolicy = "off"\n'
PAIRS = {"swap-cancer": ("bc-lr", "bc-gbdt"), "swap-digits": ("digits-mlp", "digits-mlp-at")}
KNOWN = json.loads((MODELS / "models.json").read_text())["models"]


def rows_of(dataset):
    with open(MODELS / dataset / "test.csv", newline="", encoding="utf-8") as file:
        _, *rows = list(csv.reader(file))
    return numpy.array([row[:-1] for row in rows], dtype=numpy.float32), numpy.array([int(row[-1]) for row in rows])


def probabilities(name, rows):
    entry = KNOWN[name]
    session = onnxruntime.InferenceSession(str(MODELS / entry["file"]), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: rows})
    scores = next(output for output in found if output.dtype == numpy.float32 and output.ndim == 2)
    return scores.astype(float)


@pytest.mark.parametrize("model", PAIRS)
def test_a_comparison_says_what_two_files_and_the_rows_say(served, tmp_path, model):
    first, second = PAIRS[model]
    dataset = KNOWN[first]["dataset"]
    for name in (first, second):
        package = tmp_path / name
        package.mkdir()
        (package / "model.onnx").write_bytes((MODELS / KNOWN[name]["file"]).read_bytes())
        (package / "mantlet-model.toml").write_text(SETTINGS.format(name=model))
        # Without calibration rows the confidence is the greatest probability as the model gives it.
        served.run("model", "profile", str(package), "--reference", str(MODELS / dataset / "train.csv"))
    served.run("model", "add", str(tmp_path / first))
    data, report = str(MODELS / dataset / "test.csv"), tmp_path / "comparison.json"
    update = ["model", "update", model]
    said = json.loads(served.run(*update, str(tmp_path / second), "--data", data, "--report", str(report),
                                 "--json").stdout)["comparison"]
    assert json.loads(report.read_text()) == said
    rows, truth = rows_of(dataset)
    live, candidate = probabilities(first, rows), probabilities(second, rows)
    count = len(rows)
    before, after = live.argmax(1), candidate.argmax(1)

    moves = {(change["from"], change["to"]): change["rows"] for change in said["answers"]["changes"]}
    expected = {}
    for source, target in zip(before[before != after], after[before != after]):
        expected[str(source), str(target)] = expected.get((str(source), str(target)), 0) + 1
    assert sum(moves.values()) + said["answers"].get("further", 0) == sum(expected.values()) > 0
    assert moves.items() <= expected.items() and all(rows >= 10 for rows in moves.values())

    kept, still = live.max(1) >= 0.9, candidate.max(1) >= 0.9
    outcomes = said["outcomes"]
    assert outcomes["served_to_fallback"] == (kept & ~still).sum()
    assert outcomes["fallback_to_served"] == (~kept & still).sum()
    assert said["changed"]["rows"] == ((before != after) | (kept != still)).sum()
    interval = stats.binomtest(said["changed"]["rows"], count).proportion_ci(method="wilson")
    found = said["changed"]["share"]["interval"]
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high), abs=1e-9)

    # Engines differ in the last digits of 32-bit numbers.
    near = {"abs": 2e-5}
    for spread, values in [(said["confidence"], candidate.max(1) - live.max(1)),
                           (said["answers"]["probability"], numpy.abs(candidate - live).max(1))]:
        assert spread["mean"]["value"] == pytest.approx(values.mean(), **near)
        assert len(spread["quantiles"]) == sum(min(at, 1 - at) * count >= 10 for at in (.01, .05, .25, .5, .75, .95, .99))
        for quantile in spread["quantiles"]:
            assert quantile["value"] == pytest.approx(numpy.quantile(values, quantile["at"]), **near)

    right = before == truth, after == truth
    lost, won = (right[0] & ~right[1]).sum(), (~right[0] & right[1]).sum()
    test = said["truth"]["mcnemar"]
    assert (test["only_live_right"], test["only_candidate_right"]) == (lost, won)
    assert test["p"] == pytest.approx(stats.binomtest(int(lost), int(lost + won)).pvalue if lost + won else 1.0, rel=1e-9)
    accuracy = said["truth"]["accuracy"]
    assert accuracy["difference"]["value"] == pytest.approx((won - lost) / count, abs=1e-12)
    # Agresti and Min: half a row in each cell, then Wald.
    cells, size = (won - lost) / (count + 2), count + 2
    half = stats.norm.ppf(0.975) * numpy.sqrt((lost + won + 1) / size - cells**2) / numpy.sqrt(size)
    ends = accuracy["difference"]["interval"]
    assert (ends["low"], ends["high"]) == pytest.approx((cells - half, cells + half), abs=1e-9)
    epsilon = numpy.finfo(float).eps
    losses = [-numpy.log(numpy.clip(scores[numpy.arange(count), truth], epsilon, 1 - epsilon)) for scores in (live, candidate)]
    by = losses[1] - losses[0]
    loss = said["truth"]["log_loss"]["difference"]
    half = stats.norm.ppf(0.975) * by.std(ddof=1) / numpy.sqrt(count)
    found = loss["value"], loss["interval"]["low"], loss["interval"]["high"]
    assert found == pytest.approx((by.mean(), by.mean() - half, by.mean() + half), rel=1e-3, abs=1e-4)

    # The log names the document, and who comes with it and its receipt is believed.
    digest = "comparison:" + hashlib.sha256(report.read_bytes()).hexdigest()
    log = [json.loads(line) for line in served.run("audit", "export").stdout.splitlines()]
    assert [entry["model_version"] for entry in log if entry.get("subject") == digest] == [2]
    changed = said["changed"]["share"]["value"]
    again = [*update, "--version-number", "2", "--data", data, "--max-changed"]
    refused = served.run(*again, str(changed / 2), check=False)
    assert refused.returncode == 1 and "accepted at most" in refused.stderr
    done = json.loads(served.run(*again, str(min(1, changed * 2)), "--json").stdout)
    assert done["stage"]["state"] == "live"
    back = json.loads(served.run("model", "rollback", model, "--json").stdout)
    assert (back["version"], back["replaced"]) == (1, 2)


def test_requests_hears_why_a_large_body_was_refused(served):
    session = requests.Session()
    session.trust_env, session.verify = False, served.ca
    for size in (1 << 20, 4 << 20, 15 << 20):
        answer = session.post(f"{served.url}/v1/models/breast-cancer/predict", data=b" " * size,
                              headers={"Authorization": "Bearer nobody", "Content-Type": "application/json"})
        assert answer.status_code == 401, size
