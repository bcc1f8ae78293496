"""The operations that batches have, each translated as without a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.operations.batches import batches_schema
from vertex_compat.operations.chat import chat, custom_tools
from vertex_compat.operations.chat.policy import OpenAIResponsePolicy
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.embeddings import embeddings
from vertex_compat.operations.files import file_ids
from vertex_compat.operations.messages import input_blocks, messages_schema
from vertex_compat.operations.messages.input_tools import is_server_tool
from vertex_compat.operations.messages.output_blocks import MessageEvents, whole_message
from vertex_compat.operations.request import body
from vertex_compat.operations.request.chat_request import rename_param
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import JSON, ChatAdapter, Delta, Model, Relay, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.operations.answer_types import CreateEmbeddingResponse
    from vertex_compat.operations.chat.answer_types import ChatCompletion

BATCH_BETA: Final = "message-batches-"
"""Beginning of the betas of the Message Batches API itself, which Vertex AI does not know."""

_BETA_FIELDS: Final = ("anthropic-beta", "anthropic_beta", "betas")


class ResponseIdentity(NamedTuple):
    """Id, time and model name of one response."""

    id: str
    created: int
    model: str


class RowOperation(NamedTuple):
    """One endpoint: reads a request's body, makes the call to the model, and reads the response.

    `response_params` selects the parameters on which the form of the response depends: they are stored, and
    the last argument of `response`. Its third is the publisher.
    """

    name: str
    parse: Callable[[bytes, RequestContext], JSON]
    request: Callable[[JSON, Model], UpstreamCall]
    response: Callable[[JSON, UpstreamCall, str, ResponseIdentity, JSON], Mapping[str, object]]
    response_params: Callable[[JSON, Model], JSON] = lambda _, __: {}


def _parse_chat(content: bytes, context: RequestContext) -> JSON:
    return file_ids.resolve(chat.parse(content), context)


def _parse_embeddings(content: bytes, context: RequestContext) -> JSON:
    del context
    return embeddings.parse(content)


def _chat_request(params: JSON, model: Model) -> UpstreamCall:
    adapter = PUBLISHERS[model.publisher].chat
    if adapter is None:
        raise _not_supported(model, "chat")
    _check_not_streamed(params)
    if not adapter.takes_n(model) and params.pop("n", 1) > 1:
        raise errors.BadRequest(
            "A request of a batch to this model has one choice; use one line for each.",
            param="n",
            code="unsupported_value",
        )
    params, custom = custom_tools.as_functions({**model.defaults, **params})
    call = _without_untried_features(lambda model: adapter.request(params, model), model)
    return msgspec.structs.replace(call, custom_tools=tuple(sorted(custom)))


def _check_not_streamed(params: JSON) -> None:
    if params.get("stream"):
        raise errors.BadRequest(
            "Requests of a batch are not streamed: leave 'stream' out.", param="stream", code="invalid_value"
        )


def _without_untried_features(request: Callable[[Model], UpstreamCall], model: Model) -> UpstreamCall:
    """Return a call without optional features: a refusal would come with the batch's results."""
    call = request(model)
    if untried := [name for name in call.optional_features if not name.startswith("messages.")]:
        call = request(msgspec.structs.replace(model, refused_features=frozenset(untried)))
    return call


def _chat_response(
    reply: JSON, call: UpstreamCall, publisher: str, identity: ResponseIdentity, _: JSON
) -> ChatCompletion:
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
        raise errors.BadRequest(
            "A request of a batch has one input; use one line for each.", param="input", code="invalid_value"
        )
    if params.get("encoding_format") == "base64":
        raise errors.BadRequest(
            "Embeddings of a batch are lists of numbers; leave 'encoding_format' out.",
            param="encoding_format",
            code="unsupported_value",
        )
    return adapter.request(params, model)[0]


def _embeddings_response(
    reply: JSON, call: UpstreamCall, publisher: str, identity: ResponseIdentity, _: JSON
) -> CreateEmbeddingResponse:
    adapter = PUBLISHERS[publisher].embeddings
    vectors = adapter.response(reply, call) if adapter else ()
    tokens = sum(vector.tokens for vector in vectors)
    return embeddings.embedding_list([vector.values for vector in vectors], tokens, identity.model)


def _parse_message(content: bytes, context: RequestContext) -> JSON:
    params = body.decode_object(content)
    body.validate(params, batches_schema.MessageParams)
    _check_not_streamed(params)
    fields = {name: value for name, value in params.items() if name not in {"stream", *_BETA_FIELDS}}
    if betas := _betas(params, context):
        fields["anthropic_beta"] = betas
    messages = fields.get("messages")
    if isinstance(messages, list) and all(isinstance(message, dict) for message in messages):
        return file_ids.resolve(fields, context)
    return fields


def _betas(params: JSON, context: RequestContext) -> list[str]:
    """Return the betas of the batch's header and of one request, as Anthropic's SDKs send them."""
    names = context.header("anthropic-beta").split(",")
    for field in _BETA_FIELDS:
        value = params.get(field)
        names += [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    stripped = dict.fromkeys(name.strip() for name in names)
    return [name for name in stripped if name and not name.startswith(BATCH_BETA)]


def _message_request(params: JSON, model: Model) -> UpstreamCall:
    publisher = PUBLISHERS[model.publisher]
    if pass_on := publisher.messages:
        return _relayed_message(params, pass_on, model)
    if publisher.chat is None:
        raise _not_supported(model, "chat")
    return _translated_message(params, publisher.chat, model)


def _relayed_message(params: JSON, pass_on: Relay, model: Model) -> UpstreamCall:
    """Return the call to Claude: the request as it came."""
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in params.items()}
    call = _without_untried_features(lambda model: pass_on(fields, model, ""), model)
    return msgspec.structs.replace(call, body=msgspec.json.decode(call.content or b"{}"), content=None)


def _translated_message(params: JSON, adapter: ChatAdapter, model: Model) -> UpstreamCall:
    body.validate(params, messages_schema.CreateMessage)
    chat_params = input_blocks.chat_request(body.drop_nulls(params)).for_adapter(adapter)
    merged = {**model.defaults, **chat_params.body}
    try:
        call = _without_untried_features(lambda model: adapter.request(merged, model), model)
    except errors.BadRequest as error:
        rename_param(error, chat_params.names)
        raise
    ignored = chat_params.names.of_ignored(call.ignored, chat_params.body)
    return msgspec.structs.replace(call, ignored=(*chat_params.ignored, *ignored))


def _message_response_params(params: JSON, model: Model) -> JSON:
    if PUBLISHERS[model.publisher].messages:
        return {}
    fields = {name: params[name] for name in ("stop_sequences", "thinking", "tool_choice") if name in params}
    server_tools = [tool for tool in params.get("tools") or () if is_server_tool(tool)]
    return fields | ({"tools": server_tools} if server_tools else {})


def _message_response(
    reply: JSON, call: UpstreamCall, publisher: str, identity: ResponseIdentity, params: JSON
) -> Mapping[str, object]:
    if PUBLISHERS[publisher].messages:
        return reply | {"model": identity.model}
    adapter = PUBLISHERS[publisher].chat
    parts = adapter.response(reply, call) if adapter else ()
    single = (params.get("tool_choice") or {}).get("disable_parallel_tool_use")
    policy = OpenAIResponsePolicy({"parallel_tool_calls": False} if single else {})
    display, stops = input_blocks.display(params), params.get("stop_sequences") or ()
    events = MessageEvents(identity.model, display, stops)
    first_events = [event for part in parts for event in events.part(policy.apply(0, part))]
    return {**whole_message([*first_events, *events.end()]), "id": f"msg_{identity.id}"}


def _not_supported(model: Model, verb: str) -> errors.NotFound:
    reason = f"{model.requested_name!r} does not {verb}."
    return errors.NotFound(reason, param="model", code="model_not_found")


OPERATIONS: Final = {
    "/v1/chat/completions": RowOperation("chat", _parse_chat, _chat_request, _chat_response),
    "/v1/embeddings": RowOperation(
        "embeddings", _parse_embeddings, _embeddings_request, _embeddings_response
    ),
    "/v1/messages": RowOperation(
        "messages", _parse_message, _message_request, _message_response, _message_response_params
    ),
}
"""Endpoint → operation."""
