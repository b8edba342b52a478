"""What the server says of an error, in either dialect, is what the exception says; what is no such thing does no harm."""

import hypothesis
import pytest
from hypothesis import strategies

import mantlet
from mantlet.errors import rejected

PROBLEM = (
    b'{"type":"about:blank","title":"invalid input format","status":400,"code":"invalid_input","field":"age",'
    b'"detail":"more","request_id":"01R"}'
)


def test_problem_details():
    error = rejected(400, {"x-request-id": "01H"}, PROBLEM)
    assert isinstance(error, mantlet.Invalid)
    assert (error.status, error.code, error.title, error.field) == (400, "invalid_input", "invalid input format", "age")
    assert (error.detail, error.request_id, error.retry_after) == ("more", "01R", None)
    assert str(error) == "more: `age` (request 01R)"


@pytest.mark.parametrize(
    ("sentence", "title", "field"),
    [
        ("invalid input format: `inputs[0].shape`", "invalid input format", "inputs[0].shape"),
        ("service temporarily unavailable", "service temporarily unavailable", None),
        (
            "the column `income`, which the model takes, is missing",
            "the column `income`, which the model takes, is missing",
            None,
        ),
    ],
)
def test_the_protocols_own_errors(sentence, title, field):
    error = rejected(400, {"x-request-id": "01H"}, b'{"error":"%s"}' % sentence.encode())
    assert (error.title, error.field, error.request_id) == (title, field, "01H")
    assert str(error) == f"{sentence} (request 01H)"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, mantlet.Invalid),
        (401, mantlet.AuthenticationError),
        (403, mantlet.Forbidden),
        (404, mantlet.NotFound),
        (409, mantlet.Conflict),
        (413, mantlet.TooLarge),
        (415, mantlet.Invalid),
        (429, mantlet.RateLimited),
        (431, mantlet.TooLarge),
        (503, mantlet.Unavailable),
        (500, mantlet.Unavailable),
        (418, mantlet.Rejected),
    ],
)
def test_every_status_has_its_class(status, kind):
    error = rejected(status, {}, b"")
    assert type(error) is kind
    assert isinstance(error, mantlet.MantletError)
    assert str(error) == f"HTTP status {status}"


@hypothesis.given(strategies.binary(max_size=60), strategies.text(max_size=12))
@hypothesis.settings(deadline=None, derandomize=True)
def test_any_bytes_are_an_error_and_nothing_worse(body, wait):
    assert rejected(429, {"retry-after": wait}, body).status == 429


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(mantlet.DeadlineExceeded, TimeoutError), (mantlet.MissingDependency, ImportError), (mantlet.Unfit, TypeError)],
)
def test_who_catches_pythons_own_exceptions_catches_these(kind, builtin):
    assert issubclass(kind, (mantlet.MantletError,))
    assert issubclass(kind, builtin)
