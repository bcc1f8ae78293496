"""`POST /v1/messages`: Anthropic's Messages API, for every model that chats.

A request to Claude is passed on, and so is the response. For models of other publishers the request is
translated into a chat request, and the parts of the response into Anthropic's blocks and events.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from vertex_compat import error_formats, errors
from vertex_compat.operations import model_calls, token_counts
from vertex_compat.operations.chat.policy import OpenAIResponsePolicy
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.messages import input_blocks, messages_schema, relay
from vertex_compat.operations.messages.input_blocks import display
from vertex_compat.operations.messages.output_blocks import MessageEncoder, MessageEvents, whole_message
from vertex_compat.operations.request import body, inline_urls
from vertex_compat.operations.request.chat_request import ChatRequest
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import JSON, ChatAdapter, Model, RawBody, Relay, TokenCounter, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.operations.messages import answer_types as wire

_BETAS: Final = "anthropic-beta"


class _Head(msgspec.Struct):
    """The fields that decide where a request goes."""

    model: str
    stream: bool | None = None


class MessageRequest:
    """A request of Anthropic's API, decoded to the depth that its model needs."""

    def __init__(
        self,
        context: RequestContext,
        schema: type[messages_schema.CountTokens] = messages_schema.CreateMessage,
    ) -> None:
        self._context = context
        self._schema = schema
        self.fields: RawBody = body.decode_fields(context.body)
        _refuse_thread(self.fields)
        head = body.validate(body.field_values(self.fields, ("model", "stream")), _Head)
        self.model = head.model
        self.streaming = bool(head.stream)

    @cached_property
    def params(self) -> JSON:
        """The request, validated as one to a model that is not Claude."""
        return body.drop_nulls(body.decode(self._context.body, self._schema))

    @cached_property
    def chat(self) -> ChatRequest:
        """The request as a chat request."""
        return input_blocks.chat_request(self.params)


def _refuse_thread(fields: RawBody) -> None:
    """Refuse a message thread in the way in which Anthropic's SDKs go on without one.

    Their tool runners ask for a thread first. Claude on Vertex AI has none: the SDK's own client for it sends
    none (anthropic 2.11, November 2026).
    """
    if bytes(fields.pop("thread", msgspec.Raw(b"null"))) != b"null":
        raise errors.BadRequest(
            "Vertex AI keeps no message threads: leave out 'thread', and send all messages.",
            param="thread",
            code=error_formats.THREAD_UNSUPPORTED,
        )


def create(context: RequestContext) -> Response:
    """Answer one request, streaming or whole."""
    request = MessageRequest(context)

    def attempt(model: Model, adapter: ChatAdapter) -> Response:
        pass_on = PUBLISHERS[model.publisher].messages
        if pass_on and not model.model_armor:  # only translated parts can be checked
            return _relay(request, pass_on, model, context)
        with request.chat.names.in_errors():
            return _translate(request, adapter, model, context)

    return model_calls.with_fallback(context, request.model, model_calls.CHAT, attempt)


def _relay(request: MessageRequest, pass_on: Relay, model: Model, context: RequestContext) -> Response:
    def prepare(model: Model) -> list[UpstreamCall]:
        return [pass_on(request.fields, model, context.header(_BETAS))]

    if context.dry_run:
        return model_calls.describe(prepare(model)[0], model, context)
    stream = UpstreamStream(prepare, relay.parser(request.model, context), model, context)
    return relay.respond(stream, streaming=request.streaming)


def _translate(
    request: MessageRequest, adapter: ChatAdapter, model: Model, context: RequestContext
) -> Response:
    chat = request.chat.for_adapter(adapter)

    def prepare(model: Model) -> list[UpstreamCall]:
        call = adapter.request(inline_urls.inline({**model.defaults, **chat.body}, adapter, context), model)
        ignored = (*chat.ignored, *chat.names.of_ignored(call.ignored, chat.body))
        return [replace(call, ignored=ignored)]

    if context.dry_run:
        return model_calls.describe(prepare(model)[0], model, context)
    stream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
    stops = request.params.get("stop_sequences") or ()
    events = MessageEvents(request.model, display(request.params), stops, streaming=request.streaming)
    policy = OpenAIResponsePolicy(chat.body)
    if request.streaming:
        encoder = policy.wrap(MessageEncoder(events))
        return Response(EventStream(stream.stream(encoder)), stream.headers)
    parts = [policy.apply(number, part) for number, part in stream.collect()]
    first_events = [event for part in parts for event in events.part(part)]
    return Response(whole_message([*first_events, *events.end()]), stream.headers)


def count_tokens(context: RequestContext) -> Response:
    """Count the input tokens of a request."""
    request = MessageRequest(context, messages_schema.CountTokens)

    def prepare(counter: TokenCounter, model: Model) -> UpstreamCall:
        if PUBLISHERS[model.publisher].messages:
            return counter.relay(request.fields, model)
        with request.chat.names.in_errors():
            return token_counts.chat_call(counter, model, request.chat.body, context)

    return token_counts.count(context, request.model, prepare, _tokens_count)


def _tokens_count(count: int) -> wire.MessageTokensCount:
    return {"input_tokens": count}
