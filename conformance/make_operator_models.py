#!/usr/bin/env python3
"""Makes small models that together use every tabular operator, with onnxruntime's answers.

    make_operator_models.py OUT        (testdata/operators in this repository)

Models come from scikit-learn, XGBoost and LightGBM through their usual exporters, and from hand-built graphs where those
exporters leave a choice of the standard unused. Seeds are fixed. Needs onnx, onnxruntime, numpy, scikit-learn, skl2onnx,
onnxmltools, xgboost and lightgbm.
"""

import os
import sys
import warnings

import numpy
import onnx
from onnx import TensorProto, helper

from agreement import write_case

warnings.filterwarnings("ignore")
SEED = 7
ML = "ai.onnx.ml"


make_attribute = helper.make_attribute


def make_attribute_of_plain_numbers(name, value, *rest, **options):
    """skl2onnx hands numpy's truth values on, which newer versions of onnx refuse."""
    if isinstance(value, (list, tuple, numpy.ndarray)) and any(isinstance(item, (bool, numpy.bool_)) for item in value):
        value = [int(item) for item in value]
    return make_attribute(name, value, *rest, **options)


helper.make_attribute = make_attribute_of_plain_numbers


class Output:
    """Where models and cases are written."""

    def __init__(self, directory):
        self.directory = directory
        self.failures = []
        os.makedirs(directory, exist_ok=True)

    def add(self, name, model, inputs, tolerance=1e-5):
        if name.startswith("neural-"):
            # The neural engine holds fewer types than the standard has, and goes by what a graph says of its outputs.
            outputs = onnx.shape_inference.infer_shapes(model).graph.output
            del model.graph.output[:]
            model.graph.output.extend(outputs)
        path = os.path.join(self.directory, f"{name}.onnx")
        for node in model.graph.node:
            node.doc_string = ""
        with open(path, "wb") as file:
            file.write(model.SerializeToString())
        try:
            write_case(path, inputs, os.path.join(self.directory, f"{name}.json"), tolerance)
        except Exception as error:
            os.remove(path)
            self.failures.append((name, str(error)[:300]))


def floats(rows, columns, seed=SEED, low=-2.0, high=2.0):
    return numpy.random.default_rng(seed).uniform(low, high, (rows, columns)).astype(numpy.float32)


# Exported pipelines


def datasets():
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

    cancer, iris, diabetes = load_breast_cancer(), load_iris(), load_diabetes()
    return {
        "binary": (cancer.data[:300, :6].astype(numpy.float32), cancer.target[:300]),
        "multi": (iris.data.astype(numpy.float32), iris.target),
        "regression": (diabetes.data[:200].astype(numpy.float32) * 10, diabetes.target[:200] / 100),
    }


def export(estimator, width, **options):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    return to_onnx(estimator, initial_types=[("input", FloatTensorType([None, width]))],
                   target_opset={"": 15, ML: 3}, options={type(estimator): options} if options else None)


def classifiers():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import (AdaBoostClassifier, BaggingClassifier, ExtraTreesClassifier,
                                  GradientBoostingClassifier, HistGradientBoostingClassifier,
                                  RandomForestClassifier, VotingClassifier)
    from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (Binarizer, KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, Normalizer,
                                       PolynomialFeatures, RobustScaler, StandardScaler)
    from sklearn.svm import SVC, LinearSVC, NuSVC
    from sklearn.tree import DecisionTreeClassifier

    lr = lambda: LogisticRegression(max_iter=500)
    return {
        "scaled-logistic": make_pipeline(StandardScaler(), lr()),
        "normalized-logistic": make_pipeline(Normalizer(norm="l2"), lr()),
        "normalized-l1-logistic": make_pipeline(Normalizer(norm="l1"), lr()),
        "normalized-max-logistic": make_pipeline(Normalizer(norm="max"), lr()),
        "minmax-logistic": make_pipeline(MinMaxScaler(), lr()),
        "maxabs-robust-logistic": make_pipeline(MaxAbsScaler(), RobustScaler(), lr()),
        "binarized-logistic": make_pipeline(StandardScaler(), Binarizer(), lr()),
        "polynomial-logistic": make_pipeline(StandardScaler(), PolynomialFeatures(2), lr()),
        "pca-logistic": make_pipeline(StandardScaler(), PCA(3), lr()),
        "bins-logistic": make_pipeline(KBinsDiscretizer(4, encode="onehot-dense", quantile_method="linear"), lr()),
        "one-vs-rest": make_pipeline(StandardScaler(), OneVsRestClassifier(lr())),
        "ridge": make_pipeline(StandardScaler(), RidgeClassifier()),
        "sgd-log": make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=SEED)),
        "sgd-hinge": make_pipeline(StandardScaler(), SGDClassifier(random_state=SEED)),
        "lda": LinearDiscriminantAnalysis(),
        "tree": DecisionTreeClassifier(max_depth=4, random_state=SEED),
        "forest": RandomForestClassifier(8, max_depth=4, random_state=SEED),
        "extra-trees": ExtraTreesClassifier(6, max_depth=4, random_state=SEED),
        "boosting": GradientBoostingClassifier(n_estimators=8, max_depth=3, random_state=SEED),
        "hist-boosting": HistGradientBoostingClassifier(max_iter=6, max_leaf_nodes=8, random_state=SEED),
        "adaboost": AdaBoostClassifier(n_estimators=4, random_state=SEED),
        "bagging": BaggingClassifier(DecisionTreeClassifier(max_depth=3), 4, random_state=SEED),
        "voting": VotingClassifier([("a", lr()), ("b", DecisionTreeClassifier(max_depth=3, random_state=SEED))], voting="soft", flatten_transform=False),
        "calibrated": CalibratedClassifierCV(LinearSVC(random_state=SEED), cv=3),
        "svc-rbf": make_pipeline(StandardScaler(), SVC(gamma=0.3)),
        "svc-rbf-probability": make_pipeline(StandardScaler(), SVC(gamma=0.3, probability=True, random_state=SEED)),
        "svc-poly": make_pipeline(StandardScaler(), SVC(kernel="poly", degree=3, coef0=0.5)),
        "svc-sigmoid": make_pipeline(StandardScaler(), SVC(kernel="sigmoid", gamma=0.1)),
        "svc-linear": make_pipeline(StandardScaler(), SVC(kernel="linear")),
        "nusvc": make_pipeline(StandardScaler(), NuSVC(nu=0.2, probability=True, random_state=SEED)),
        "linear-svc": make_pipeline(StandardScaler(), LinearSVC(random_state=SEED)),
        "gaussian-nb": GaussianNB(),
        "bernoulli-nb": make_pipeline(StandardScaler(), BernoulliNB()),
        "multinomial-nb": make_pipeline(MinMaxScaler(), MultinomialNB()),
        "mlp": make_pipeline(StandardScaler(), MLPClassifier((8, 4), max_iter=200, random_state=SEED)),
    }


def regressors():
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.ensemble import (ExtraTreesRegressor, GradientBoostingRegressor,
                                  HistGradientBoostingRegressor, RandomForestRegressor)
    from sklearn.linear_model import BayesianRidge, ElasticNet, Lasso, LinearRegression, PoissonRegressor, Ridge
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR, LinearSVR, NuSVR
    from sklearn.tree import DecisionTreeRegressor

    return {
        "linear": LinearRegression(),
        "ridge": Ridge(),
        "lasso": Lasso(0.01),
        "elastic-net": ElasticNet(0.01),
        "bayesian-ridge": BayesianRidge(),
        "poisson": PoissonRegressor(),
        "pls": PLSRegression(3),
        "tree": DecisionTreeRegressor(max_depth=4, random_state=SEED),
        "forest": RandomForestRegressor(6, max_depth=4, random_state=SEED),
        "extra-trees": ExtraTreesRegressor(6, max_depth=4, random_state=SEED),
        "boosting": GradientBoostingRegressor(n_estimators=8, random_state=SEED),
        "hist-boosting": HistGradientBoostingRegressor(max_iter=6, max_leaf_nodes=8, random_state=SEED),
        "svr-rbf": make_pipeline(StandardScaler(), SVR()),
        "svr-poly": make_pipeline(StandardScaler(), SVR(kernel="poly", degree=2)),
        "nusvr": make_pipeline(StandardScaler(), NuSVR(kernel="linear")),
        "linear-svr": LinearSVR(random_state=SEED),
        "mlp": MLPRegressor(hidden_layer_sizes=(8,), max_iter=200, random_state=SEED),
    }


def exported(out):
    from sklearn.base import clone

    data = datasets()
    for task in ("binary", "multi"):
        x, y = data[task]
        for name, estimator in classifiers().items():
            try:
                model = export(clone(estimator).fit(x, y), x.shape[1])
            except Exception as error:
                out.failures.append((f"{task}-{name}", "export: " + str(error)[:200]))
                continue
            out.add(f"sk-{task}-{name}", model, {"input": x[::12]})
    x, y = data["multi"]
    names = numpy.array(["setosa", "versicolor", "virginica"])[y]
    model = export(clone(classifiers()["scaled-logistic"]).fit(x, names), x.shape[1])
    out.add("sk-text-labels-logistic", model, {"input": x[::12]})
    model = export(clone(classifiers()["forest"]).fit(x, names), x.shape[1], zipmap=False)
    out.add("sk-text-labels-forest", model, {"input": x[::12]})
    x, y = data["regression"]
    for name, estimator in regressors().items():
        try:
            model = export(clone(estimator).fit(x, y), x.shape[1])
        except Exception as error:
            out.failures.append((f"regression-{name}", "export: " + str(error)[:200]))
            continue
        out.add(f"sk-regression-{name}", model, {"input": x[::12]})


def missing_values(out):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    x, y = datasets()["multi"]
    x = x.copy()
    x[numpy.random.default_rng(SEED).random(x.shape) < 0.15] = numpy.nan
    for name, estimator in {
        "imputed-logistic": make_pipeline(SimpleImputer(), LogisticRegression(max_iter=500)),
        "hist-boosting-missing": HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=6, random_state=SEED),
    }.items():
        out.add(f"sk-{name}", export(estimator.fit(x, y), x.shape[1]), {"input": x[::7]})


def columns(out):
    """Mixed columns: one [N, 1] input each, texts among them."""
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    random = numpy.random.default_rng(SEED)
    frame = pandas.DataFrame({
        "age": random.integers(18, 80, 120).astype(numpy.float32),
        "income": random.normal(50, 10, 120).astype(numpy.float32),
        "town": random.choice(["Köln", "Bonn", "Aachen"], 120),
        "plan": random.choice(["a", "b", "c", "d"], 120),
        "visits": random.integers(0, 5, 120),
    })
    y = (frame["age"] + 10 * (frame["town"] == "Köln") + random.normal(0, 5, 120) > 50).astype(int)
    types = [("age", FloatTensorType([None, 1])), ("income", FloatTensorType([None, 1])),
             ("town", StringTensorType([None, 1])), ("plan", StringTensorType([None, 1])),
             ("visits", Int64TensorType([None, 1]))]
    rows = frame.iloc[:25]
    inputs = {name: rows[[name]].to_numpy(dtype=object if name in ("town", "plan") else None) for name in frame}
    inputs["visits"] = inputs["visits"].astype(numpy.int64)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoders = {
        "one-hot": OneHotEncoder(handle_unknown="ignore"),
        "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    }
    for name, encoder in encoders.items():
        for kind, last in {"logistic": LogisticRegression(max_iter=500),
                           "forest": RandomForestClassifier(5, max_depth=4, random_state=SEED)}.items():
            pipeline = make_pipeline(ColumnTransformer([
                ("numbers", numbers, ["age", "income"]), ("texts", encoder, ["town", "plan"]),
                ("counts", "passthrough" if name == "ordinal" else OneHotEncoder(handle_unknown="ignore"), ["visits"]),
            ]), last)
            try:
                model = to_onnx(pipeline.fit(frame, y), initial_types=types, target_opset={"": 15, ML: 3})
            except Exception as error:
                out.failures.append((f"columns-{name}-{kind}", "export: " + str(error)[:200]))
                continue
            out.add(f"sk-columns-{name}-{kind}", model, inputs)


def boosted(out):
    import lightgbm
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    data = datasets()
    for task in ("binary", "multi", "regression"):
        x, y = data[task]
        kind = "Regressor" if task == "regression" else "Classifier"
        types = [("input", FloatTensorType([None, x.shape[1]]))]
        estimators = {
            "xgb": getattr(xgboost, f"XGB{kind}")(n_estimators=6, max_depth=3, random_state=SEED),
            "lgbm": getattr(lightgbm, f"LGBM{kind}")(n_estimators=6, num_leaves=6, random_state=SEED, verbose=-1),
        }
        for name, estimator in estimators.items():
            convert = onnxmltools.convert_xgboost if name == "xgb" else onnxmltools.convert_lightgbm
            try:
                model = convert(estimator.fit(x, y), initial_types=types, target_opset=15)
            except Exception as error:
                out.failures.append((f"{name}-{task}", "export: " + str(error)[:200]))
                continue
            out.add(f"{name}-{task}", model, {"input": x[::12]})


# Hand-built graphs


def graph(nodes, inputs, outputs, initializers=(), ml=3, opset=15):
    """A model; inputs are (name, element type, shape), outputs names."""
    return helper.make_model(
        helper.make_graph(
            nodes, "graph",
            [helper.make_tensor_value_info(*info) for info in inputs],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            list(initializers)),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)], ir_version=8)


def ml_node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, domain=ML, **attributes)


def one_node(out, name, operator, inputs, outputs=("y",), domain=ML, ml=3, opset=15, constants=None, tolerance=1e-5, **attributes):
    """A graph of a single node; inputs are arrays by name, constants too."""
    kinds = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64,
             "int32": TensorProto.INT32, "bool": TensorProto.BOOL, "object": TensorProto.STRING}
    constants = constants or {}
    node = helper.make_node(operator, [*inputs, *constants], list(outputs), domain=domain, **attributes)
    ports = [(key, kinds[value.dtype.name], [None, *value.shape[1:]]) for key, value in inputs.items()]
    initializers = [onnx.numpy_helper.from_array(value, key) for key, value in constants.items()]
    out.add(name, graph([node], ports, list(outputs), initializers, ml, opset), inputs, tolerance)


TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def linear(out):
    x = floats(9, 3)
    unit = floats(9, 3, low=0.05, high=0.3)
    for transform in TRANSFORMS:
        # The approximation of the probit cancels near one half, so that the last bits of a sum show.
        options = {"tolerance": 1e-4} if transform == "PROBIT" else {}
        inputs = {"x": unit if transform == "PROBIT" else x}
        suffix = transform.lower().replace("_", "-")
        weights = [0.5, 0.7, 0.2, 0.1, 0.4, 0.6, 0.3, 0.2, 0.9]
        one_node(out, f"linear-classifier-three-{suffix}", "LinearClassifier", inputs, ("label", "scores"),
                 coefficients=weights, intercepts=[0.1, 0.2, 0.0], classlabels_ints=[3, 5, 9], post_transform=transform, **options)
        one_node(out, f"linear-classifier-two-{suffix}", "LinearClassifier", inputs, ("label", "scores"),
                 coefficients=weights[:6], intercepts=[0.1, 0.2], classlabels_strings=["no", "yes"], post_transform=transform, **options)
        if transform != "PROBIT":
            one_node(out, f"linear-classifier-one-{suffix}", "LinearClassifier", inputs, ("label", "scores"),
                     coefficients=[0.5, -0.7, 0.2], intercepts=[0.1], classlabels_ints=[4, 2], post_transform=transform)
        one_node(out, f"linear-regressor-{suffix}", "LinearRegressor", inputs,
                 coefficients=weights[:6], intercepts=[0.1, 0.2], targets=2, post_transform=transform, **options)
    one_node(out, "linear-regressor-one-target", "LinearRegressor", {"x": x}, coefficients=[0.5, 0.2, -0.1])
    one_node(out, "linear-classifier-int-input", "LinearClassifier", {"x": numpy.arange(12).reshape(4, 3)}, ("label", "scores"),
             coefficients=[0.5, -0.7, 0.2, -0.5, 0.7, -0.2], intercepts=[0.1, -0.1], classlabels_ints=[0, 1])
    one_node(out, "linear-classifier-double-input", "LinearClassifier", {"x": x.astype(numpy.float64)}, ("label", "scores"),
             coefficients=[0.5, -0.7, 0.2, -0.5, 0.7, -0.2], intercepts=[0.1, -0.1], classlabels_ints=[0, 1])


def preparation(out):
    x = floats(6, 4)
    x[2] = 0
    for norm in ("MAX", "L1", "L2"):
        one_node(out, f"normalizer-{norm.lower()}", "Normalizer", {"x": x}, norm=norm)
    one_node(out, "scaler-one-pair", "Scaler", {"x": x}, offset=[0.5], scale=[3.0])
    one_node(out, "scaler-int-input", "Scaler", {"x": numpy.arange(8).reshape(2, 4)}, offset=[0.5, 1, 2, 3], scale=[3.0, 2, 1, 4])
    one_node(out, "binarizer", "Binarizer", {"x": x}, threshold=0.25)
    holes = x.copy()
    holes[0, 1] = holes[3, 2] = numpy.nan
    one_node(out, "imputer-nan", "Imputer", {"x": holes}, imputed_value_floats=[1.0, 2, 3, 4], replaced_value_float=float("nan"))
    one_node(out, "imputer-zero", "Imputer", {"x": x}, imputed_value_floats=[9.0], replaced_value_float=0.0)
    one_node(out, "imputer-ints", "Imputer", {"x": numpy.arange(8).reshape(2, 4)}, imputed_value_int64s=[7], replaced_value_int64=3)
    texts = numpy.array([["b"], ["a"], ["ü"], ["zzz"], [""]], dtype=object)
    numbers = numpy.array([[3], [1], [2], [9]])
    one_node(out, "one-hot-texts", "OneHotEncoder", {"x": texts}, cats_strings=["a", "b", "ü"], zeros=1)
    one_node(out, "one-hot-ints", "OneHotEncoder", {"x": numbers}, cats_int64s=[1, 2, 3], zeros=1)
    one_node(out, "one-hot-floats", "OneHotEncoder", {"x": numbers.astype(numpy.float32)}, cats_int64s=[1, 2, 3], zeros=1)
    one_node(out, "label-encoder-text-int", "LabelEncoder", {"x": texts}, keys_strings=["a", "b", "ü"], values_int64s=[5, 6, 7], default_int64=-9)
    one_node(out, "label-encoder-text-float", "LabelEncoder", {"x": texts}, keys_strings=["a", "b"], values_floats=[0.5, 1.5], default_float=-0.25)
    one_node(out, "label-encoder-int-text", "LabelEncoder", {"x": numbers}, keys_int64s=[1, 2, 3], values_strings=["x", "y", "z"], default_string="?")
    one_node(out, "label-encoder-float-float", "LabelEncoder",
             {"x": numpy.array([[1.5], [numpy.nan], [0.0], [-0.0], [7]], numpy.float32)},
             keys_floats=[1.5, float("nan"), 0.0], values_floats=[10.0, 20.0, 30.0], default_float=-1.0)
    one_node(out, "label-encoder-text-text", "LabelEncoder", {"x": texts}, keys_strings=["a", "b"], values_strings=["A", "B"])
    one_node(out, "label-encoder-tensors", "LabelEncoder", {"x": texts}, ml=4,
             keys_tensor=helper.make_tensor("k", TensorProto.STRING, [2], ["a", "b"]),
             values_tensor=helper.make_tensor("v", TensorProto.INT64, [2], [5, 6]),
             default_tensor=helper.make_tensor("d", TensorProto.INT64, [1], [-1]))
    one_node(out, "category-mapper-texts", "CategoryMapper", {"x": texts}, cats_strings=["a", "b"], cats_int64s=[4, 8], default_int64=-3)
    one_node(out, "category-mapper-ints", "CategoryMapper", {"x": numbers}, cats_strings=["a", "b"], cats_int64s=[1, 2], default_string="?")
    one_node(out, "array-feature-extractor", "ArrayFeatureExtractor", {"x": x}, constants={"i": numpy.array([2, 0])})
    one_node(out, "feature-vectorizer", "FeatureVectorizer", {"a": x, "b": x[:, :1]}, inputdimensions=[4, 1])


def trees(out):
    x = floats(12, 3)
    x[4, 0] = x[7, 1] = numpy.nan
    x[3, 0] = x[9, 1] = 0.5
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]

    def nodes(first, second, missing=(0, 0)):
        """Two trees, of three leaves and of two."""
        return dict(
            nodes_treeids=[0, 0, 0, 0, 0, 1, 1, 1], nodes_nodeids=[0, 1, 2, 3, 4, 0, 1, 2],
            nodes_featureids=[0, 1, 0, 0, 0, 2, 0, 0], nodes_values=[0.5, 0.5, 0, 0, 0, -0.1, 0, 0],
            nodes_modes=[first, second, "LEAF", "LEAF", "LEAF", first, "LEAF", "LEAF"],
            nodes_truenodeids=[1, 3, 0, 0, 0, 1, 0, 0], nodes_falsenodeids=[2, 4, 0, 0, 0, 2, 0, 0],
            nodes_missing_value_tracks_true=[missing[0], missing[1], 0, 0, 0, missing[0], 0, 0])

    leaves = dict(treeids=[0, 0, 0, 1, 1], nodeids=[2, 3, 4, 1, 2])

    def targets(prefix, ids, weights):
        return {f"{prefix}_treeids": leaves["treeids"], f"{prefix}_nodeids": leaves["nodeids"],
                f"{prefix}_ids": ids, f"{prefix}_weights": weights}

    weights = [0.5, -1.0, 2.0, 0.25, -0.75]
    for mode in modes:
        one_node(out, f"tree-mode-{mode[7:].lower()}", "TreeEnsembleRegressor", {"x": x}, n_targets=1,
                 **nodes(mode, mode), **targets("target", [0] * 5, weights))
        one_node(out, f"tree-mode-{mode[7:].lower()}-missing", "TreeEnsembleRegressor", {"x": x}, n_targets=1,
                 **nodes(mode, "BRANCH_LEQ", (1, 0)), **targets("target", [0] * 5, weights))
    for function in ("SUM", "AVERAGE", "MIN", "MAX"):
        for count, ids in ((1, [0] * 5), (2, [0, 1, 0, 1, 0])):
            for base in ([], [0.5] * count):
                extra = {"base_values": base} if base else {}
                one_node(out, f"tree-{function.lower()}-{count}{'-base' if base else ''}", "TreeEnsembleRegressor", {"x": x},
                         n_targets=count, aggregate_function=function, **extra,
                         **nodes("BRANCH_LEQ", "BRANCH_LT"), **targets("target", ids, weights))
    for transform in TRANSFORMS:
        suffix = transform.lower().replace("_", "-")
        positive = [0.1, 0.2, 0.05, 0.15, 0.3]
        for count, ids in ((1, [0] * 5), (3, [0, 1, 2, 1, 0])):
            one_node(out, f"tree-regressor-{count}-{suffix}", "TreeEnsembleRegressor", {"x": x}, n_targets=count,
                     post_transform=transform, base_values=[0.25] * count, **nodes("BRANCH_LEQ", "BRANCH_LEQ"),
                     **targets("target", ids, positive))
        cases = {
            "three": (dict(classlabels_int64s=[4, 5, 6]), [0, 1, 2, 1, 0], positive, [0.1, 0.2, 0.15]),
            "three-no-base": (dict(classlabels_strings=["a", "b", "c"]), [0, 1, 2, 1, 0], weights, []),
            "first": (dict(classlabels_int64s=[4, 5]), [0] * 5, positive, []),
            "first-base": (dict(classlabels_int64s=[4, 5]), [0] * 5, positive, [0.1]),
            "first-margin": (dict(classlabels_strings=["no", "yes"]), [0] * 5, weights, [0.1]),
            "first-margin-no-base": (dict(classlabels_int64s=[4, 5]), [0] * 5, weights, []),
            "first-two-base": (dict(classlabels_int64s=[4, 5]), [0] * 5, positive, [0.1, 0.2]),
            "second": (dict(classlabels_int64s=[4, 5]), [1] * 5, positive, []),
            "second-margin": (dict(classlabels_int64s=[4, 5]), [1] * 5, weights, []),
            "second-base": (dict(classlabels_int64s=[4, 5]), [1] * 5, positive, [0.1, 0.2]),
            "both": (dict(classlabels_int64s=[0, 1]), [0, 1, 0, 1, 0], positive, []),
            "both-base": (dict(classlabels_int64s=[0, 1]), [0, 1, 0, 1, 0], positive, [0.1, 0.2]),
        }
        for name, (labels, ids, values, base) in cases.items():
            if transform == "PROBIT" and not name.startswith("three"):
                continue
            extra = {"base_values": base} if base else {}
            one_node(out, f"tree-classifier-{name}-{suffix}", "TreeEnsembleClassifier", {"x": x}, ("label", "scores"),
                     post_transform=transform, **labels, **extra, **nodes("BRANCH_LEQ", "BRANCH_LEQ"), **targets("class", ids, values))
    plain = {**nodes("BRANCH_LEQ", "BRANCH_LEQ"), **targets("target", [0] * 5, weights)}
    one_node(out, "tree-double-input", "TreeEnsembleRegressor", {"x": x.astype(numpy.float64)}, n_targets=1, **plain)
    values, target_weights = plain.pop("nodes_values"), plain.pop("target_weights")
    one_node(out, "tree-double-tensors", "TreeEnsembleRegressor", {"x": x.astype(numpy.float64)}, n_targets=1,
             nodes_values_as_tensor=helper.make_tensor("v", TensorProto.DOUBLE, [8], values),
             target_weights_as_tensor=helper.make_tensor("w", TensorProto.DOUBLE, [5], target_weights), **plain)


def trees5(out):
    x = floats(12, 3)
    x[:, 2] = numpy.arange(12) % 5
    x[4, 0] = numpy.nan

    def ensemble(name, modes, kind=TensorProto.FLOAT, dtype=numpy.float32, targets=1, ids=(0, 0, 0, 0, 0), members=(), **extra):
        if members:
            extra["membership_values"] = helper.make_tensor("m", kind, [len(members)], list(members))
        one_node(out, name, "TreeEnsemble", {"x": x.astype(dtype)}, ml=5, n_targets=targets,
                 nodes_featureids=[0, 1, 2], nodes_modes=helper.make_tensor("o", TensorProto.UINT8, [3], bytes(modes), raw=True),
                 nodes_splits=helper.make_tensor("s", kind, [3], [0.5, -0.25, 2.0]),
                 nodes_truenodeids=[1, 0, 3], nodes_trueleafs=[0, 1, 1], nodes_falsenodeids=[2, 1, 4], nodes_falseleafs=[1, 1, 1],
                 nodes_missing_value_tracks_true=[1, 0, 0], tree_roots=[0, 2], leaf_targetids=list(ids),
                 leaf_weights=helper.make_tensor("w", kind, [5], [0.5, -1.0, 2.0, 0.25, 0.75]), **extra)

    ensemble("ensemble5-leq", [0, 0, 0])
    ensemble("ensemble5-modes", [1, 3, 4])
    ensemble("ensemble5-more-modes", [2, 5, 4])
    ensemble("ensemble5-member", [0, 1, 6], members=[1.0, 3.0, float("nan")])
    ensemble("ensemble5-double", [0, 0, 0], TensorProto.DOUBLE, numpy.float64)
    for function in range(4):
        ensemble(f"ensemble5-aggregate-{function}", [0, 0, 0], aggregate_function=function)
        ensemble(f"ensemble5-aggregate-{function}-two", [0, 0, 0], targets=2, ids=(0, 1, 0, 1, 0), aggregate_function=function)
    for transform in range(5):
        ensemble(f"ensemble5-transform-{transform}", [0, 0, 0], targets=2, ids=(0, 1, 0, 1, 0), post_transform=transform)


def plain(out):
    """Operators of ai.onnx around the learned ones."""
    x, y = floats(5, 4), floats(5, 4, SEED + 1)
    positive = numpy.abs(x) + 0.1
    for operator in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"):
        one_node(out, f"plain-{operator.lower()}", operator, {"a": x, "b": y}, domain="")
        one_node(out, f"plain-{operator.lower()}-row", operator, {"a": x}, domain="", constants={"b": y[0]})
        one_node(out, f"plain-{operator.lower()}-column", operator, {"a": x, "b": y[:, :1]}, domain="")
    one_node(out, "plain-pow", "Pow", {"a": positive}, domain="", constants={"b": numpy.array(1.5, numpy.float32)})
    one_node(out, "plain-div-ints", "Div", {"a": numpy.arange(-4, 4).reshape(4, 2)}, domain="", constants={"b": numpy.array([3, 2])})
    for operator in ("Neg", "Abs", "Exp", "Sigmoid", "Tanh", "Relu", "Floor", "Ceil", "Round", "Sign", "Identity"):
        one_node(out, f"plain-{operator.lower()}", operator, {"a": x}, domain="")
    for operator in ("Log", "Sqrt", "Reciprocal"):
        one_node(out, f"plain-{operator.lower()}", operator, {"a": positive}, domain="")
    one_node(out, "plain-not", "Not", {"a": x > 0}, domain="")
    one_node(out, "plain-and", "And", {"a": x > 0, "b": y > 0}, domain="")
    one_node(out, "plain-or", "Or", {"a": x > 0, "b": y > 0}, domain="")
    one_node(out, "plain-xor", "Xor", {"a": x > 0, "b": y > 0}, domain="")
    one_node(out, "plain-where", "Where", {"c": x > 0, "a": x, "b": y[:, :1]}, domain="")
    one_node(out, "plain-clip", "Clip", {"a": x}, domain="", constants={"l": numpy.array(-0.5, numpy.float32), "h": numpy.array(1, numpy.float32)})
    one_node(out, "plain-isnan", "IsNaN", {"a": numpy.where(x > 1, numpy.nan, x).astype(numpy.float32)}, domain="")
    for axis in (0, 1):
        one_node(out, f"plain-argmax-{axis}", "ArgMax", {"a": x}, domain="", axis=axis)
        one_node(out, f"plain-argmin-{axis}", "ArgMin", {"a": x}, domain="", axis=axis, keepdims=0)
        one_node(out, f"plain-softmax-{axis}", "Softmax", {"a": x}, domain="", axis=axis)
    one_node(out, "plain-softmax-11", "Softmax", {"a": floats(3, 8).reshape(3, 2, 4)}, domain="", opset=11, axis=1)
    one_node(out, "plain-logsoftmax", "LogSoftmax", {"a": x}, domain="")
    for operator in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2"):
        one_node(out, f"plain-{operator.lower()}", operator, {"a": x}, domain="", axes=[1])
        one_node(out, f"plain-{operator.lower()}-flat", operator, {"a": floats(3, 8).reshape(3, 2, 4)}, domain="", axes=[-1, 1], keepdims=0)
    one_node(out, "plain-reducesum", "ReduceSum", {"a": x}, domain="", constants={"axes": numpy.array([1])})
    one_node(out, "plain-matmul", "MatMul", {"a": x}, domain="", constants={"b": floats(4, 3)})
    one_node(out, "plain-gemm", "Gemm", {"a": x}, domain="", constants={"b": floats(3, 4), "c": floats(1, 3)[0]}, transB=1, alpha=0.5, beta=2.0)
    one_node(out, "plain-transpose", "Transpose", {"a": floats(3, 8).reshape(3, 2, 4)}, domain="", perm=[0, 2, 1])
    one_node(out, "plain-concat", "Concat", {"a": x, "b": y[:, :2]}, domain="", axis=1)
    one_node(out, "plain-reshape", "Reshape", {"a": floats(3, 8)}, domain="", constants={"s": numpy.array([0, 2, -1])})
    one_node(out, "plain-flatten", "Flatten", {"a": floats(3, 8).reshape(3, 2, 4)}, domain="")
    one_node(out, "plain-squeeze", "Squeeze", {"a": x[:, :1]}, domain="", constants={"s": numpy.array([1])})
    one_node(out, "plain-unsqueeze", "Unsqueeze", {"a": x}, domain="", constants={"s": numpy.array([-1, 1])})
    one_node(out, "plain-gather", "Gather", {"a": x}, domain="", constants={"i": numpy.array([3, -4])}, axis=1)
    one_node(out, "plain-cast-int", "Cast", {"a": x}, domain="", to=TensorProto.INT64)
    one_node(out, "plain-cast-bool", "Cast", {"a": numpy.arange(4).reshape(4, 1)}, domain="", to=TensorProto.BOOL)
    one_node(out, "plain-cast-text", "Cast", {"a": numpy.arange(4).reshape(4, 1)}, domain="", to=TensorProto.STRING)


def neural(out):
    """Operators that only the neural engine runs."""
    picture, signal, tokens = floats(2, 2 * 9 * 8).reshape(2, 2, 9, 8), floats(2, 3 * 10).reshape(2, 3, 10), floats(2, 12).reshape(2, 3, 4)

    def one(name, operator, x=picture, constants=None, opset=17, outputs=("y",), **attributes):
        one_node(out, f"neural-{name}", operator, {"x": x}, outputs, domain="", opset=opset, constants=constants, **attributes)

    kernel, bias = {"w": floats(4, 18).reshape(4, 2, 3, 3)}, {"b": floats(1, 4)[0]}
    for name, attributes in {
        "plain": {}, "strides": dict(strides=[2, 3]), "dilations": dict(dilations=[2, 1]), "pads": dict(pads=[1, 0, 2, 3]),
        "same-upper": dict(auto_pad="SAME_UPPER", strides=[2, 2]), "same-upper-even": dict(auto_pad="SAME_UPPER"), "valid": dict(auto_pad="VALID"),
    }.items():
        even = {"w": floats(4, 16).reshape(4, 2, 2, 4)} if name.endswith("even") else kernel
        one(f"conv-{name}", "Conv", constants={**even, **bias}, kernel_shape=list(even["w"].shape[2:]), **attributes)
    one("conv-groups", "Conv", constants={"w": floats(4, 9).reshape(4, 1, 3, 3)}, kernel_shape=[3, 3], group=2)
    one("conv-signal", "Conv", signal, {"w": floats(5, 9).reshape(5, 3, 3)}, kernel_shape=[3], strides=[2], pads=[1, 1])
    spread = {"w": floats(2, 27).reshape(2, 3, 3, 3), "b": floats(1, 3)[0]}
    for name, attributes in {
        "plain": {}, "strides": dict(strides=[2, 3]), "pads": dict(pads=[1, 0, 2, 1]), "dilations": dict(dilations=[2, 1]),
        "output-padding": dict(strides=[2, 2], output_padding=[1, 1]), "groups": dict(group=2),
        "same-upper": dict(auto_pad="SAME_UPPER", strides=[2, 2]),
    }.items():
        weights = dict(spread, b=floats(1, 6)[0]) if name == "groups" else spread
        one(f"conv-transposed-{name}", "ConvTranspose", constants=weights, kernel_shape=[3, 3], **attributes)
    for operator in ("MaxPool", "AveragePool"):
        for name, attributes in {
            "strides": dict(strides=[2, 2]), "pads": dict(pads=[1, 0, 0, 1], strides=[2, 1]), "ceil": dict(strides=[2, 2], ceil_mode=1),
            "same-upper": dict(auto_pad="SAME_UPPER", strides=[2, 2]),
        }.items():
            one(f"{operator.lower()}-{name}", operator, kernel_shape=[2, 3], **attributes)
    one("averagepool-pad-included", "AveragePool", kernel_shape=[2, 3], strides=[1, 1], pads=[1, 1, 1, 1], count_include_pad=1)
    one("averagepool-ceil-pad-included", "AveragePool", kernel_shape=[2, 3], strides=[2, 2], pads=[1, 1, 0, 1], count_include_pad=1, ceil_mode=1)
    one("globalaveragepool", "GlobalAveragePool")
    norm = {"s": floats(1, 2)[0], "b": floats(1, 2, 9)[0]}
    one("batchnormalization", "BatchNormalization", constants={**norm, "m": floats(1, 2, 10)[0], "v": numpy.abs(floats(1, 2, 11)[0]) + 0.1}, epsilon=1e-3)
    one("instancenormalization", "InstanceNormalization", constants=norm)
    one("layernormalization", "LayerNormalization", tokens, {"s": floats(1, 4)[0], "b": floats(1, 4, 9)[0]})
    one("layernormalization-axis", "LayerNormalization", tokens, {"s": floats(3, 4)}, axis=1)
    for p in (1, 2):
        one(f"lpnormalization-{p}", "LpNormalization", tokens, axis=1, p=p)
    for operator in ("Erf", "HardSwish", "Softplus", "Softsign", "Sin", "Cos", "Tan", "Elu", "HardSigmoid", "LeakyRelu", "IsInf"):
        one(operator.lower(), operator, tokens)
    for operator in ("Acos", "Asin", "Atan"):
        one(operator.lower(), operator, tokens / 4)
    for name, attributes in {"elu": dict(alpha=0.5), "hardsigmoid": dict(alpha=0.3, beta=0.4), "leakyrelu": dict(alpha=0.2)}.items():
        one(f"{name}-stated", {"elu": "Elu", "hardsigmoid": "HardSigmoid", "leakyrelu": "LeakyRelu"}[name], tokens, **attributes)
    for kind in ("none", "tanh"):
        one(f"gelu-{kind}", "Gelu", tokens, opset=20, approximate=kind)
    one("prelu", "PRelu", tokens, {"s": floats(3, 1)})
    for fmod in (0, 1):
        one(f"mod-{fmod}", "Mod", numpy.arange(-6, 6).reshape(4, 3), {"m": numpy.array([4, -4, 5])}, fmod=fmod)
    one("mod-floats", "Mod", tokens, {"m": numpy.array(0.7, numpy.float32)}, fmod=1)
    one("mod-floats-negative", "Mod", tokens, {"m": numpy.array(-0.7, numpy.float32)}, fmod=1)
    one("cumsum", "CumSum", tokens, {"a": numpy.array(1)})
    one("cumsum-reverse", "CumSum", tokens, {"a": numpy.array(-1)}, reverse=1, exclusive=1)
    for upper in (0, 1):
        one(f"trilu-{upper}", "Trilu", tokens, {"k": numpy.array(1)}, upper=upper)
    one("expand", "Expand", tokens, {"s": numpy.array([3, 1, 1, 4])})
    one("tile", "Tile", tokens, {"s": numpy.array([1, 2, 3])})
    for mode in ("constant", "reflect", "edge"):
        one(f"pad-{mode}", "Pad", constants={"p": numpy.array([0, 0, 1, 2, 0, 0, 3, 1])}, mode=mode)
    one("pad-wrap", "Pad", constants={"p": numpy.array([0, 0, 1, 2, 0, 0, 3, 1])}, mode="wrap", opset=19)
    one("pad-value", "Pad", tokens, {"p": numpy.array([0, 1, -1, 0, 0, 2]), "v": numpy.array(7, numpy.float32)})
    scales = numpy.array([1, 1, 1.7, 0.5], numpy.float32)
    empty = {"r": numpy.array([], numpy.float32)}
    for mode in ("nearest", "linear"):
        for coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
            one(f"resize-{mode}-{coordinates}", "Resize", constants={**empty, "s": scales}, mode=mode, coordinate_transformation_mode=coordinates)
    for rounding in ("floor", "ceil", "round_prefer_floor"):
        one(f"resize-{rounding}", "Resize", constants={**empty, "s": scales}, nearest_mode=rounding)
    one("depthtospace", "DepthToSpace", floats(2, 48).reshape(2, 8, 3, 2), blocksize=2)
    one("depthtospace-crd", "DepthToSpace", floats(2, 48).reshape(2, 8, 3, 2), blocksize=2, mode="CRD")
    for largest in (0, 1):
        one(f"topk-{largest}", "TopK", tokens, {"k": numpy.array([2])}, outputs=("y", "z"), axis=-1, largest=largest)
    one("onehot", "OneHot", numpy.array([[0, 3], [-1, 9]]), {"d": numpy.array(4), "v": numpy.array([0.5, 2], numpy.float32)}, axis=1)
    places, others = numpy.array([[[0, 2, 1, 0]], [[1, 1, 0, 2]]]), floats(2, 4, 8).reshape(2, 1, 4)
    one_node(out, "neural-gatherelements", "GatherElements", {"x": tokens, "i": places}, domain="", opset=17, axis=1)
    one_node(out, "neural-scatterelements", "ScatterElements", {"x": tokens, "i": places, "u": others}, domain="", opset=17, axis=1)
    rows = {"x": tokens, "i": numpy.array([[1, 0], [0, 2]]), "u": floats(2, 4, 8)}
    one_node(out, "neural-scatternd", "ScatterND", rows, domain="", opset=17)
    one("split-sizes", "Split", tokens, {"s": numpy.array([1, 3])}, outputs=("y", "z"), axis=2)
    one("split-even", "Split", tokens, outputs=("y", "z"), axis=2)
    one("reducelogsum", "ReduceLogSum", numpy.abs(tokens), axes=[1])
    one("reducelogsumexp", "ReduceLogSumExp", tokens, axes=[1, 2], keepdims=0)
    for direction in ("forward", "reverse", "bidirectional"):
        both = 2 if direction == "bidirectional" else 1
        for operator, gates, results in (("LSTM", 4, ("y", "h", "c")), ("GRU", 3, ("y", "h"))):
            cells = {"w": floats(both * gates * 5, 4).reshape(both, gates * 5, 4), "r": floats(both * gates * 5, 5, 8).reshape(both, gates * 5, 5),
                     "b": floats(both, gates * 10, 9)}
            extra = {"linear_before_reset": 1} if operator == "GRU" else {}
            one(f"{operator.lower()}-{direction}", operator, tokens, cells, outputs=results, hidden_size=5, direction=direction, **extra)
    for kind in (numpy.uint8, numpy.int8):
        zero = numpy.array(3, kind)
        quantized = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"])
        back = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])
        constants = [onnx.numpy_helper.from_array(numpy.array(0.02, numpy.float32), "s"), onnx.numpy_helper.from_array(zero, "z")]
        model = graph([quantized, back], [("x", TensorProto.FLOAT, [None, 3, 4])], ["y"], constants)
        out.add(f"neural-quantized-{zero.dtype.name}", model, {"x": tokens})


def texts(out):
    """Texts to words, words to numbers, and whole models that read. onnxruntime changes case in the locale en_US.UTF-8,
    which must be there."""
    words = numpy.array(["The", "\u00c9T\u00c9", "the", "\u0130I", "stra\u00dfe", "\u01c5", "", "THE dog"], dtype=object)
    for action in ("NONE", "LOWER", "UPPER"):
        normalize = dict(domain="", case_change_action=action)
        one_node(out, f"text-normalizer-{action.lower()}", "StringNormalizer", {"x": words}, **normalize)
        for sensitive in (0, 1):
            one_node(out, f"text-normalizer-{action.lower()}-left-out-{sensitive}", "StringNormalizer", {"x": words},
                     stopwords=["the", "\u00e9t\u00e9"], is_case_sensitive=sensitive, **normalize)
    one_node(out, "text-normalizer-nothing-left", "StringNormalizer", {"x": words[:1]}, domain="", stopwords=["The"], is_case_sensitive=1)
    lines = numpy.array(["the quick, brown fox", "", "a  b", "\u00e9a b-c d_1", "x\ny aXYbXc", "1.5 (ab)"], dtype=object)
    expressions = {
        "words": "[a-zA-Z0-9_]+", "letters": "[a-z]{2,}", "characters": ".", "perl": r"\w+", "edges": r"\b\w\w+\b",
        "inner": r"\B\w", "alternatives": "a|ab|abc|the|th", "lazy": "[a-z]+?", "start": "^.", "end": "[a-z]+$",
        "not-space": r"[^\s,]+", "numbers": r"\d+\.?\d*", "optional": "x*", "groups": "(?:ab|c)(d)?", "after-edge": r"\b.", "any-but-breaks": "x.y|b.c", "not-x": "[^x]+",
    }
    for name, expression in expressions.items():
        # Characters that are all too short would be words of a tokenizer that is refused.
        for least in (1, 2) if name != "characters" else (1,):
            one_node(out, f"text-tokenizer-{name}-{least}", "Tokenizer", {"x": lines}, domain="com.microsoft",
                     tokenexp=expression, mark=least - 1, pad_value="#", mincharnum=least)
    one_node(out, "text-tokenizer-matrix", "Tokenizer", {"x": lines.reshape(3, 2)}, domain="com.microsoft",
             tokenexp="[a-z]+", mark=1, pad_value="", mincharnum=1)
    one_node(out, "text-tokenizer-none", "Tokenizer", {"x": lines[:2]}, domain="com.microsoft", tokenexp="[0-9]+", mark=1, pad_value="#", mincharnum=1)
    separators = {"space": [" "], "two": [" ", ","], "short-first": ["X", "XY"], "long-first": ["XY", "X"], "expression": ["[ ,]+"], "each": [""]}
    for name, list_ in separators.items():
        for least in (1, 2) if name != "each" else (1,):
            one_node(out, f"text-separators-{name}-{least}", "Tokenizer", {"x": lines}, domain="com.microsoft",
                     separators=list_, mark=0, pad_value="#", mincharnum=least)
    random = numpy.random.default_rng(SEED)
    pool = dict(ngram_counts=[0, 3, 7], ngram_indexes=[6, 0, 3, 1, 5, 2, 8], pool_strings=list("abc") + list("abba") + list("abcbac"))
    rows = random.choice(list("abcd"), (5, 9)).astype(object)
    weights = [0.5, 1.5, 2.0, 0.25, 3.0, 0.75, 1.25]
    for mode in ("TF", "IDF", "TFIDF"):
        for least, most in ((1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)):
            for skip in (0, 1, 3):
                if mode != "TF" and skip == 1:
                    continue
                lengths = dict(min_gram_length=least, max_gram_length=most, max_skip_count=skip)
                one_node(out, f"text-grams-{mode.lower()}-{least}-{most}-{skip}", "TfIdfVectorizer", {"x": rows}, domain="",
                         mode=mode, weights=weights, **lengths, **pool)
    lengths = dict(min_gram_length=1, max_gram_length=2, max_skip_count=1)
    one_node(out, "text-grams-unweighted", "TfIdfVectorizer", {"x": rows}, domain="", mode="TFIDF", **lengths, **pool)
    one_node(out, "text-grams-list", "TfIdfVectorizer", {"x": rows[0]}, domain="", mode="TF", **lengths, **pool)
    numbers = dict(ngram_counts=[0, 2], ngram_indexes=[2, 0, 1], pool_int64s=[1, 2, 1, 2])
    one_node(out, "text-grams-numbers", "TfIdfVectorizer", {"x": random.integers(0, 4, (4, 6))}, domain="", mode="TF", **lengths, **numbers)
    reading(out)


def reading(out):
    """scikit-learn's vectorizers with a classifier behind them."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    good = ["great film", "I loved it, great acting", "a wonderful story and a great cast", "loved the music", "wonderful, simply wonderful"]
    bad = ["terrible film", "I hated it", "a boring story and terrible acting", "boring, boring and long", "hated the music"]
    documents, labels = (good + bad) * 3, ([1] * 5 + [0] * 5) * 3
    questions = numpy.array(["a great and wonderful film", "BORING acting", "the story", "nothing that it knows: xyzzy", "#", "", "l'\u00e9t\u00e9 great"], dtype=object)
    vectorizers = {
        "count": CountVectorizer(), "count-pairs": CountVectorizer(ngram_range=(1, 2)), "count-once": CountVectorizer(binary=True),
        "count-characters": CountVectorizer(analyzer="char", ngram_range=(1, 2)), "count-as-written": CountVectorizer(lowercase=False),
        "tfidf": TfidfVectorizer(), "tfidf-pairs": TfidfVectorizer(ngram_range=(1, 2)), "tfidf-l1": TfidfVectorizer(norm="l1"),
        "tfidf-log": TfidfVectorizer(sublinear_tf=True), "tfidf-stop-words": TfidfVectorizer(stop_words=["the", "and"]),
        "tfidf-own-words": TfidfVectorizer(token_pattern="[a-z]{4,}"),
    }
    for name, vectorizer in vectorizers.items():
        for kind, shape in {"": [None], "-matrix": [None, 1]}.items():
            if kind and name not in ("count", "tfidf"):
                continue
            pipeline = make_pipeline(vectorizer, LogisticRegression()).fit(documents, labels)
            model = to_onnx(pipeline, initial_types=[("text", StringTensorType(shape))], target_opset={"": 15, ML: 3})
            out.add(f"text-reading-{name}{kind}", model, {"text": questions.reshape(-1, *shape[1:])})


def main():
    out = Output(sys.argv[1])
    for part in (exported, missing_values, columns, boosted, linear, preparation, trees, trees5, plain, neural, texts):
        part(out)
    for name, why in out.failures:
        print(f"left out {name}: {why}", file=sys.stderr)


if __name__ == "__main__":
    main()
