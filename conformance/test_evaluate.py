"""Evaluations against scikit-learn: the report's figures are those of sklearn.metrics on the model's own outputs.

Both are computed from the same numbers: the model answers every row over the Open Inference Protocol, unrounded, and
scikit-learn is given these answers; the report comes from the same server. They agree to 1e-9.
"""

import csv
import json
import math
import pathlib
import subprocess

import numpy
import pyarrow.csv
import pytest
import requests
from conftest import BINARY, ROOT, clean_environment
from pyarrow import parquet
from sklearn import metrics

MODELS = ROOT / "testdata/models"
TOLERANCE = 1e-9
# Fifteen decimals say all of a 32-bit number, and nothing is withheld below a threshold of zero.
SETTINGS = 'name = "{name}"\nthreshold = {threshold}\n[disclosure]\ndecimals = 15\n[range]\npolicy = "off"\n'
KNOWN = json.loads((MODELS / "models.json").read_text())["models"]
CLASSIFIERS = ["bc-lr", "bc-gbdt", "credit-lr", "digits-mlp", "rain-gbdt"]
REGRESSIONS = ["diabetes-gbr"]
BINS = 15


def doubles(values):
    """32-bit floats as doubles: JSON has the shortest text that names the float, which names another double."""
    return numpy.array(values, dtype=numpy.float32).astype(float)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    return header, rows


@pytest.fixture(scope="module")
def packages(served, tmp_path_factory):
    """Every model as a profiled, registered package; and a key for all of them."""
    root = tmp_path_factory.mktemp("packages")
    for name in CLASSIFIERS + REGRESSIONS:
        entry = KNOWN[name]
        if not (MODELS / entry["file"]).exists():
            continue
        package, data = root / name, MODELS / entry["dataset"]
        package.mkdir()
        (package / "model.onnx").write_bytes((MODELS / entry["file"]).read_bytes())
        (package / "mantlet-model.toml").write_text(SETTINGS.format(name=name, threshold=0.0))
        served.run("model", "profile", str(package), "--reference", str(data / "train.csv"),
                   "--calibration", str(data / "calib.csv"))
        served.run("model", "add", str(package))
    return root, served.new_key("evaluator", CLASSIFIERS + REGRESSIONS, rate=10_000_000)


def asked(served, key, name, header, rows):
    """What the model answers to every row: outputs by name, and the confidences."""
    session = requests.Session()
    session.trust_env = False  # a CA bundle in the environment would take precedence
    session.verify, session.headers["Authorization"] = served.ca, f"Bearer {key}"
    inputs = session.get(f"{served.url}/v2/models/{name}").json()["inputs"]
    outputs, confidences = {}, []
    for start in range(0, len(rows), 500):
        batch = [row[:-1] for row in rows[start:start + 500]]
        if len(inputs) == 1:
            data = [float(cell) for row in batch for cell in row]
            tensors = [{**inputs[0], "shape": [len(batch), len(header) - 1], "data": data}]
        else:
            columns = {column: [row[place] for row in batch] for place, column in enumerate(header[:-1])}
            tensors = [
                {**spec, "shape": [len(batch), 1], "data": columns[spec["name"]] if spec["datatype"] == "BYTES"
                 else [float(cell) for cell in columns[spec["name"]]]}
                for spec in inputs
            ]
        answer = session.post(f"{served.url}/v2/models/{name}/infer", json={"inputs": tensors})
        assert answer.status_code == 200, answer.text
        answer = answer.json()
        for output in answer["outputs"]:
            kept = outputs.setdefault(output["name"], [])
            width = max(1, math.prod(output["shape"][1:]))
            data = output["data"]
            kept.extend(data[place:place + width] for place in range(0, len(data), width))
        said = answer["parameters"].get("row_confidence") or str(answer["parameters"].get("confidence", ""))
        confidences.extend(float(text) for text in said.split(",") if text)
    return outputs, numpy.array(confidences)


def evaluated(served, name, data, *options):
    return json.loads(served.run("evaluate", name, "--data", str(data), "--json", *options).stdout)


def value(estimate):
    return estimate["value"]


def agrees(found, expected, what):
    assert found == pytest.approx(expected, abs=TOLERANCE, rel=TOLERANCE), what


def calibration_error(confidence, right):
    place = numpy.clip(numpy.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return sum(
        (place == index).mean() * abs(confidence[place == index].mean() - right[place == index].mean())
        for index in range(BINS) if (place == index).any()
    )


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_is_measured_as_scikit_learn_measures_it(served, packages, name):
    _, key = packages
    data = MODELS / KNOWN[name]["dataset"] / "test.csv"
    header, rows = table(data)
    rows = rows[:4000]
    outputs, confidence = asked(served, key, name, header, rows)
    part = pathlib.Path(packages[0]) / f"{name}.csv"
    with open(part, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    report = evaluated(served, name, part)
    assert report["rows"] == {"given": len(rows), "refused": 0, "evaluated": len(rows)}
    figures = report["classification"]
    probabilities = next(
        doubles(output) for output in outputs.values() if len(output[0]) == len(figures["labels"])
    )
    truth = numpy.array([int(float(row[-1])) for row in rows])
    said = next(
        (numpy.array([int(cell[0]) for cell in output]) for output_name, output in outputs.items()
         if len(output[0]) == 1 and "label" in output_name.lower()),
        probabilities.argmax(axis=1),
    )
    labels = list(range(len(figures["labels"])))
    binary = len(labels) == 2
    agrees(value(figures["accuracy"]), metrics.accuracy_score(truth, said), "accuracy")
    scores = probabilities[:, 1] if binary else probabilities
    if binary:
        area, brier = metrics.roc_auc_score(truth, scores), metrics.brier_score_loss(truth, scores)
    else:
        # scikit-learn wants sums of exactly one; dividing by what is all but one changes no order within a class.
        area = numpy.mean([metrics.roc_auc_score(truth == label, probabilities[:, label]) for label in labels])
        brier = ((probabilities - numpy.eye(len(labels))[truth]) ** 2).sum(axis=1).mean()
    agrees(value(figures["roc_auc"]), area, "AUC")
    agrees(value(figures["brier"]), brier, "Brier")
    agrees(value(figures["log_loss"]), metrics.log_loss(truth, probabilities, labels=labels), "log loss")
    agrees(value(figures["ece"]), calibration_error(confidence, truth == said), "ECE")
    assert figures["confusion"] == metrics.confusion_matrix(truth, said, labels=labels).tolist()
    expected = metrics.precision_recall_fscore_support(truth, said, labels=labels, zero_division=numpy.nan)
    for found, precision, recall, f1, support in zip(figures["classes"], *expected):
        assert found["support"] == support
        for member, number in [("precision", precision), ("recall", recall), ("f1", f1)]:
            if math.isnan(number):
                assert member not in found
            else:
                agrees(value(found[member]), number, member)
    for label, found in zip(labels, figures["classes"]):
        agrees(value(found["roc_auc"]), metrics.roc_auc_score(truth == label, probabilities[:, label]), "class AUC")
    if binary and len(figures["roc"]) < 200:
        false, true, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
        assert numpy.allclose(numpy.array(figures["roc"]), numpy.stack([false, true], axis=1), atol=TOLERANCE)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_is_measured_as_scikit_learn_measures_it(served, packages, name):
    root, key = packages
    data = MODELS / KNOWN[name]["dataset"] / "test.csv"
    header, rows = table(data)
    outputs, _ = asked(served, key, name, header, rows)
    [values] = outputs.values()
    values, truth = doubles(values).reshape(-1), numpy.array([float(row[-1]) for row in rows])
    figures = evaluated(served, name, data)["regression"]
    agrees(value(figures["mae"]), metrics.mean_absolute_error(truth, values), "MAE")
    agrees(value(figures["rmse"]), metrics.root_mean_squared_error(truth, values), "RMSE")
    agrees(value(figures["r2"]), metrics.r2_score(truth, values), "R²")
    calibration = json.loads((root / name / "profile.json").read_text())["calibration"]
    within = numpy.abs(truth - values) <= calibration["half_width"]
    agrees(value(figures["interval"]["coverage"]), within.mean(), "coverage")
    agrees(figures["interval"]["width"], 2 * calibration["half_width"], "width")
    assert figures["interval"]["promised"] == calibration["coverage"]


def test_what_a_threshold_withholds_is_what_the_report_says(served, packages, tmp_path):
    """Coverage and accuracy at the threshold are those of the answers that callers get."""
    root, _ = packages
    package = tmp_path / "bc-strict"
    package.mkdir()
    for file in ("model.onnx", "profile.json"):
        (package / file).write_bytes((root / "bc-lr" / file).read_bytes())
    (package / "mantlet-model.toml").write_text(SETTINGS.format(name="bc-strict", threshold=0.99))
    served.run("model", "add", str(package))
    key = served.new_key("strict", ["bc-strict"], rate=10_000_000)
    header, rows = table(MODELS / "breast_cancer/test.csv")
    body = {"features": [dict(zip(header[:-1], map(float, row[:-1]))) for row in rows]}
    answer = requests.post(
        f"{served.url}/v1/models/bc-strict/predict", json=body, headers={"Authorization": f"Bearer {key}"},
        verify=served.ca,
    ).json()
    kept = [(result["result"], row[-1]) for result, row in zip(answer["results"], rows) if "action" not in result]
    figures = evaluated(served, "bc-strict", MODELS / "breast_cancer/test.csv")["classification"]["served"]
    assert len(kept) >= 10 and len(rows) - len(kept) >= 10  # or it would not be told
    agrees(value(figures["coverage"]), len(kept) / len(rows), "coverage")
    agrees(value(figures["accuracy"]), numpy.mean([said == truth for said, truth in kept]), "accuracy")


def told_of(told, whole):
    """Whether what is told is what the whole report has, where it is told at all."""
    if isinstance(told, dict):
        return all(told_of(value, whole.get(member)) for member, value in told.items())
    return told is None or told == whole


def test_a_package_is_evaluated_without_a_server(served, packages):
    """The workbench and the served model say the same, except of groups and bins of fewer than ten rows."""
    root, _ = packages
    data = MODELS / "credit/test.csv"
    offline = subprocess.run(
        [BINARY, "evaluate", str(root / "credit-lr"), "--data", str(data), "--slice", "purpose", "--json"],
        check=True, capture_output=True, text=True, env=clean_environment(),
    )
    offline, online = json.loads(offline.stdout), evaluated(served, "credit-lr", data, "--slice", "purpose")
    all_bins, told_bins = (report["classification"].pop("reliability") for report in (offline, online))
    assert all(bin in all_bins and bin["rows"] >= 10 for bin in told_bins)
    for member in ("classification", "rows", "bootstrap"):
        assert offline[member] == online[member]
    (everything,), (told,) = offline["slices"], online["slices"]
    assert sum(group["rows"] for group in everything["groups"]) == online["rows"]["evaluated"]
    names = {group["group"] for group in told["groups"]}
    left_out = [group for group in everything["groups"] if group["group"] not in names]
    whole = {group["group"]: group for group in everything["groups"]}
    for group in told["groups"]:
        # A figure about few rows of a group is left out, and none is another.
        assert told_of(group, whole[group["group"]]), (group, whole[group["group"]])
    assert told["left_out"] == len(left_out) and sum(group["rows"] for group in left_out) >= 10
    assert {group["group"] for group in left_out} >= {
        group["group"] for group in everything["groups"] if group["rows"] < 10
    }


def test_intervals_of_an_area_are_those_of_delong(served, packages):
    """The variance of an AUC by DeLong's definition, pair by pair."""
    _, key = packages
    header, rows = table(MODELS / "credit/test.csv")
    outputs, _ = asked(served, key, "credit-lr", header, rows)
    probabilities = next(doubles(output) for output in outputs.values() if len(output[0]) == 2)
    truth = numpy.array([int(float(row[-1])) for row in rows])
    ones, zeros = probabilities[truth == 1, 1], probabilities[truth == 0, 1]
    kernel = (ones[:, None] > zeros).astype(float) + 0.5 * (ones[:, None] == zeros)
    variance = kernel.mean(axis=1).var(ddof=1) / len(ones) + kernel.mean(axis=0).var(ddof=1) / len(zeros)
    found = evaluated(served, "credit-lr", MODELS / "credit/test.csv")["classification"]["roc_auc"]
    assert found["interval"]["method"] == "delong"
    half = 1.959963984540054 * math.sqrt(variance)
    agrees(found["interval"]["low"], kernel.mean() - half, "low")
    agrees(found["interval"]["high"], min(1.0, kernel.mean() + half), "high")


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4"])
def test_parquet_says_what_csv_says(packages, tmp_path, compression):
    """A profile and a report of PyArrow's file are those of the same rows as CSV."""
    root, _ = packages
    files = {}
    for part in ("train", "calib", "test"):
        source = MODELS / "credit" / f"{part}.csv"
        files[part] = tmp_path / f"{part}.parquet"
        # Text columns as dictionaries, as data frames with categories are written.
        rows = pyarrow.csv.read_csv(source, convert_options=pyarrow.csv.ConvertOptions(auto_dict_encode=True))
        parquet.write_table(rows, files[part], compression=compression, row_group_size=300)
    package = tmp_path / "credit-lr"
    package.mkdir()
    for file in ("model.onnx", "mantlet-model.toml"):
        (package / file).write_bytes((root / "credit-lr" / file).read_bytes())

    def run(*arguments):
        return subprocess.run(
            [BINARY, *map(str, arguments)], check=True, capture_output=True, text=True, env=clean_environment()
        ).stdout

    run("model", "profile", package, "--reference", files["train"], "--calibration", files["calib"])
    assert (package / "profile.json").read_bytes() == (root / "credit-lr/profile.json").read_bytes()
    reports = [
        json.loads(run("evaluate", package, "--data", data, "--slice", "purpose", "--json"))
        for data in (files["test"], MODELS / "credit/test.csv")
    ]
    # What is different is the digest of the table, which is of the text that was read.
    assert reports[0].pop("data_digest") != reports[1].pop("data_digest")
    assert reports[0] == reports[1]
