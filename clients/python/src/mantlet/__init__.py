"""Ask models that a Mantlet server serves.

    with mantlet.Client() as client:
        answer = client.predict("breast-cancer", {"mean_radius": 10.8, …})
        print(answer.result, answer.confidence)

Nothing but Python's own library is needed. Arrays and data frames are taken if they come, and :func:`package` makes a package of
a scikit-learn, XGBoost or LightGBM model (``pip install 'mantlet[package]'``).
"""

from __future__ import annotations

from ._answers import Prediction, Predictions
from ._catalog import Metadata, ModelInfo, Port
from ._explanation import Attribution, Explanation, Withheld
from ._report import Figure, Report
from ._tensors import Inference
from ._version import __version__
from .audit import Proof
from .client import Client
from .errors import (
    AuthenticationError,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DeadlineExceeded,
    Disagreement,
    Forbidden,
    Invalid,
    MantletError,
    MissingDependency,
    NotFound,
    PackageError,
    ProtocolError,
    RateLimited,
    Rejected,
    TooLarge,
    Unavailable,
    Uncertain,
    Unfit,
)
from .keys import KeyInfo, NewKey
from .packaging import Package, package
from .reviews import HeldAnswer, HeldRow, Review

__all__ = [
    "Attribution",
    "AuthenticationError",
    "Client",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Disagreement",
    "Explanation",
    "Figure",
    "Forbidden",
    "HeldAnswer",
    "HeldRow",
    "Inference",
    "Invalid",
    "KeyInfo",
    "MantletError",
    "Metadata",
    "MissingDependency",
    "ModelInfo",
    "NewKey",
    "NotFound",
    "Package",
    "PackageError",
    "Port",
    "Prediction",
    "Predictions",
    "Proof",
    "ProtocolError",
    "RateLimited",
    "Rejected",
    "Report",
    "Review",
    "TooLarge",
    "Unavailable",
    "Uncertain",
    "Unfit",
    "Withheld",
    "__version__",
    "package",
]
