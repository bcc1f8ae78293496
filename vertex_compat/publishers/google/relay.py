"""A request of Gemini's developer API to Gemini on Vertex AI: passed on, not translated.

https://ai.google.dev/api/generate-content and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference. Both take the same
bodies, but Vertex AI needs a role in each content and ids in function responses. It has no Files API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON, Model, RawBody, UpstreamCall

FILES_API: Final = re.compile(rb'"file_?[uU]ri"\s*:\s*"https://generativelanguage\.googleapis\.com/')

USER: Final[JSON] = {"role": "user"}

_FUNCTION_RESPONSE: Final = re.compile(rb'"function_?[rR]esponse"')
_DEFAULTS: Final = {"safety_settings": "safetySettings", "labels": "labels"}


def request(body: RawBody, model: Model, method: str) -> UpstreamCall:
    """Return the call of `method` (such as `generateContent`) for a body of Gemini's API."""
    fields = {name: value for name, value in body.items() if name != "model"}
    if raw := fields.get("contents"):
        fields["contents"] = _complete_contents(raw)
    for name, field in _DEFAULTS.items():
        if method != "countTokens" and name in model.defaults and field not in fields and name not in fields:
            fields[field] = msgspec.Raw(msgspec.json.encode(model.defaults[name]))
    return UpstreamCall(f"{model.resource}:{method}", {}, "v1beta1", content=msgspec.json.encode(fields))


def _complete_contents(raw: msgspec.Raw) -> msgspec.Raw:
    """The contents with roles and ids of calls where they are missing; as they came if none is."""
    if FILES_API.search(raw):
        raise errors.BadRequest(
            "There is no Files API here: send the file as inlineData, or its gs:// or https:// URI.",
            param="contents",
            code="unsupported_value",
        )
    try:
        contents = msgspec.json.decode(raw, type=list[RawBody] | RawBody)
        content_list = contents if isinstance(contents, list) else [contents]
        corrected: list[Any] = [USER | content for content in content_list]
        if _FUNCTION_RESPONSE.search(raw):
            corrected = _with_ids(msgspec.json.decode(msgspec.json.encode(corrected)))
        elif isinstance(contents, list) and all("role" in content for content in content_list):
            return raw
    except (ValueError, RecursionError):
        return raw  # Vertex AI says what is wrong with it
    return msgspec.Raw(msgspec.json.encode(corrected))


def _with_ids(contents: list[JSON]) -> list[JSON]:
    """The contents with an id in each response: else that of the first open call of its name.

    The developer API pairs calls and responses by their order where a client sends no ids.
    """
    open_calls: dict[str, list[str]] = {}
    for part in _parts(contents):
        call = _member(part, "functionCall", "function_call")
        if isinstance(id_ := call.get("id"), str):
            open_calls.setdefault(str(call.get("name")), []).append(id_)
        response = _member(part, "functionResponse", "function_response")
        waiting = open_calls.get(str(response.get("name")), [])
        if response and (own := response.get("id")):
            if own in waiting:
                waiting.remove(own)
        elif response and waiting:
            response["id"] = waiting.pop(0)
    return contents


def _parts(contents: list[JSON]) -> Iterator[JSON]:
    for content in contents:
        parts = content.get("parts")
        yield from (part for part in (parts if isinstance(parts, list) else ()) if isinstance(part, dict))


def _member(part: JSON, *names: str) -> JSON:
    value = next((part[name] for name in names if name in part), None)
    return value if isinstance(value, dict) else {}
