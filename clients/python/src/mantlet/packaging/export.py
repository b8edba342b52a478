"""Export to ONNX, by each library's own converter."""

from __future__ import annotations

import copy
from typing import Any

from ..errors import MissingDependency, PackageError
from .columns import MATRIX, Columns
from .model import Task, final, library, load, steps_of

OPSET = 18
"""Version of the default operators, unless another is asked for: what converters and engines of some years all have."""


def exported(model: Any, columns: Columns, task: Task, target_opset: int | None) -> bytes:
    """The model in ONNX.

    Raises:
        PackageError: there is no converter for it, or the converter fails.

    """
    try:
        onnx = _convert(model, columns, task, target_opset)
    except (MissingDependency, PackageError):
        raise
    except Exception as error:  # converters raise whatever they meet
        raise PackageError(f"`{type(model).__qualname__}` cannot be exported: {error}") from error
    _open_rows(onnx)
    _name_outputs(onnx, task)
    return bytes(onnx.SerializeToString())


def _convert(model: Any, columns: Columns, task: Task, target_opset: int | None) -> Any:
    if library(model) in ("xgboost", "lightgbm"):
        # As a pipeline of one step it takes the same way as one behind a scaler.
        model = load("sklearn.pipeline").Pipeline([("model", _nameless(model))])
    for step in steps_of(model):
        _register(step)
    # A ZipMap makes maps of the probabilities, which nothing but Python reads.
    options = {id(final(model)): {"zipmap": False}} if task is Task.CLASSIFICATION else None
    # The operators of machine learning are at version 3 in all converters.
    opsets = {"": target_opset or OPSET, "ai.onnx.ml": 3}
    convert = load("skl2onnx").convert_sklearn
    return convert(model, initial_types=_inputs(columns), options=options, target_opset=opsets)


def _nameless(model: Any) -> Any:
    """The model without its columns' names: XGBoost's converter takes none but its own, and the package says them anyway."""
    if library(model) != "xgboost":
        return model
    nameless = copy.deepcopy(model)
    nameless.get_booster().feature_names = None
    return nameless


def _inputs(columns: Columns) -> list[tuple[str, Any]]:
    types = load("skl2onnx.common.data_types")
    if not columns.separate:
        return [(MATRIX, types.FloatTensorType([None, len(columns.names)]))]
    text, number = types.StringTensorType([None, 1]), types.FloatTensorType([None, 1])
    return [(name, text if name in columns.texts else number) for name in columns.names]


def _register(estimator: Any) -> None:
    """Tells scikit-learn's converter of an XGBoost or LightGBM model inside a pipeline."""
    origin = library(estimator)
    if origin not in ("xgboost", "lightgbm"):
        return
    shapes = load("skl2onnx.common.shape_calculator")
    name = type(estimator).__name__
    is_classifier = name.endswith("Classifier")
    if origin == "xgboost":
        convert = load("onnxmltools.convert.xgboost.operator_converters.XGBoost").convert_xgboost
    else:
        convert = load("onnxmltools.convert.lightgbm.operator_converters.LightGbm").convert_lightgbm
    shape = "linear_classifier" if is_classifier else "linear_regressor"
    load("skl2onnx").update_registered_converter(
        type(estimator),
        f"Mantlet{name}",
        getattr(shapes, f"calculate_{shape}_output_shapes"),
        convert,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if is_classifier else None,
        overwrite=True,
    )


def _open_rows(onnx: Any) -> None:
    """Leaves the number of rows of every output open; some converters say that it is one, and mean any."""
    for output in onnx.graph.output:
        extents = output.type.tensor_type.shape.dim
        if extents and extents[0].dim_value == 1:
            extents[0].Clear()


def _name_outputs(onnx: Any, task: Task) -> None:
    """Names outputs by what they are: the server takes `probabilities` for probabilities."""
    outputs = list(onnx.graph.output)
    wanted = ["label", "probabilities"] if task is Task.CLASSIFICATION else ["value"]
    if len(outputs) != len(wanted):
        raise PackageError(f"the exported model has {len(outputs)} outputs, and not {' and '.join(wanted)}")
    renamed = {output.name: name for output, name in zip(outputs, wanted) if output.name != name}
    taken = {name for node in onnx.graph.node for name in (*node.input, *node.output)}
    taken |= {given.name for given in onnx.graph.input}
    if taken & set(renamed.values()):
        raise PackageError("the exported model uses the names of its outputs for something else")
    for node in onnx.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for output in outputs:
        output.name = renamed.get(output.name, output.name)
