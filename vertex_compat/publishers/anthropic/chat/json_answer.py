"""JSON answers: a model's text or tool arguments as the JSON that the client requested.

Models put JSON in a code fence or a sentence. They wrap the arguments of the answer tool in one more object,
or write an inner object as a string. `read` undoes this where the schema shows it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from vertex_compat.publishers import json_schema
from vertex_compat.types import JSON, JSONAnswer

_FENCE: Final = "```"


def read(text: str, answer: JSONAnswer) -> tuple[str, bool | None]:
    """Return the answer as JSON text, and whether it has what its schema requires.

    A text without JSON is returned as it is, and None.
    """
    for candidate in _candidates(text):
        try:
            value = msgspec.json.decode(candidate)
        except (ValueError, RecursionError):
            continue
        fitted = _fit(value, answer)
        changed = fitted != value or answer.wrapped
        complete = _is_complete(fitted, answer.schema)
        fitted = _client_value(fitted, answer)
        return (msgspec.json.encode(fitted).decode() if changed or answer.names else candidate), complete
    return text, None


def _candidates(text: str) -> list[str]:
    """Return the parts of a text that may be JSON: all, a code block, from first to last brace."""
    candidates = [text.strip(), _fence_content(text)]
    for opening, closing in ("{}", "[]"):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            candidates.append(text[start : end + 1])
    return candidates


def _fence_content(text: str) -> str:
    """Return the content of the first code block, empty if there is none."""
    begin = text.find("\n", max(text.find(_FENCE), 0))
    end = text.find(_FENCE, begin)
    return text[begin:end].strip() if _FENCE in text and 0 <= begin < end else ""


def _fit(value: Any, answer: JSONAnswer) -> Any:
    """Return the object that fits the schema, without a wrapping object or quoted inner objects."""
    schema = answer.schema
    if answer.wrapped and not (isinstance(value, dict) and json_schema.VALUE in value):
        inner = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value
        value = {json_schema.VALUE: inner}
    elif isinstance(value, dict) and len(value) == 1 and not _is_complete(value, schema):
        inner = _decode(next(iter(value.values())))
        value = inner if isinstance(inner, dict) and _is_complete(inner, schema) else value
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties") or {}
    return {name: _unquote(inner, properties.get(name)) for name, inner in value.items()}


def _is_complete(value: Any, schema: JSON) -> bool:
    """Return whether an object has all required properties, and one of the known ones."""
    if not isinstance(value, dict):
        return False
    properties = schema.get("properties") or {}
    return value.keys() >= set(schema.get("required") or ()) and (
        not properties or not value or not value.keys().isdisjoint(properties)
    )


def _unquote(value: Any, schema: Any) -> Any:
    """Return an array or object that the model wrote as a string."""
    if not isinstance(value, str) or not isinstance(schema, dict):
        return value
    kinds = {"array": list, "object": dict}
    kind = kinds.get(schema.get("type", ""))
    decoded = _decode(value)
    return decoded if kind and isinstance(decoded, kind) else value


def _decode(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return value


def _client_value(value: Any, answer: JSONAnswer) -> Any:
    if answer.wrapped:
        value = value[json_schema.VALUE]
    return json_schema.rename_keys(value, answer.names) if answer.names else value
