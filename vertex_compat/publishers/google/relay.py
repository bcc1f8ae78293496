"""A request of Gemini's developer API on its way to Gemini on Vertex AI: passed on, not translated.

https://ai.google.dev/api/generate-content and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference. The two take the same bodies,
but for what is mended here: Vertex AI wants a role in each content, and has no Files API.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON, Model, RawBody, UpstreamCall

FILES_API: Final = re.compile(rb'"file_?[uU]ri"\s*:\s*"https://generativelanguage\.googleapis\.com/')

_DEFAULTS: Final = {"safety_settings": "safetySettings", "labels": "labels"}


def request(body: RawBody, model: Model, method: str) -> UpstreamCall:
    """Return the call of `method` (such as `generateContent`) for a body of Gemini's API."""
    fields = {name: value for name, value in body.items() if name != "model"}
    if raw := fields.get("contents"):
        fields["contents"] = _with_roles(raw)
    for name, field in _DEFAULTS.items():
        if method != "countTokens" and name in model.defaults and field not in fields and name not in fields:
            fields[field] = msgspec.Raw(msgspec.json.encode(model.defaults[name]))
    return UpstreamCall(f"{model.resource}:{method}", {}, "v1beta1", content=msgspec.json.encode(fields))


def _with_roles(raw: msgspec.Raw) -> msgspec.Raw:
    """The contents with the user's role where there is none, as the developer API has it."""
    if FILES_API.search(raw):
        raise errors.BadRequest(
            "There is no Files API here: send the file as inlineData, or its gs:// or https:// URI.",
            param="contents",
            code="unsupported_value",
        )
    try:
        contents = msgspec.json.decode(raw, type=list[RawBody] | RawBody)
    except msgspec.ValidationError:
        return raw  # Vertex AI says what is wrong with it
    listed = contents if isinstance(contents, list) else [contents]
    if isinstance(contents, list) and all("role" in content for content in listed):
        return raw
    user: JSON = {"role": "user"}
    return msgspec.Raw(msgspec.json.encode([user | content for content in listed]))
