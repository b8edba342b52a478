"""Rows in all the forms that callers have them in come out as what the server takes; what is none is refused by name."""

import math

import numpy
import pandas
import polars
import pytest

import mantlet
from mantlet._tables import table

NAMED = {"age": 41, "purpose": "car", "owner": True, "income": None}


def features(given, start=0, end=1_000):
    return table(given).features(start, end)


def columns_of(row):
    return {name: [value, value] for name, value in row.items()}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (NAMED, NAMED),
        ([1, 2.5, "x", None, True], [1, 2.5, "x", None, True]),
        ((1, 2), [1, 2]),
        (numpy.array([1.5, numpy.nan], dtype=numpy.float32), [1.5, None]),
        (numpy.arange(3), [0, 1, 2]),
        ([numpy.float32(0.5), numpy.int8(3), numpy.str_("a"), numpy.bool_(True)], [0.5, 3, "a", True]),
        (pandas.Series({"a": 1.0, "b": math.nan}), {"a": 1.0, "b": None}),
        ({"a": float("nan"), "b": numpy.int64(4)}, {"a": None, "b": 4}),
    ],
)
def test_one_row(given, expected):
    assert features(given) == expected
    assert table(given).single


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([NAMED, NAMED], [NAMED, NAMED]),
        ([[1, 2], (3, 4), numpy.array([5, 6])], [[1, 2], [3, 4], [5, 6]]),
        (numpy.array([[1.0, math.nan], [3.0, 4.0]]), [[1.0, None], [3.0, 4.0]]),
        (numpy.array([["a", 1]], dtype=object), [["a", 1]]),
        ({"a": [1, 2], "b": numpy.array([0.5, 1.5])}, [{"a": 1, "b": 0.5}, {"a": 2, "b": 1.5}]),
        ([{"a": 1, "b": 2}, {"b": 3, "a": 4}], [{"a": 1, "b": 2}, {"a": 4, "b": 3}]),
    ],
)
def test_many_rows(given, expected):
    assert features(given) == expected
    assert not table(given).single


def test_data_frames_of_either_library():
    cells = {"age": [41, None], "purpose": ["car", None], "owner": [True, False], "income": [1.5, math.nan]}
    expected = [
        {"age": 41, "purpose": "car", "owner": True, "income": 1.5},
        {"age": None, "purpose": None, "owner": False, "income": None},
    ]
    frame = pandas.DataFrame(cells, index=["x", "y"])
    assert features(frame) == expected
    assert list(table(frame).index) == ["x", "y"]
    assert features(polars.DataFrame(cells, strict=False)) == expected


def test_every_kind_of_nothing_in_pandas_is_nothing():
    frame = pandas.DataFrame(
        {
            "Int64": pandas.array([1, None], dtype="Int64"),
            "boolean": pandas.array([True, None], dtype="boolean"),
            "string": pandas.array(["a", None], dtype="string"),
            "category": pandas.Categorical(["u", None]),
            "object": ["b", None],
            "small": numpy.array([1, 2], dtype=numpy.uint8),
        }
    )
    first = {"Int64": 1, "boolean": True, "string": "a", "category": "u", "object": "b", "small": 1}
    assert features(frame) == [first, {**dict.fromkeys(first), "small": 2}]


def test_rows_are_cut_into_requests():
    assert features([[1], [2], [3]], 1, 3) == [[2], [3]]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("text", "row"),
        (b"bytes", "row"),
        (3, "row"),
        (None, "row"),
        ([], "at least one"),
        ([[1], {"a": 1}], "all mappings"),
        ([[1], 2], "all mappings"),
        ([{"a": 1}, {"b": 1}], "same features"),
        ([{"a": 1}, {"a": 1, "b": 1}], "same features"),
        ({"a": [1, 2], "b": [1]}, "equally long"),
        ({"a": [], "b": []}, "not empty"),
        (numpy.zeros((2, 2, 2)), "rows and columns"),
        (numpy.zeros((0, 2)), "rows and columns"),
        (numpy.zeros(()), "rows and columns"),
        (pandas.DataFrame({"a": []}), "no rows"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "same name"),
        ({"a": math.inf}, "`a` is infinite"),
        ([1, object()], "`2` is `builtins.object`"),
        ({"a": b"x"}, "`a` is `builtins.bytes`"),
        (pandas.DataFrame({"when": pandas.to_datetime(["2026-01-01"])}), "`when` is"),
        (numpy.array([1j]), "`1` is `builtins.complex`"),
    ],
)
def test_what_is_no_row_is_refused(given, why):
    with pytest.raises(mantlet.Unfit, match=why):
        table(given)


def test_a_value_that_is_refused_is_not_repeated():
    with pytest.raises(mantlet.Unfit) as error:
        table({"a": b"canary"})
    assert "canary" not in str(error.value)
