"""Filters of a search: comparisons of a file's attributes, combined by `and` and `or`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from vertex_compat import errors
from vertex_compat.types import JSON

MAX_DEPTH: Final = 16

_VALUE: Final = str | bool | int | float
_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def check(filter_: Any, param: str = "filters", depth: int = 0) -> None:
    """Raise `BadRequest` unless `filter_` is a filter."""
    if not isinstance(filter_, dict) or depth > MAX_DEPTH:
        raise _invalid(param)
    kind = filter_.get("type")
    if kind in {"and", "or"}:
        inner = filter_.get("filters")
        if not isinstance(inner, list) or not inner:
            raise _invalid(f"{param}.filters")
        for number, comparison in enumerate(inner):
            check(comparison, f"{param}.filters[{number}]", depth + 1)
    elif kind in {"in", "nin"}:
        values = filter_.get("value")
        if not isinstance(filter_.get("key"), str):
            raise _invalid(param)
        if not isinstance(values, list) or not all(isinstance(value, _VALUE) for value in values):
            raise _invalid(f"{param}.value")
    elif kind not in {"eq", "ne", *_ORDERED} or not isinstance(filter_.get("key"), str):
        raise _invalid(param)
    elif not isinstance(filter_.get("value"), _VALUE):
        raise _invalid(f"{param}.value")


def matches(filter_: JSON, attributes: Mapping[str, Any]) -> bool:
    """Return whether a file with these attributes passes the filter."""
    kind = filter_["type"]
    if kind == "and":
        return all(matches(inner, attributes) for inner in filter_["filters"])
    if kind == "or":
        return any(matches(inner, attributes) for inner in filter_["filters"])
    value: Any = attributes.get(filter_["key"])
    expected: Any = filter_["value"]
    if kind in {"eq", "ne"}:
        return _equal(value, expected) is (kind == "eq")
    if kind in {"in", "nin"}:
        return any(_equal(value, candidate) for candidate in expected) is (kind == "in")
    return _type(value) is _type(expected) and _ORDERED[kind](value, expected)


def _equal(value: Any, expected: Any) -> bool:
    return _type(value) is _type(expected) and bool(value == expected)


def _type(value: Any) -> type:
    """Return the type of JSON's value: to Python, true is the number 1."""
    return float if type(value) is int else type(value)


def _invalid(param: str) -> errors.BadRequest:
    return errors.BadRequest(
        "A filter is a comparison {type, key, value}, with type eq, ne, gt, gte, lt, lte, in or nin, or "
        "{type, filters} with type and or or.",
        param=param,
        code="invalid_value",
    )
