"""The Gemini API's `:generateContent` and `:streamGenerateContent`, for every chat model.

https://ai.google.dev/api/generate-content. A request to Gemini is passed on to Vertex AI, and so is the
response. For models of other publishers the request is translated into a chat request, and the parts of the
response into Gemini's chunks.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from vertex_compat.operations import model_calls, token_counts
from vertex_compat.operations.context import EventStream, FileBody, RequestContext, Response
from vertex_compat.operations.generate_content import generate_content_schema, input_contents, relay
from vertex_compat.operations.generate_content.output_contents import ContentChunks, whole_response
from vertex_compat.operations.generate_content.relay import ArrayFrames, EventFrames, GeminiRelayEncoder
from vertex_compat.operations.request import body, inline_urls
from vertex_compat.operations.request.chat_request import ChatRequest
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import (
    JSON,
    ChatAdapter,
    Model,
    RawBody,
    Relay,
    StreamPart,
    TokenCounter,
    UpstreamCall,
)

if TYPE_CHECKING:
    from vertex_compat.operations.generate_content import answer_types as wire

GENERATE = "generateContent"
STREAM = "streamGenerateContent"

CONTENT: Final = model_calls.Operation(
    lambda publisher: publisher.chat,
    "generate content",
    frozenset({"chat", "images", "speech", "transcriptions"}),
)
"""Gemini's image, speech and transcription models have the same method as those that chat."""


class ContentRequest:
    """A request of the Gemini API, decoded to the depth that its model needs."""

    def __init__(self, context: RequestContext, *, streaming: bool) -> None:
        self._context = context
        self.model = context.path_args["model"]
        self.streaming = streaming
        self.fields: RawBody = body.decode_fields(context.body)

    @cached_property
    def params(self) -> JSON:
        """The request in camel case, validated as one to a model that is not Gemini."""
        decoded = input_contents.camel_case(body.decode(self._context.body, body.AnyObject))
        if decoded.get("generateContentRequest") is not None:  # as `countTokens` may have it
            body.validate(decoded, generate_content_schema.CountTokens)
            decoded = decoded["generateContentRequest"]
        else:
            body.validate(decoded, generate_content_schema.GenerateContent)
        params: JSON = decoded
        return params

    @cached_property
    def chat(self) -> ChatRequest:
        """The request as a chat request."""
        chat = input_contents.chat_request(self.params, self.model)
        return chat._replace(body=chat.body | ({"stream": True} if self.streaming else {}))

    def frames(self) -> EventFrames | ArrayFrames:
        """The form of a stream that the client requests."""
        return EventFrames() if self._context.query().get("alt") == "sse" else ArrayFrames()


def generate(context: RequestContext) -> Response:
    """Answer one request whole."""
    return _respond(ContentRequest(context, streaming=False), context)


def stream(context: RequestContext) -> Response:
    """Answer one request in chunks."""
    return _respond(ContentRequest(context, streaming=True), context)


def _respond(request: ContentRequest, context: RequestContext) -> Response:
    def attempt(model: Model, adapter: ChatAdapter) -> Response:
        if pass_on := PUBLISHERS[model.publisher].generate_content:
            return _relay(request, pass_on, model, context)
        with request.chat.names.in_errors():
            return _translate(request, adapter, model, context)

    return model_calls.with_fallback(context, request.model, CONTENT, attempt)


def _relay(request: ContentRequest, pass_on: Relay, model: Model, context: RequestContext) -> Response:
    method = f"{STREAM}?alt=sse" if request.streaming else GENERATE

    def prepare(model: Model) -> list[UpstreamCall]:
        return [pass_on(request.fields, model, method)]

    if context.dry_run:
        return model_calls.describe(prepare(model)[0], model, context)
    upstream = UpstreamStream(prepare, relay.parser(context), model, context)
    if request.streaming:
        frames = request.frames()
        events = upstream.stream(GeminiRelayEncoder(frames))
        return Response(EventStream(events, frames.content_type, frames.error), upstream.headers)
    ((_, data),) = upstream.collect()
    return Response(FileBody(data, relay.JSON_TYPE), upstream.headers)


def _translate(
    request: ContentRequest, adapter: ChatAdapter, model: Model, context: RequestContext
) -> Response:
    chat = request.chat.for_adapter(adapter)

    def prepare(model: Model) -> list[UpstreamCall]:
        params = inline_urls.inline({**model.defaults, **chat.body}, adapter, context)
        count = 1 if adapter.supports_n else params.pop("n", 1)
        call = adapter.request(params, model)
        ignored = (*chat.ignored, *chat.names.of_ignored(call.ignored, chat.body))
        return [replace(call, ignored=ignored)] * count

    if context.dry_run:
        return model_calls.describe(prepare(model)[0], model, context)
    upstream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
    chunks = ContentChunks(request.model, thoughts=input_contents.shows_thoughts(request.params))
    if request.streaming:
        frames = request.frames()
        events = upstream.stream(ChunkEncoder(chunks, frames))
        return Response(EventStream(events, frames.content_type, frames.error), upstream.headers)
    parts = [chunk for number, part in upstream.collect() for chunk in chunks.part(number, part)]
    return Response(whole_response([*parts, chunks.end()]), upstream.headers)


def count_tokens(context: RequestContext) -> Response:
    """Count the input tokens of a request."""
    request = ContentRequest(context, streaming=False)

    def prepare(counter: TokenCounter, model: Model) -> UpstreamCall:
        if PUBLISHERS[model.publisher].generate_content:
            return counter.relay(request.fields, model)
        with request.chat.names.in_errors():
            return token_counts.chat_call(counter, model, request.chat.body, context)

    return token_counts.count(context, request.model, prepare, _tokens_count)


def _tokens_count(count: int) -> wire.CountTokensResponse:
    return {"totalTokens": count}


class ChunkEncoder:
    """Encodes the parts of a response as Gemini's chunks."""

    def __init__(self, chunks: ContentChunks, frames: EventFrames | ArrayFrames) -> None:
        self.keepalive = frames.keepalive
        self._chunks = chunks
        self._frames = frames

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Return the chunks for one part; may be none."""
        return b"".join([self._encode(chunk) for chunk in self._chunks.part(number, part)])

    def encode_text(self, choice: int, text: str) -> bytes:
        """Return the chunk for more text of a choice that has begun."""
        return self._frames.chunk(self._chunks.encode_text(choice, text))

    def finish(self) -> bytes:
        """Return the last chunk; raises `UpstreamFault` if the model had not finished."""
        return self._encode(self._chunks.end()) + self._frames.end()

    def _encode(self, chunk: wire.GenerateContentResponse) -> bytes:
        return self._frames.chunk(msgspec.json.encode(chunk))
