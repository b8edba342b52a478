#!/usr/bin/env python3
"""Writes testdata/explained: what PyPI's `shap` says of the shared models, for the tests of the explainer.

Linear models and tree ensembles are rebuilt from their ONNX operators and given to `shap`'s exact explainers; all others
are explained by its permutation explainer over onnxruntime. Needs shap, onnx and onnxruntime, which the tests do not:

    python -m venv /tmp/shap && /tmp/shap/bin/pip install shap==0.51.0 onnx onnxruntime && \
        /tmp/shap/bin/python conformance/make_explanations.py
"""

import csv
import json
import pathlib

import numpy
import onnx
import onnxruntime
import shap

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "testdata/models"
OUT = ROOT / "testdata/explained"
BACKGROUND, ROWS = range(60, 80), range(2)


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def table(dataset):
    with open(MODELS / dataset / "test.csv") as file:
        rows = list(csv.reader(file))
    return rows[0][:-1], [row[:-1] for row in rows[1:]]


def trees(node):
    """The ensemble in the form that shap's TreeExplainer takes for models that it does not know; one target."""
    a = attributes(node)
    prefix = "class" if node.op_type.endswith("Classifier") else "target"
    weights = {}
    for tree, leaf, weight in zip(a[f"{prefix}_treeids"], a[f"{prefix}_nodeids"], a[f"{prefix}_weights"]):
        weights[tree, leaf] = float(weight)
    made = []
    for tree in sorted(set(a["nodes_treeids"])):
        places = [i for i, t in enumerate(a["nodes_treeids"]) if t == tree]
        number = {a["nodes_nodeids"][i]: k for k, i in enumerate(places)}
        leaf = [a["nodes_modes"][i] == b"LEAF" for i in places]
        assert all(a["nodes_modes"][i] in (b"LEAF", b"BRANCH_LEQ") for i in places)
        child = lambda name: numpy.array(
            [-1 if is_leaf else number[a[name][i]] for i, is_leaf in zip(places, leaf)], dtype=numpy.int32)
        made.append({
            "children_left": child("nodes_truenodeids"), "children_right": child("nodes_falsenodeids"),
            "children_default": child("nodes_truenodeids"),
            "features": numpy.array([-2 if l else a["nodes_featureids"][i] for i, l in zip(places, leaf)]),
            "thresholds": numpy.array([float(a["nodes_values"][i]) for i in places]),
            "values": numpy.array([[weights.get((tree, a["nodes_nodeids"][i]), 0.0)] for i in places]),
            "node_sample_weight": numpy.ones(len(places)),
        })
    return made, float(a["base_values"][0]) if "base_values" in a else 0.0


def exact(graph, background, rows):
    """Attributions of the margin of the second class, or of the value: method, bases and values; None if not exact."""
    kinds = [node.op_type for node in graph.node]
    if kinds[0].startswith("TreeEnsemble"):
        made, base = trees(graph.node[0])
        explainer = shap.TreeExplainer({"trees": made}, data=background, feature_perturbation="interventional")
        values = explainer.shap_values(rows, check_additivity=False)
        return "tree", float(explainer.expected_value) + base, numpy.asarray(values)
    if kinds == ["Scaler", "LinearClassifier"]:
        scale, linear = attributes(graph.node[0]), attributes(graph.node[1])
        offset, factor = numpy.array(scale["offset"]), numpy.array(scale["scale"])
        weights = numpy.array(linear["coefficients"]).reshape(len(linear["intercepts"]), -1)[-1]
        bias = linear["intercepts"][-1]
        masker = shap.maskers.Independent(background, max_samples=len(background))
        explainer = shap.LinearExplainer((weights * factor, bias - (weights * factor * offset).sum()), masker)
        return "linear", float(explainer.expected_value), explainer.shap_values(rows)
    return None


def sampled(session, names, background, rows, column):
    """Attributions of an output column by shap's permutation explainer; text columns travel as numbers."""
    inputs = session.get_inputs()
    codes = [sorted({row[i] for row in background + rows}) for i in range(len(names))]
    text = [len(inputs) > 1 and "string" in next(i for i in inputs if i.name == name).type for name in names]
    number = lambda row: [codes[i].index(v) if text[i] else float(v) for i, v in enumerate(row)]

    def feed(values):
        if len(inputs) == 1:
            return {inputs[0].name: values.astype(numpy.float32)}
        def one(i):
            cells = [codes[i][int(v)] for v in values[:, i]] if text[i] else values[:, i].astype(numpy.float32)
            return numpy.array(cells, dtype=object if text[i] else numpy.float32).reshape(-1, 1)
        return {name: one(i) for i, name in enumerate(names)}

    def output(values):
        return numpy.asarray(session.run(["probabilities"], feed(values))[0], dtype=float)[:, column]

    masker = shap.maskers.Independent(numpy.array([number(r) for r in background]), max_samples=len(background))
    # shap says of no error; that of one half of the orders against the other half is one.
    x = numpy.array([number(r) for r in rows])
    evaluations = 40 * (2 * len(names) + 1)
    halves = []
    for seed in (7, 8):
        explainer = shap.explainers.Permutation(output, masker, seed=seed)
        halves.append(explainer(x, max_evals=evaluations, silent=True))
    mean = (halves[0].values + halves[1].values) / 2
    error = numpy.abs(halves[0].values - halves[1].values) / 2
    return float(numpy.mean(output(masker.data))), mean, error


def main():
    for name, model in json.loads((MODELS / "models.json").read_text())["models"].items():
        path = MODELS / model["file"]
        graph = onnx.load(path).graph
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names, rows = table(model["dataset"])
        background, rows = [rows[i] for i in BACKGROUND], [rows[i] for i in ROWS]
        numeric = len(session.get_inputs()) == 1
        case = {"model": "../models/" + model["file"], "features": names, "background": background, "rows": rows}
        if numeric:
            number = lambda table: numpy.array(table, dtype=numpy.float32).astype(float)
            # What the model takes is single precision; JSON keeps what that is.
            case["background"], case["rows"] = number(background).tolist(), number(rows).tolist()
        found = exact(graph, number(background), number(rows)) if numeric else None
        if found:
            method, base, values = found
            case |= {"method": method, "column": 1 if "label" in model["outputs"] else 0, "base": base,
                     "values": values.tolist()}
        else:
            column = 1
            base, values, errors = sampled(session, names, background, rows, column)
            case |= {"method": "sampling", "column": column, "base": base, "values": values.round(9).tolist(),
                     "errors": errors.round(9).tolist()}
        (OUT / f"{name}.json").write_text(json.dumps(case, separators=(",", ":")) + "\n")
        print(name, case["method"], round(base, 6))


if __name__ == "__main__":
    main()
