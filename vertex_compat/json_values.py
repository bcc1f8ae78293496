"""Read JSON values that may be missing, null or of another type than documented.

Each function returns the value in the documented type, or that type's empty value. None raises, so a null
where a token count should be does not cost the client its answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from vertex_compat.types import JSON

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON parser keeps exactly (RFC 8259, section 6)."""


def text(value: Any) -> str:
    """Return a string as it is, anything else as an empty string."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> JSON:
    """Return an object as it is, anything else as an empty object."""
    return value if isinstance(value, dict) else {}


def member(value: Any, key: str) -> JSON:
    """Return the object under `key` of an object; an empty object if there is none."""
    return mapping(value.get(key)) if isinstance(value, dict) else {}


def items(value: Any) -> list[JSON]:
    """Return the objects in a list; an empty list if the value is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def integer(value: Any) -> int | None:
    """Return an integer, None if the value is none.

    ProtoJSON writes 64-bit integers as strings; some servers write integers as floats.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_INTEGER)):
        value = int(value)
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        return None
    return value


def count(value: Any) -> int:
    """Return a count (of tokens, of bytes): an integer of at least 0, 0 for other values."""
    return max(integer(value) or 0, 0)


def number(value: Any) -> float | None:
    """Return a finite number, None if the value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) <= MAX_INTEGER else None


def numbers(value: Any) -> list[float] | None:
    """Return a list of finite numbers, None if it is empty or any other value."""
    values = [number(item) for item in value] if isinstance(value, list) else []
    valid = [item for item in values if item is not None]
    return valid if valid and len(valid) == len(values) else None


def enum(value: Any, names: Sequence[str]) -> str:
    """Return the name of an enum's value; ProtoJSON allows its number, an index into `names`.

    A name that is not in `names` is returned as it is, a number that is not in decimal.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        return text(value)
    return names[value] if 0 <= value < len(names) else str(value)
