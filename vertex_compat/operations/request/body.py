"""A request's body: JSON, checked against a schema, with errors that name the place.

The schema only checks. What goes on is the plain object, with every key that the client sent: clients speak
dialects, and what one publisher does not know another may.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON

S = TypeVar("S", bound=msgspec.Struct)

_PLACE: Final = re.compile(r"^(?P<said>.*?)(?: - at `(?:key in )?\$\.?(?P<place>.*)`)?$", re.DOTALL)
_MAX_QUOTED_CHARS: Final = 300
"""Characters of what is said of a value: msgspec repeats it."""

MAX_DEPTH: Final = 100
"""Levels of a body. Google's own parser takes as many, and none of our own functions runs out of stack."""

_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


def decode(body: bytes, schema: type[msgspec.Struct]) -> JSON:
    """The JSON object in `body`; raises `BadRequest` unless it fits `schema`."""
    try:
        decoded = msgspec.json.decode(body)
    except RecursionError:
        raise errors.BadRequest("The request body is nested too deeply.") from None
    except ValueError as error:
        raise errors.BadRequest(f"The request body is not valid JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise errors.BadRequest("The request body is not a JSON object.")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(decoded) > MAX_DEPTH:
        raise errors.BadRequest("The request body is nested too deeply.")
    check(decoded, schema)
    return decoded


def _depth(value: Any) -> int:
    """How many levels a decoded value has, or that they are too many."""
    level = [value]
    depth = 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [inner for one in level for inner in _held(one) if isinstance(inner, dict | list)]
    return depth


def _held(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def check(value: Any, schema: type[S], *, strict: bool = True) -> S:
    """`value` as a `schema`; raises `BadRequest` whose `param` is a path such as `messages[0].role`.

    Not `strict`, numbers and booleans may be given as texts, as in a form.
    """
    if schema not in _known:
        _learn(schema)
    try:
        return msgspec.convert(value, schema, strict=strict)
    except msgspec.ValidationError as error:
        raise _fault(str(error)) from None
    except RecursionError:
        raise errors.BadRequest("The request body is nested too deeply.") from None


_known: Final[set[type[msgspec.Struct]]] = set()
_learning: Final = threading.Lock()


def _learn(schema: type[msgspec.Struct]) -> None:
    """Have msgspec read a schema, one thread at a time.

    It does so at the first use, and another thread that comes meanwhile finds half of it, and crashes.
    """
    with _learning:
        msgspec.json.Decoder(schema)
        _known.add(schema)


def _fault(message: str) -> errors.BadRequest:
    match = _PLACE.match(message)
    said, place = (match["said"], match["place"] or "") if match else (message, "")
    if missing := _MISSING.match(said):
        param = f"{place}.{missing['field']}".lstrip(".")
        return errors.BadRequest(
            f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
        )
    lowered = said[:1].lower() + said[1:_MAX_QUOTED_CHARS]
    code = "invalid_type" if lowered.startswith("expected") and ", got " in lowered else "invalid_value"
    return errors.BadRequest(
        f"Invalid value for '{place}': {lowered}." if place else f"Invalid request: {lowered}.",
        param=place or None,
        code=code,
    )


def without_nulls(value: JSON) -> JSON:
    """A copy without keys whose value is null: OpenAI takes null as "not given"."""
    return {key: held for key, held in value.items() if held is not None}


def check_stream_options(given: JSON) -> None:
    """Raise `BadRequest` for `stream_options` where nothing is streamed."""
    if "stream_options" in given and not given.get("stream"):
        raise errors.BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
