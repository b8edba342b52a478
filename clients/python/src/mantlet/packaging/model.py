"""What a model is: what it does, which library it comes from, what its classes are."""

from __future__ import annotations

from enum import Enum
from typing import Any

from ..errors import MissingDependency, PackageError


class Task(Enum):
    """What a model does."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


def load(module: str) -> Any:
    """A module that packaging needs.

    Raises:
        MissingDependency: it is not installed.

    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise MissingDependency(f"this takes `{name}`: pip install 'mantlet[package]'") from error


def library(estimator: Any) -> str:
    """The library that an estimator comes from."""
    return type(estimator).__module__.split(".")[0]


def task_of(model: Any, task: str | None) -> Task:
    """What a model does.

    Raises:
        PackageError: it is neither a classifier nor a regressor, or is not trained.

    """
    base = load("sklearn.base")
    if type(model).__name__ == "Booster":
        raise PackageError("take the scikit-learn interface of the library, as in `XGBClassifier` or `LGBMClassifier`")
    if library(final(model)) not in ("sklearn", "xgboost", "lightgbm") or not hasattr(model, "predict"):
        raise PackageError(f"`{type(model).__qualname__}` is no model of scikit-learn, XGBoost or LightGBM")
    known = load("sklearn.utils.validation")
    try:
        known.check_is_fitted(final(model))
    except (TypeError, ValueError) as error:
        raise PackageError(f"the model is not trained: {error}") from None
    if task is not None:
        return _named(task)
    if base.is_classifier(model):
        return Task.CLASSIFICATION
    if base.is_regressor(model):
        return Task.REGRESSION
    raise PackageError(f"`{type(model).__qualname__}` is neither a classifier nor a regressor; say which by `task`")


def _named(task: str) -> Task:
    try:
        return Task(task)
    except ValueError:
        raise PackageError("a task is `classification` or `regression`") from None


def final(model: Any) -> Any:
    """The last step of a pipeline, or the model itself."""
    steps = getattr(model, "steps", None)
    return final(steps[-1][1]) if steps else model


def steps_of(model: Any) -> list[Any]:
    """A model and all that is inside of it, as far as scikit-learn's composition goes."""
    found = [model]
    for listed in ("steps", "transformers_", "estimators"):
        for step in getattr(model, listed, None) or ():
            inner = step[1] if isinstance(step, tuple) else step
            if not isinstance(inner, (str, type(None))):
                found.extend(steps_of(inner))
    inner = getattr(model, "estimator", None)
    if inner is not None and not isinstance(inner, str):
        found.extend(steps_of(inner))
    return found


def classes_of(model: Any) -> list[Any]:
    """A classifier's own values for its classes, in the order of its probabilities.

    Raises:
        PackageError: it has no probabilities, or several outputs.

    """
    if not hasattr(model, "predict_proba"):
        raise PackageError(
            f"`{type(final(model)).__qualname__}` has no probabilities, and so no confidence; wrap it in "
            "`CalibratedClassifierCV`"
        )
    classes = model.classes_
    if isinstance(classes, list):
        raise PackageError("a model with several outputs cannot be packaged; package one for each")
    return list(classes.tolist() if hasattr(classes, "tolist") else classes)
