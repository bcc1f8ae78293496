"""The operations that batches have, each translated as without a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.operations.chat import chat, custom_tools
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.embeddings import embeddings
from vertex_compat.operations.files import file_ids
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import JSON, Delta, Model, UpstreamCall


class ResponseIdentity(NamedTuple):
    """Id, time and model name of one response."""

    id: str
    created: int
    model: str


class Operation(NamedTuple):
    """One endpoint: reads a request's body, makes the call to the model, and reads the response."""

    name: str
    parse: Callable[[bytes, RequestContext], JSON]
    request: Callable[[JSON, Model], UpstreamCall]
    response: Callable[[JSON, UpstreamCall, str, ResponseIdentity], JSON]


def _parse_chat(content: bytes, context: RequestContext) -> JSON:
    return file_ids.resolve(chat.parse(content), context)


def _parse_embeddings(content: bytes, context: RequestContext) -> JSON:
    del context
    return embeddings.parse(content)


def _chat_request(params: JSON, model: Model) -> UpstreamCall:
    adapter = PUBLISHERS[model.publisher].chat
    if adapter is None:
        raise _not_supported(model, "chat")
    if params.get("stream"):
        raise errors.BadRequest("A batch has no streams.", param="stream", code="invalid_value")
    if not adapter.takes_n(model) and params.pop("n", 1) > 1:
        raise errors.BadRequest(
            "A request of a batch to this model has one choice; use one line for each.",
            param="n",
            code="unsupported_value",
        )
    params, custom = custom_tools.as_functions({**model.defaults, **params})
    call = adapter.request(params, model)
    # Optional features cannot be tried in a batch: a refusal would come with its results.
    if untried := [name for name in call.optional_features if not name.startswith("messages.")]:
        call = adapter.request(params, dataclasses.replace(model, refused_features=frozenset(untried)))
    return replace(call, custom_tools=tuple(sorted(custom)))


def _chat_response(reply: JSON, call: UpstreamCall, publisher: str, identity: ResponseIdentity) -> JSON:
    adapter = PUBLISHERS[publisher].chat
    parts = adapter.response(reply, call) if adapter else ()
    if call.custom_tools:
        calls = custom_tools.CustomCalls(call.custom_tools)
        parts = [calls.apply(part.choice, part) if isinstance(part, Delta) else part for part in parts]
    id_ = f"chatcmpl-{identity.id}"
    return chat.completion(((0, part) for part in parts), identity.model, id_, identity.created)


def _embeddings_request(params: JSON, model: Model) -> UpstreamCall:
    adapter = PUBLISHERS[model.publisher].embeddings
    if adapter is None:
        raise _not_supported(model, "embed")
    if len(params["input"]) != 1:
        raise errors.BadRequest("A request of a batch has one input.", param="input", code="invalid_value")
    if params.get("encoding_format") == "base64":
        raise errors.BadRequest(
            "Embeddings of a batch are lists of numbers; leave 'encoding_format' out.",
            param="encoding_format",
            code="unsupported_value",
        )
    return adapter.request(params, model)[0]


def _embeddings_response(reply: JSON, call: UpstreamCall, publisher: str, identity: ResponseIdentity) -> JSON:
    adapter = PUBLISHERS[publisher].embeddings
    vectors = adapter.response(reply, call) if adapter else ()
    tokens = sum(vector.tokens for vector in vectors)
    return embeddings.embedding_list([vector.values for vector in vectors], tokens, identity.model)


def _not_supported(model: Model, verb: str) -> errors.NotFound:
    reason = f"{model.requested_name!r} does not {verb}."
    return errors.NotFound(reason, param="model", code="model_not_found")


OPERATIONS: Final = {
    "/v1/chat/completions": Operation("chat", _parse_chat, _chat_request, _chat_response),
    "/v1/embeddings": Operation("embeddings", _parse_embeddings, _embeddings_request, _embeddings_response),
}
"""Endpoint → operation."""
