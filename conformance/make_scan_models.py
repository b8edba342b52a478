"""Writes ordinary model files with whatever versions of the libraries are installed here: make_scan_models.py OUT."""

import pickle
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils import all_estimators

warnings.simplefilter("ignore")
OUT = Path(sys.argv[1])
rng = np.random.RandomState(0)
X = np.abs(rng.randn(40, 4)) + 0.1
y = (X[:, 0] > X[:, 1]).astype(int)
TEXTS = ["the cat sat", "a dog ran off", "birds fly", "the dog sat"] * 10


def construct(name, estimator):
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.tree import DecisionTreeClassifier

    inner = {"estimator": LogisticRegression(), "base_estimator": LogisticRegression()}
    if name in ("GridSearchCV", "HalvingGridSearchCV"):
        return estimator(LogisticRegression(), {"C": [0.1, 1.0]})
    if name in ("RandomizedSearchCV", "HalvingRandomSearchCV"):
        return estimator(LogisticRegression(), {"C": [0.1, 1.0, 2.0]}, n_iter=2)
    if name == "ColumnTransformer":
        from sklearn.preprocessing import OneHotEncoder, StandardScaler
        return estimator([("a", StandardScaler(), [0, 1]), ("b", OneHotEncoder(handle_unknown="ignore"), [2])])
    if name == "FeatureUnion":
        from sklearn.decomposition import PCA
        from sklearn.preprocessing import MinMaxScaler
        return estimator([("a", PCA(2)), ("b", MinMaxScaler())])
    if name == "Pipeline":
        from sklearn.preprocessing import StandardScaler
        return estimator([("scale", StandardScaler()), ("model", DecisionTreeClassifier())])
    if name in ("StackingClassifier", "VotingClassifier"):
        return estimator([("a", LogisticRegression()), ("b", DecisionTreeClassifier())])
    if name in ("StackingRegressor", "VotingRegressor"):
        return estimator([("a", Ridge())])
    if name == "SparseCoder":
        return estimator(np.eye(4))
    for key, value in inner.items():
        try:
            return estimator(**{key: value if "Regress" not in name else Ridge()})
        except TypeError:
            continue
    return estimator()


def fitted():
    try:
        from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
    except ImportError:
        pass
    for name, estimator in all_estimators():
        for make in (lambda: estimator(), lambda: construct(name, estimator)):
            try:
                model = make()
                break
            except Exception:
                model = None
        if model is None:
            print("not made:", name, file=sys.stderr)
            continue
        yield f"{name}-new", model
        for data in ((X, y), (X, X[:, 1]), (X, np.c_[y, 1 - y]), (TEXTS, y), (y.reshape(-1, 1), y), (y, None), (X, X[:, :2]), ([{"a": 1.0, "b": "c"}] * 40, y)):
            try:
                yield name, model.fit(*data) if data[1] is not None else model.fit(data[0])
                break
            except Exception:
                continue
        else:
            print("not fitted:", name, file=sys.stderr)


def others():
    yield "array-object", np.array(["a", None, 3.5, {"k": [1, 2]}], dtype=object)
    yield "array-record", np.zeros(3, dtype=[("a", "f8"), ("b", "i4", (2,)), ("c", "U5")])
    yield "array-fortran", np.asfortranarray(X)
    yield "array-masked", np.ma.array(X, mask=X > 1)
    yield "array-time", np.array(["2020-01-01"], dtype="M8[D]")
    yield "scalars", [np.float64(1.5), np.int32(3), np.bool_(True), np.str_("x"), np.datetime64("2020-01-01")]
    yield "generators", [np.random.RandomState(1), np.random.default_rng(1), np.random.SeedSequence(5)]
    yield "plain", {"a": [1, 2.5, None, True, b"x", (1, 2)], "b": {1, 2}, "c": frozenset([3]), "d": 1 << 90, "e": 1j, "f": range(3)}
    from scipy import sparse

    for kind in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr"):
        yield f"sparse-{kind}", sparse.random(5, 5, 0.4, format=kind)
    try:
        import xgboost

        yield "xgb-classifier", xgboost.XGBClassifier(n_estimators=3).fit(X, y)
        yield "xgb-regressor", xgboost.XGBRegressor(n_estimators=3).fit(X, X[:, 0])
        yield "xgb-booster", xgboost.XGBClassifier(n_estimators=3).fit(X, y).get_booster()
    except ImportError:
        pass
    try:
        import lightgbm

        yield "lgbm-classifier", lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, y)
        yield "lgbm-booster", lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(X, y).booster_
    except ImportError:
        pass


def write(name, model):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        try:
            (OUT / f"{name}-{protocol}.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
        except Exception as error:
            print("not written:", name, protocol, error, file=sys.stderr)
    joblib.dump(model, OUT / f"{name}.joblib")
    if not name.endswith("-new"):
        for kind in ("zlib", "gzip", "bz2", "xz", "lzma", "lz4"):
            try:
                joblib.dump(model, OUT / f"{name}.joblib.{kind}", compress=(kind, 3))
            except ValueError:
                pass


for entry in list(fitted()) + list(others()):
    write(*entry)
np.savez(OUT / "several.npz", a=X, b=y)
np.savez_compressed(OUT / "compressed.npz", a=X, b=y)
np.save(OUT / "objects.npy", np.array([1, "a"], dtype=object), allow_pickle=True)
