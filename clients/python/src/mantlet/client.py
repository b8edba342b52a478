"""The client: questions to models, and the way to keys, reviews and the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from . import _endpoint, _tensors
from ._answers import Prediction, Predictions, predictions
from ._catalog import Metadata, ModelInfo, metadata, models, path_of, quoted
from ._connection import Reply, Request
from ._explanation import Explanation, explanation
from ._report import Report, report
from ._tables import Row, Scalar, Table, labelled, table
from ._transport import Transport, document, malformed
from .audit import Audit
from .errors import DeadlineExceeded, Invalid, Unfit
from .keys import Keys
from .reviews import HeldAnswer, Reviews, held_answer

if TYPE_CHECKING:
    import random
    from types import TracebackType

    from typing_extensions import Self

    from ._endpoint import Endpoint, Fetch, StrPath
    from ._tensors import Array, Inference
    from ._transport import Clock

TIMEOUT_S = 30.0
"""Seconds for a call with all of its attempts; the server gives a model 10, and an evaluation 120."""
EVALUATION_TIMEOUT_S = 150.0
RETRIES = 3
CONNECTIONS = 8
BATCH_ROWS = 1_000
"""Rows of one request: the server's own bound."""

_POLL_S = 1.0
_POLL_MAX_S = 60.0


class Client:
    """A server, and somebody who asks it. Usable from any number of threads; close it, or use it in a `with` statement.

    What is not given is read from what ``mantlet env`` prints: ``MANTLET_URL``, ``MANTLET_API_KEY``, ``MANTLET_CA``.

    Args:
        url: `https://host:port`.
        key: the API key, kept where nothing prints it; or what gives a workload's token, asked before each request.
        ca: a file with the authorities to trust, in PEM, instead of the system's. Verification cannot be switched off.
        certificate: files with a workload's certificate chain and private key, in PEM; read again when they change. No key is
            needed then, and none is taken from the environment.
        timeout: seconds for a call with all of its attempts.
        retries: how often a call is made again where that is safe; see the how-to page.
        connections: idle connections to keep.
        clock: time, for tests.
        jitter: chance, for tests.

    Raises:
        ConfigurationError: there is no URL or no key, or one that cannot be used.

    """

    def __init__(
        self,
        url: str | None = None,
        key: str | Fetch | None = None,
        ca: StrPath | None = None,
        *,
        certificate: tuple[StrPath, StrPath] | None = None,
        timeout: float = TIMEOUT_S,
        retries: int = RETRIES,
        connections: int = CONNECTIONS,
        clock: Clock | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        secret, key = _endpoint.key_of(key, certificate is not None), None  # from here on no frame has it in the clear
        endpoint = _endpoint.from_environment(url, secret, ca, certificate)
        self._start(endpoint, timeout, retries, connections, clock, jitter)

    @classmethod
    def from_directory(
        cls,
        directory: StrPath | None = None,
        url: str | None = None,
        *,
        timeout: float = TIMEOUT_S,
        retries: int = RETRIES,
        connections: int = CONNECTIONS,
    ) -> Self:
        """A client that acts as a person, by the directory that ``mantlet user invite`` wrote: key and certificate.

        Args:
            directory: the directory, as ``mantlet --as`` takes it; otherwise the one that ``MANTLET_IDENTITY`` names.
            url: another server than the one that stands there.
            timeout: as for a client.
            retries: as for a client.
            connections: as for a client.

        Raises:
            ConfigurationError: a file is missing, or others can read it.

        """
        endpoint = _endpoint.from_directory(directory, url)
        client = cls.__new__(cls)
        client._start(endpoint, timeout, retries, connections, None, None)
        return client

    def _start(
        self,
        endpoint: Endpoint,
        timeout: float,
        retries: int,
        connections: int,
        clock: Clock | None,
        jitter: random.Random | None,
    ) -> None:
        self._transport = Transport(
            endpoint, timeout=timeout, retries=retries, connections=connections, clock=clock, jitter=jitter
        )
        self._metadata: dict[str, Metadata] = {}
        self.keys = Keys(self._transport)
        self.reviews = Reviews(self._transport)
        self.audit = Audit(self._transport)

    def close(self) -> None:
        """Closes the kept connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        transport = getattr(self, "_transport", None)  # which a client that could not be made does not have
        return f"mantlet.Client('{transport.address}')" if transport else "mantlet.Client()"

    @overload
    def predict(  # type: ignore[overload-overlap]
        self,
        model: str,
        features: Row,
        *,
        version: int | None = ...,
        options: Mapping[str, Scalar] | None = ...,
        batch_rows: int = ...,
        timeout: float | None = ...,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        model: str,
        features: Sequence[Row] | Mapping[str, Sequence[Scalar]],
        *,
        version: int | None = ...,
        options: Mapping[str, Scalar] | None = ...,
        batch_rows: int = ...,
        timeout: float | None = ...,
    ) -> Predictions: ...

    @overload
    def predict(
        self,
        model: str,
        features: Any,
        *,
        version: int | None = ...,
        options: Mapping[str, Scalar] | None = ...,
        batch_rows: int = ...,
        timeout: float | None = ...,
    ) -> Any: ...

    def predict(
        self,
        model: str,
        features: Any,
        *,
        version: int | None = None,
        options: Mapping[str, Scalar] | None = None,
        batch_rows: int = BATCH_ROWS,
        timeout: float | None = None,
    ) -> Prediction | Predictions:
        """Asks a model.

        Args:
            model: its name.
            features: one row (a mapping, a list in the model's order, a one-dimensional array, a Series), or many (a list of
                rows, a mapping of columns, a two-dimensional array, a data frame).
            version: another version than the live one.
            options: that the package allows.
            batch_rows: rows of one request; more rows are asked by several, one after the other.
            timeout: seconds for each request, instead of the client's.

        Returns:
            The answer to one row, or those to many in their order.

        Raises:
            Invalid: a feature is not what the model takes.
            Unfit: what was given is no row and no table.
            MantletError: there is no answer for another reason.

        """
        rows = table(features)
        if batch_rows < 1:
            raise Unfit("a request has at least one row")
        answers: list[Prediction] = []
        path = f"/v1/{path_of(model, version)}/predict"
        for start in range(0, len(rows.rows), batch_rows):
            question: dict[str, object] = {"features": rows.features(start, start + batch_rows)}
            if options is not None:
                question["options"] = dict(options)
            reply = self._transport.ask(path, question, timeout=timeout)
            answers.extend(predictions(reply, rows.single))
        if rows.single:
            return answers[0]
        return Predictions(tuple(answers), rows.library, rows.index)

    def infer(
        self,
        model: str,
        inputs: Array | Mapping[str, Array],
        *,
        outputs: Sequence[str] | None = None,
        version: int | None = None,
        parameters: Mapping[str, Scalar] | None = None,
        id: str | None = None,  # noqa: A002 - the protocol's name
        timeout: float | None = None,
    ) -> Inference:
        """Asks a model for its own outputs, with arrays in binary both ways (Open Inference Protocol V2).

        Args:
            model: its name.
            inputs: arrays by the names of the model's inputs, or one array for a model with one input. Numbers are made the
                model's datatype where that keeps what they are (an FP64 array for an FP32 input, integers for floats).
            outputs: those that are wanted, instead of all.
            version: another version than the live one.
            parameters: options that the package allows.
            id: a name for the request, which the answer repeats.
            timeout: seconds, instead of the client's.

        Raises:
            MissingDependency: there is no numpy.
            MantletError: there is no answer.

        """
        key = path_of(model, version)
        ports = self._metadata.get(key) or self.metadata(model, version=version)
        arrays = _tensors.arrays(inputs, ports)
        body, length = _tensors.question(arrays, list(outputs) if outputs else None, dict(parameters or {}), id)
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(length)}
        try:
            reply = self._transport.send(Request("POST", f"/v2/{key}/infer", headers, body), timeout)
        except Invalid:
            # Another version may be live by now, with other inputs.
            self._metadata.pop(key, None)
            raise
        return _tensors.inference(reply)

    def explain(
        self,
        model: str,
        features: Any,
        *,
        version: int | None = None,
        evaluations: int | None = None,
        timeout: float | None = None,
    ) -> Explanation:
        """Asks a model, and what each feature added to its answer.

        Args:
            model: its name.
            features: one row, as for :meth:`predict`.
            version: another version than the live one.
            evaluations: of the model, where it cannot be explained exactly; errors halve with four times as many.
            timeout: seconds, instead of the client's.

        Raises:
            Unfit: what was given is not one row.
            MantletError: there is no answer.

        """
        rows = table(features)
        if len(rows.rows) != 1:
            raise Unfit("one row is explained at a time")
        one = Table(rows.names, rows.rows, single=True)
        question: dict[str, object] = {"features": one.features(0, 1)}
        if evaluations is not None:
            question["options"] = {"evaluations": evaluations}
        reply = self._transport.ask(f"/v2/{path_of(model, version)}/explain", question, timeout=timeout)
        try:
            return explanation(document(reply), reply.headers.get("mantlet-receipt"))
        except (KeyError, TypeError, ValueError, AttributeError):
            malformed(reply)

    def evaluate(
        self,
        model: str,
        data: Any,
        target: str | Sequence[Scalar] | Any,
        *,
        slices: Sequence[str] = (),
        version: int | None = None,
        timeout: float = EVALUATION_TIMEOUT_S,
    ) -> Report:
        """How good a model's answers are to rows of which the truth is known.

        Args:
            model: its name.
            data: rows with names: a data frame, a mapping of columns, or a list of mappings.
            target: the column with the truth, or the truths themselves.
            slices: columns by which figures are given as well; they may be others than the model's.
            version: another version than the live one.
            timeout: seconds, instead of as long as the server takes at most.

        Raises:
            Unfit: the data have no names, or not as many truths as rows.
            MantletError: there is no report.

        """
        question = {**labelled(data, target), "slices": list(slices)}
        reply = self._transport.ask(f"/v2/{path_of(model, version)}/evaluate", question, timeout=timeout)
        try:
            return report(document(reply), reply.headers.get("x-request-id"), reply.headers.get("mantlet-receipt"))
        except (KeyError, TypeError, ValueError, AttributeError):
            malformed(reply)

    def held(self, model: str, request_id: str) -> HeldAnswer:
        """What has become of an answer that a person decides.

        Raises:
            NotFound: no answer of this request is held, or it is somebody else's.

        """
        return held_answer(self._transport.get(f"/v1/models/{quoted(model)}/reviews/{quoted(request_id)}"))

    def wait_for_review(
        self, model: str, request_id: str, *, timeout: float = 3_600.0, poll: float = _POLL_S
    ) -> HeldAnswer:
        """Waits until people have decided all of a request's held rows.

        Args:
            model: the model.
            request_id: the request, as its answer names it.
            timeout: seconds to wait.
            poll: seconds until it is looked again for the first time; later it takes half as long again each time, at most
                a minute.

        Raises:
            DeadlineExceeded: nobody has decided yet.
            MantletError: it cannot be known.

        """
        clock = self._transport.clock
        ends = clock.monotonic() + timeout
        while True:
            held = self.held(model, request_id)
            if held.settled:
                return held
            left = ends - clock.monotonic()
            if left <= 0:
                raise DeadlineExceeded(f"nobody has decided within {timeout:g} s (request {request_id})")
            clock.sleep(min(poll, left))
            poll = min(poll * 1.5, _POLL_MAX_S)

    def models(self) -> list[ModelInfo]:
        """The models that this client may ask."""
        return models(self._transport.ask("/v2/repository/index", {}))

    def metadata(self, model: str, *, version: int | None = None) -> Metadata:
        """A model's inputs and outputs."""
        key = path_of(model, version)
        found = metadata(self._transport.get(f"/v2/{key}"))
        self._metadata[key] = found
        return found

    def features(self, model: str, *, version: int | None = None) -> Mapping[str, Any]:
        """What a model was made for: types, accepted values and reference distributions, as the server tells them."""
        return _object(self._transport.get(f"/v2/{path_of(model, version)}/features"))

    def ready(self) -> bool:
        """Whether the server answers questions. Waits for nothing."""
        return bool(_object(self._transport.get("/v2/health/ready")).get("ready"))


def _object(reply: Reply) -> Mapping[str, Any]:
    found = document(reply)
    if not isinstance(found, dict):
        malformed(reply)
    return found


__all__ = ["Client"]
