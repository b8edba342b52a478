"""Explanations: what each feature added to an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._answers import Result
from ._frames import frame

_BAR_CHARS = 24
_ROWS_SHOWN = 20


@dataclass(frozen=True)
class Attribution:
    """What one feature added (its Shapley value), in units of the explanation's scale.

    Attributes:
        feature: its name.
        value: what it added to the answer, compared with the average over the background.
        standard_error: how far off that may be; 0 where the method is exact.

    """

    feature: str
    value: float
    standard_error: float


@dataclass(frozen=True)
class Withheld:
    """What the features added together that the caller may not see one by one.

    Attributes:
        features: how many they are.
        value: their sum.
        standard_error: how far off that may be.

    """

    features: int
    value: float
    standard_error: float


@dataclass(frozen=True, repr=False)
class Explanation:
    """An answer, and what each feature added to it.

    :attr:`base_value` and all attributions, with :attr:`withheld`, sum to :attr:`output_value`. An answer that is withheld is not
    explained: then :attr:`explained` is false, there are no attributions, and the numbers are `None`.

    Attributes:
        result: as in a prediction.
        confidence: as in a prediction.
        action: as in a prediction.
        of: what is explained, such as `probability of benign`.
        scale: `probability`, `log_odds`, `score` or `value`.
        method: `linear` and `tree` are exact, `sampling` is an estimate.
        base_value: the mean over the background rows of the model's profile.
        output_value: the model's own output for this row, before calibration.
        attributions: by feature, those that added or took most first.
        withheld: of features that the caller may not see.
        evaluations: times that the model was run for it.
        model_version: the version that answered.
        candidate: whether that version is not live.
        request_id: what the audit log calls the request.
        receipt: what proves the request's entry in the log.

    """

    result: Result | None
    confidence: float | None
    action: str | None
    of: str | None
    scale: str | None
    method: str | None
    base_value: float | None
    output_value: float | None
    attributions: tuple[Attribution, ...]
    withheld: Withheld | None
    evaluations: int
    model_version: str
    candidate: bool
    request_id: str
    receipt: str | None = None

    @property
    def explained(self) -> bool:
        """Whether the answer was given, and so explained."""
        return self.output_value is not None

    def __getitem__(self, feature: str) -> Attribution:
        """The attribution of a feature, by its name."""
        for attribution in self.attributions:
            if attribution.feature == feature:
                return attribution
        raise KeyError(feature)

    def to_frame(self, library: str | None = None) -> Any:
        """A data frame: `feature`, `value` and `standard_error`, those that added or took most first."""
        return frame(
            {
                "feature": [attribution.feature for attribution in self.attributions],
                "value": [attribution.value for attribution in self.attributions],
                "standard_error": [attribution.standard_error for attribution in self.attributions],
            },
            library,
        )

    def __repr__(self) -> str:
        sure = "" if self.confidence is None else f" (confidence {self.confidence})"
        head = f"{self.result}{sure}"
        if self.output_value is None or self.base_value is None:
            return f"{head}\nnot explained: {self.action}"
        added = self.output_value - self.base_value
        scale = (self.scale or "").replace("_", "-")
        lines = [
            head,
            f"{self.of}, {scale} scale: {self.output_value:.4f} = {self.base_value:.4f} on average {added:+.4f}",
            *self._bars(),
            f"{self.method} explanation; {self.evaluations} evaluations of the model",
        ]
        return "\n".join(lines)

    def _bars(self) -> list[str]:
        shown = self.attributions[:_ROWS_SHOWN]
        rows = [(attribution.feature, attribution.value, attribution.standard_error) for attribution in shown]
        hidden = self.attributions[_ROWS_SHOWN:]
        if hidden:
            rows.append((f"{len(hidden)} others", sum(attribution.value for attribution in hidden), 0.0))
        if self.withheld is not None:
            rows.append((f"{self.withheld.features} withheld", self.withheld.value, self.withheld.standard_error))
        width = max((len(name) for name, _, _ in rows), default=0)
        largest = max((abs(value) for _, value, _ in rows), default=0.0) or 1.0
        lines = []
        for name, value, error in rows:
            bar = ("+" if value >= 0 else "-") * round(abs(value) / largest * _BAR_CHARS)
            about = f"± {error:.4f}  " if self.method == "sampling" else ""
            lines.append(f"{name:<{width}}  {value:+.4f}  {about}{bar}".rstrip())
        return lines


def explanation(document: Mapping[str, Any], receipt: str | None) -> Explanation:
    """Reads the server's document."""
    reasons: Mapping[str, Any] = document["explanation"] or {}
    listed = [
        Attribution(item["feature"], float(item["value"]), float(item["standard_error"]))
        for item in reasons.get("attributions", ())
    ]
    withheld = reasons.get("withheld")
    return Explanation(
        result=document["result"],
        confidence=document["confidence"],
        action=document.get("action"),
        of=reasons.get("of"),
        scale=reasons.get("scale"),
        method=reasons.get("method"),
        base_value=reasons.get("base_value"),
        output_value=reasons.get("output_value"),
        attributions=tuple(sorted(listed, key=lambda attribution: -abs(attribution.value))),
        withheld=None
        if withheld is None
        else Withheld(int(withheld["features"]), float(withheld["value"]), float(withheld["standard_error"])),
        evaluations=int(reasons.get("evaluations", 0)),
        model_version=document["model_version"],
        candidate=bool(document.get("candidate", False)),
        request_id=document["request_id"],
        receipt=receipt,
    )
