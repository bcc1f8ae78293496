"""A JSON request body, validated against a schema, with errors that name the parameter.

The schema only validates. The plain object is passed on with every key that the client sent: clients use
dialects, and some publishers know keys that others do not.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON, RawBody

S = TypeVar("S", bound=msgspec.Struct)

MAX_VALUES: Final = 1_000_000
"""JSON values of a body. As Python's objects, each takes up to 64 bytes beside its text."""

MAX_DEPTH: Final = 100
"""Levels of a body. Google's own parser takes as many, and no function here exhausts the stack with them."""

_decode_raw: Final = msgspec.json.Decoder(RawBody).decode

_MAX_QUOTED_CHARS: Final = 300
"""Characters of msgspec's message, which repeats the client's value."""

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


class AnyObject(msgspec.Struct):
    """The schema of any JSON object."""


def decode(content: bytes, schema: type[msgspec.Struct]) -> JSON:
    """Return the JSON object in `content`; raises `BadRequest` unless it fits `schema`."""
    decoded = decode_object(content)
    validate(decoded, schema)
    return decoded


def decode_object(content: bytes) -> JSON:
    """Return the JSON object in `content`, of any shape; raises `BadRequest`."""
    _check_values(content)
    try:
        decoded = msgspec.json.decode(content)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise errors.BadRequest(f"The request body is not valid JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise errors.BadRequest("The request body is not a JSON object.")
    if content.count(b"{") + content.count(b"[") > MAX_DEPTH and _depth(decoded) > MAX_DEPTH:
        raise _too_deep()
    return decoded


def _check_values(content: bytes) -> None:
    """Raise `BadRequest` for more than `MAX_VALUES` values; separators in texts do not count."""
    if _separators(content) > MAX_VALUES and _separators(_STRING.sub(b"", content)) > MAX_VALUES:
        raise errors.BadRequest(
            f"The request body has more than {MAX_VALUES} JSON values.", code="too_many_values"
        )


def _separators(content: bytes) -> int:
    """Return at least the number of JSON values: one follows each of these characters."""
    return content.count(b",") + content.count(b"[") + content.count(b"{")


def decode_fields(content: bytes) -> RawBody:
    """Return the keys of the JSON object in `content` with their values as they came.

    Raises `BadRequest`. The values have been skipped, not checked: their texts may not be valid.
    """
    _check_values(content)
    with _readable():
        return _decode_raw(content)


def field_values(fields: RawBody, names: Iterable[str]) -> JSON:
    """Return the values of those of the fields that are there; raises `BadRequest`."""
    with _readable():
        return {name: msgspec.json.decode(fields[name]) for name in names if name in fields}


@contextmanager
def _readable() -> Iterator[None]:
    """Raise `BadRequest` for JSON that cannot be read."""
    try:
        yield
    except RecursionError:
        raise _too_deep() from None
    except msgspec.ValidationError:
        raise errors.BadRequest("The request body is not a JSON object.") from None
    except ValueError as error:
        raise errors.BadRequest(f"The request body is not valid JSON: {error}") from None


def _too_deep() -> errors.BadRequest:
    return errors.BadRequest("The request body is nested too deeply.")


def _depth(value: Any) -> int:
    """The number of levels of a decoded value; counting ends at one level more than is allowed."""
    level = [value]
    depth = 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [inner for value in level for inner in _children(value) if isinstance(inner, dict | list)]
    return depth


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def unknown(params: JSON, schema: type[msgspec.Struct]) -> list[str]:
    """Return the names of parameters that a schema does not have."""
    return [name for name in params if name not in schema.__struct_fields__]


def validate(value: Any, schema: type[S], *, strict: bool = True) -> S:
    """Return `value` as a `schema`.

    Raises `BadRequest` whose `param` is a path such as `messages[0].role`. If not `strict`, numbers and
    booleans may be strings, as in a form.
    """
    if schema not in _prepared:
        _prepare(schema)
    try:
        return msgspec.convert(value, schema, strict=strict)
    except msgspec.ValidationError as error:
        raise _bad_request(str(error)) from None
    except RecursionError:
        raise _too_deep() from None


_prepared: Final[set[type[msgspec.Struct]]] = set()
_prepare_lock: Final = threading.Lock()


def _prepare(schema: type[msgspec.Struct]) -> None:
    """Make msgspec read a schema, in one thread at a time.

    msgspec reads a schema at its first use; a second thread that uses it at the same time finds it
    incomplete.
    """
    with _prepare_lock:
        msgspec.json.Decoder(schema)
        _prepared.add(schema)


def _bad_request(message: str) -> errors.BadRequest:
    """The error for msgspec's message about a value."""
    reason, separator, path = message.partition(" - at `")
    if not (separator and path.endswith("`")):
        reason, path = message, ""
    param = path[:-1].removeprefix("key in ").removeprefix("$").removeprefix(".")
    if missing := _MISSING.match(reason):
        param = f"{param}.{missing['field']}".lstrip(".")
        return errors.missing_parameter(param)
    lowered = reason[:1].lower() + reason[1:_MAX_QUOTED_CHARS]
    code = "invalid_type" if lowered.startswith("expected") and ", got " in lowered else "invalid_value"
    return errors.BadRequest(
        f"Invalid value for '{param}': {lowered}." if param else f"Invalid request: {lowered}.",
        param=param or None,
        code=code,
    )


def drop_nulls(value: JSON) -> JSON:
    """Return a copy without keys whose value is null, which means "not set" to OpenAI's API."""
    return {key: inner for key, inner in value.items() if inner is not None}


def check_stream_options(params: JSON) -> None:
    """Raise `BadRequest` for `stream_options` without `stream`."""
    if "stream_options" in params and not params.get("stream"):
        raise errors.BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
