"""Values of an upstream's JSON that are of another type than documented."""

import math

import pytest

from vertex_compat import json_values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        ("12", 12),
        (5.9, 5),
        (-3, 0),
        (None, 0),
        (True, 0),
        ("twelve", 0),
        ("9" * 30, 0),
        (1e300, 0),
        (math.inf, 0),
        (math.nan, 0),
        ([7], 0),
    ],
)
def test_count_is_an_integer_of_at_least_zero(value, expected):
    result = json_values.count(value)
    assert result == expected
    assert type(result) is int


@pytest.mark.parametrize(
    ("value", "expected"), [("-4", None), (-4, -4), (2**53, None), (2**53 - 1, 2**53 - 1)]
)
def test_integer_is_within_json_s_exact_range(value, expected):
    assert json_values.integer(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.5, 0.5), (3, 3.0), (True, None), ("3", None), (math.inf, None)]
)
def test_number_is_finite(value, expected):
    assert json_values.number(value) == expected


def test_wrong_types_read_as_empty_values():
    for value in (None, 3, "text", [1], {"a": 1}):
        assert json_values.text(value) == (value if isinstance(value, str) else "")
        assert json_values.mapping(value) == (value if isinstance(value, dict) else {})
    assert json_values.items([{"a": 1}, 2, None]) == [{"a": 1}]
    assert json_values.items({"a": 1}) == []
    assert json_values.member({"a": {"b": 1}}, "a") == {"b": 1}
    assert json_values.member({"a": 3}, "a") == json_values.member(None, "a") == {}


@pytest.mark.parametrize(
    ("value", "expected"), [(1, "IMAGE"), ("AUDIO", "AUDIO"), (9, "9"), (-1, "-1"), (None, "")]
)
def test_enum_number_is_its_name(value, expected):
    assert json_values.enum(value, ("TEXT", "IMAGE")) == expected
