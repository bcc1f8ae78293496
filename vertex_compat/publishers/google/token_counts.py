"""Counting the input tokens of Gemini: `countTokens`.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens
"""

from __future__ import annotations

from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import count
from vertex_compat.publishers.google import relay as gemini_relay
from vertex_compat.publishers.google.chat import chat
from vertex_compat.types import JSON, Model, RawBody, TokenCounter, UpstreamCall

METHOD: Final = "countTokens"

FIELDS: Final = frozenset({"contents", "generationConfig", "systemInstruction", "tools"})
"""Fields of `generateContent` that are counted; the method has no others."""

_WRAPPED: Final = ("generateContentRequest", "generate_content_request")


def request(body: JSON, model: Model) -> UpstreamCall:
    """Return the call that counts the tokens of a chat body."""
    call = chat.request(body, model)
    fields = {name: value for name, value in call.body.items() if name in FIELDS}
    return UpstreamCall(f"{model.resource}:{METHOD}", fields, call.version)


def relay(body: RawBody, model: Model) -> UpstreamCall:
    """Return the call for a Gemini API body, which may hold a whole `generateContent` request."""
    inner = next((body[name] for name in _WRAPPED if name in body), None)
    try:
        fields: RawBody = msgspec.json.decode(inner, type=RawBody) if inner is not None else body
    except (ValueError, RecursionError):
        raise errors.BadRequest(
            "'generateContentRequest' is not an object.", param="generateContentRequest", code="invalid_type"
        ) from None
    return gemini_relay.request(fields, model, METHOD)


def response(body: JSON) -> int:
    """Return the number of tokens. ProtoJSON leaves out a count of 0."""
    return count(body.get("totalTokens"))


TOKEN_COUNTS: Final = TokenCounter(request, relay, response)
