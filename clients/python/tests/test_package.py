"""Trained models become packages that a real server serves with the Python model's own answers, or are refused."""

import os
import subprocess

import lightgbm
import numpy
import pandas
import pytest
import xgboost
from sklearn import compose, datasets, ensemble, impute, linear_model, pipeline, preprocessing, svm
from sklearn.model_selection import train_test_split

import mantlet
from conftest import harness
from mantlet.packaging import manifest
from mantlet.packaging.export import exported as export

SEED = 3


def mixed():
    """Texts, numbers and missing values."""
    random = numpy.random.default_rng(SEED)
    rows = pandas.DataFrame(
        {
            "age": random.integers(18, 80, 400),
            "purpose": random.choice(["car", "house", "tv"], 400),
            "income": random.normal(5e4, 1e4, 400),
        }
    )
    rows.loc[::17, "income"] = numpy.nan
    truths = ((rows["purpose"] == "car") & (rows["age"] > 40) | (rows["income"] > 6e4)).map({True: "yes", False: "no"})
    return rows, truths


def by_column():
    numbers = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    texts = preprocessing.OneHotEncoder(handle_unknown="ignore")
    return compose.make_column_transformer((texts, ["purpose"]), (numbers, ["age", "income"]))


def scaled(model):
    return pipeline.make_pipeline(preprocessing.StandardScaler(), model)


def filled(model):
    return pipeline.make_pipeline(impute.SimpleImputer(), model)


BINARY = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
CLASSES = datasets.load_iris(return_X_y=True, as_frame=True)
NUMBERS = datasets.load_diabetes(return_X_y=True, as_frame=True)
MIXED = mixed()

MODELS = {
    "linear": (scaled(linear_model.LogisticRegression()), BINARY, "linear"),
    # Twenty trees, because their shares sum to more than 1 in 32 bits.
    "forest": (ensemble.RandomForestClassifier(20, random_state=SEED), BINARY, "tree"),
    "boosted": (ensemble.HistGradientBoostingClassifier(max_iter=20), BINARY, "tree"),
    "xgboost": (xgboost.XGBClassifier(n_estimators=20), BINARY, "tree"),
    "lightgbm": (lightgbm.LGBMClassifier(n_estimators=20, verbose=-1), BINARY, "tree"),
    "lightgbm-behind": (filled(lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)), BINARY, "tree"),
    "classes": (scaled(linear_model.LogisticRegression()), CLASSES, "linear"),
    "classes-xgboost": (xgboost.XGBClassifier(n_estimators=5), CLASSES, "tree"),
    "classes-lightgbm": (lightgbm.LGBMClassifier(n_estimators=5, verbose=-1), CLASSES, "tree"),
    "texts": (pipeline.make_pipeline(by_column(), linear_model.LogisticRegression()), MIXED, "sampling"),
    "ridge": (linear_model.Ridge(), NUMBERS, "linear"),
    "gradient": (ensemble.GradientBoostingRegressor(n_estimators=20, random_state=SEED), NUMBERS, "tree"),
    "xgboost-number": (xgboost.XGBRegressor(n_estimators=20), NUMBERS, "tree"),
    "lightgbm-number": (lightgbm.LGBMRegressor(n_estimators=20, verbose=-1), NUMBERS, "tree"),
}


def split(data):
    rows, truths = data
    return train_test_split(rows, truths, test_size=0.35, random_state=SEED)


@pytest.mark.parametrize("name", MODELS)
def test_the_server_answers_as_the_python_model_does(served, tmp_path, name):
    model, data, method = MODELS[name]
    seen, unseen, truths, unseen_truths = split(data)
    model.fit(seen, truths)
    labels = ["malignant", "benign"] if data is BINARY else None
    made = mantlet.package(
        model, seen, truths, name=name, directory=tmp_path / name, calibration=(unseen, unseen_truths), labels=labels
    )
    assert (made.rows_compared, made.rows_differing, made.profiled, made.data) == (len(data[0]), 0, True, None)
    assert made.largest_difference < 1e-4
    assert made.features == tuple(data[0].columns)
    assert sorted(os.listdir(tmp_path / name)) == ["mantlet-model.toml", "model.onnx", "profile.json"]
    served.run("model", "add", str(made.directory))
    with mantlet.Client(served.url, served.new_key(name, [name]), served.ca) as client:
        answers = client.predict(name, unseen)
        given = [answer for answer in answers if answer.served]
        assert len(given) > len(unseen) / 3
        own = [value for value, answer in zip(model.predict(unseen), answers) if answer.served]
        if made.task == "regression":
            assert [answer.result for answer in given] == pytest.approx(numpy.ravel(own).tolist(), rel=1e-4)
            assert all(answer.interval[0] < answer.result < answer.interval[1] for answer in given)
        elif labels:
            assert [answer.result for answer in given] == [labels[int(value)] for value in own]
        else:
            assert [answer.result for answer in given] == [str(value) for value in own]
        place = next(place for place, answer in enumerate(answers) if answer.served)
        assert client.explain(name, unseen.iloc[place]).method == method


def trained(rows=BINARY[0], truths=BINARY[1]):
    return scaled(linear_model.LogisticRegression()).fit(rows, truths)


def test_a_model_that_would_answer_otherwise_is_refused(tmp_path, monkeypatch):
    model = trained()
    other = trained(truths=1 - BINARY[1])
    monkeypatch.setattr("mantlet.packaging.exported", lambda *given: export(other, *given[1:]))
    with pytest.raises(mantlet.Disagreement) as error:
        mantlet.package(model, *BINARY, name="m", directory=tmp_path / "m")
    assert error.value.rows > 500
    assert error.value.largest > 0.9
    assert not (tmp_path / "m").exists()


def test_rows_on_a_threshold_may_differ_if_the_author_says_so(tmp_path):
    """Thresholds of XGBoost are values of the data, so behind a scaler in 32 bits some rows fall on their other side."""
    model = scaled(xgboost.XGBClassifier(n_estimators=5)).fit(*BINARY)
    with pytest.raises(mantlet.Disagreement, match="differing_max") as error:
        mantlet.package(model, *BINARY, name="m", directory=tmp_path / "m")
    made = mantlet.package(model, *BINARY, name="m", directory=tmp_path / "m", differing_max=0.05)
    assert made.rows_differing == error.value.rows > 0


def test_arrays_without_names_and_names_that_are_given(tmp_path):
    rows, truths = BINARY[0].to_numpy(), BINARY[1].to_numpy()
    model = trained(rows, truths)
    assert mantlet.package(model, rows, truths, name="a", directory=tmp_path / "a").features[:2] == ("x0", "x1")
    named = mantlet.package(model, rows, truths, name="b", directory=tmp_path / "b", features=BINARY[0].columns)
    assert named.features == tuple(BINARY[0].columns)


@pytest.mark.parametrize("kind", [bool, float, str])
def test_classes_of_other_types_are_the_same_classes(tmp_path, kind):
    truths = BINARY[1].map({0: "no", 1: "yes"}) if kind is str else BINARY[1].astype(kind)
    made = mantlet.package(
        trained(truths=truths), BINARY[0], truths, name="m", directory=tmp_path / "m", calibration=(BINARY[0], truths)
    )
    assert made.rows_differing == 0


def test_what_the_author_says_is_in_the_package(tmp_path):
    made = mantlet.package(
        trained(), *BINARY, name="m", directory=tmp_path / "m", threshold=0.9, labels=["bad", 'go"od\\'],
        sensitivity={"mean radius": 2}, settings={"fallback": {"action": "call back"}, "disclosure": {"decimals": 3}},
        background=0,
    )  # fmt: skip
    text = (made.directory / "mantlet-model.toml").read_text()
    for line in ("threshold = 0.9", '"mean radius" = 2', "[fallback]", 'action = "call back"', "decimals = 3"):
        assert line in text
    shown = subprocess.run(
        [harness.BINARY, "evaluate", str(made.directory), "--data", "/nowhere"], capture_output=True, text=True
    )
    assert "/nowhere" in shown.stderr, "the command understands the settings, and fails at the data alone"


def test_data_stay_out_of_the_package_and_go_away(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    mantlet.package(trained(), *BINARY, name="m", directory=tmp_path / "m", background=0)
    assert os.listdir(tmp_path / "scratch") == []
    assert sorted(os.listdir(tmp_path / "m")) == ["mantlet-model.toml", "model.onnx", "profile.json"]


def test_without_the_command_the_data_wait_for_it(tmp_path, monkeypatch):
    monkeypatch.delenv("MANTLET_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    made = mantlet.package(trained(), *BINARY, name="m", directory=tmp_path / "m", calibration=BINARY)
    assert (made.profiled, made.data) == (False, tmp_path / "m-data")
    assert sorted(os.listdir(made.data)) == ["calibration.csv", "reference.csv"]
    assert all((made.data / name).stat().st_mode & 0o077 == 0 for name in ("", "reference.csv", "calibration.csv"))
    line = made.next_command.replace("mantlet", harness.BINARY, 1)
    subprocess.run(line.split(), check=True, capture_output=True)
    assert (made.directory / "profile.json").exists()


def test_a_command_that_refuses_leaves_nothing_behind(tmp_path):
    with pytest.raises(mantlet.PackageError, match="mantlet model profile"):
        mantlet.package(trained(), *BINARY, name="m", directory=tmp_path / "m", settings={"nonsense": 1})
    assert not (tmp_path / "m").exists()
    with pytest.raises(mantlet.PackageError, match="no command"):
        mantlet.package(trained(), *BINARY, name="m", directory=tmp_path / "m", binary=tmp_path / "nothing")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(mantlet.PackageError, match="not empty"):
        mantlet.package(trained(), *BINARY, name="m", directory=tmp_path)
    assert (tmp_path / "mine").read_text() == "kept"


REGRESSION = linear_model.Ridge().fit(*NUMBERS)


@pytest.mark.parametrize(
    ("model", "data", "given", "why"),
    [
        (linear_model.LogisticRegression(), BINARY, {}, "not trained"),
        (object(), BINARY, {}, "no model of"),
        (xgboost.train({}, xgboost.DMatrix(*BINARY), 1), BINARY, {}, "XGBClassifier"),
        (svm.LinearSVC().fit(*BINARY), BINARY, {}, "CalibratedClassifierCV"),
        (preprocessing.StandardScaler().fit(BINARY[0]), BINARY, {}, "no model of|neither"),
        (REGRESSION, NUMBERS, {}, "calibration"),
        (REGRESSION, NUMBERS, {"labels": ["a"], "confidence": "none"}, "no `labels`"),
        (REGRESSION, NUMBERS, {"task": "guessing"}, "`classification` or `regression`"),
        (trained(), BINARY, {"labels": ["one"]}, "each of the 2 classes"),
        (trained(), BINARY, {"name": "Not A Name"}, "name"),
        (trained(), BINARY, {"features": ["a"]}, "every column once"),
        (trained(), BINARY, {"features": [f"f{place}" for place in range(30)]}, "other columns"),
        (trained(), (BINARY[0], BINARY[1][:-1]), {}, "as many truths"),
        (trained(), (BINARY[0].iloc[:, :-1], BINARY[1]), {}, "cannot be|features|columns"),
        (trained(), (BINARY[0].rename(columns={"mean radius": "target"}), BINARY[1]), {}, "called `target`"),
        (trained(), (BINARY[0], [None] * len(BINARY[0])), {}, "truth is missing"),
        (trained(), (BINARY[0].iloc[0], [1]), {}, "rows and columns"),
    ],
)
def test_what_cannot_be_packaged_is_said(tmp_path, model, data, given, why):
    with pytest.raises(mantlet.PackageError, match=why):
        mantlet.package(model, *data, **{"name": "m", "directory": tmp_path / "m", **given})
    assert not (tmp_path / "m").exists()


def test_a_regression_without_confidence_says_so(tmp_path):
    made = mantlet.package(REGRESSION, *NUMBERS, name="m", directory=tmp_path / "m", confidence="none")
    assert 'confidence = "none"' in (made.directory / "mantlet-model.toml").read_text()


def test_toml_is_what_a_toml_reader_reads():
    tomllib = pytest.importorskip("tomllib")
    said = {
        "name": "m",
        "nothing": None,
        "labels": ['a"b', "c\\d", "e\nf", "\x7f", "ü", "😀"],
        "number": 0.1,
        "whole": 3,
        "flag": True,
        "fallback": {"action": "x", "left": None},
        "text": {"a b": {"chars_max": 5}, "empty": {}},
    }
    read = tomllib.loads(manifest.toml(said))
    assert read.pop("text") == {"a b": {"chars_max": 5}}
    assert read.pop("fallback") == {"action": "x"}
    assert read == {name: value for name, value in said.items() if name not in ("nothing", "fallback", "text")}
