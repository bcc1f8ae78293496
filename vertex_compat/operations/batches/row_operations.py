"""What can be asked for in batches, and how one request of it is translated: as it is without a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.operations.chat import chat, custom_tools
from vertex_compat.operations.embeddings import embeddings
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import JSON, Delta, Model, UpstreamCall


class Stamp(NamedTuple):
    """What an answer carries of ours."""

    id: str
    created: int
    model: str


class Operation(NamedTuple):
    """One endpoint: what is in a request's body, the call that it means, and the body of the answer."""

    name: str
    parse: Callable[[bytes], JSON]
    request: Callable[[JSON, Model], UpstreamCall]
    response: Callable[[JSON, UpstreamCall, str, Stamp], JSON]


def _chat_request(given: JSON, model: Model) -> UpstreamCall:
    operation = PUBLISHERS[model.publisher].chat
    if operation is None:
        raise _unable(model, "chat")
    if given.get("stream"):
        raise errors.BadRequest("A batch has no streams.", param="stream", code="invalid_value")
    if not operation.takes_n(model) and given.pop("n", 1) > 1:
        raise errors.BadRequest(
            "A request of a batch to this model has one answer; context in several lines.",
            param="n",
            code="unsupported_value",
        )
    params, custom = custom_tools.as_functions(given)
    return replace(operation.request(params, model), custom_tools=tuple(sorted(custom)))


def _chat_response(reply: JSON, call: UpstreamCall, publisher: str, stamp: Stamp) -> JSON:
    operation = PUBLISHERS[publisher].chat
    pieces = operation.response(reply, call) if operation else ()
    if call.custom_tools:
        calls = custom_tools.CustomCalls(call.custom_tools)
        pieces = [calls.apply(one.choice, one) if isinstance(one, Delta) else one for one in pieces]
    identity = f"chatcmpl-{stamp.id}"
    return chat.completion(((0, piece) for piece in pieces), stamp.model, identity, stamp.created)


def _embeddings_request(given: JSON, model: Model) -> UpstreamCall:
    operation = PUBLISHERS[model.publisher].embeddings
    if operation is None:
        raise _unable(model, "embed")
    if len(given["input"]) != 1:
        raise errors.BadRequest("A request of a batch has one input.", param="input", code="invalid_value")
    if given.get("encoding_format") == "base64":
        raise errors.BadRequest(
            "The answers of a batch are numbers.", param="encoding_format", code="unsupported_value"
        )
    return operation.request(given, model)[0]


def _embeddings_response(reply: JSON, call: UpstreamCall, publisher: str, stamp: Stamp) -> JSON:
    operation = PUBLISHERS[publisher].embeddings
    vectors = operation.response(reply, call) if operation else ()
    tokens = sum(vector.tokens for vector in vectors)
    return embeddings.embedding_list([vector.values for vector in vectors], tokens, stamp.model)


def _unable(model: Model, verb: str) -> errors.NotFound:
    return errors.NotFound(
        f"{model.requested_name!r} does not {verb}.", param="model", code="model_not_found"
    )


OPERATIONS: Final = {
    "/v1/chat/completions": Operation("chat", chat.parse, _chat_request, _chat_response),
    "/v1/embeddings": Operation("embeddings", embeddings.parse, _embeddings_request, _embeddings_response),
}
"""By their endpoint."""
