"""`POST /responses`: the Responses API for every publisher that chats, without stored responses.

The request is translated into a chat request, and the parts of the response into items. Nothing is stored:
parameters that need a stored response are refused, with the alternative in the message.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.request import inline_urls
from vertex_compat.operations.responses import file_search
from vertex_compat.operations.responses import request as responses_request
from vertex_compat.operations.responses.output_items import Event, ResponseBuilder
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.types import ChatAdapter, Model, StreamPart, UpstreamCall

NOT_STORED = "Responses are not stored here: none can be read or deleted later. Keep what create() returned."


def create(context: RequestContext) -> Response:
    """Answer one request, streaming or whole."""
    request = responses_request.translate(responses_request.parse(context.body))
    request, searched = file_search.run(request, context)
    params = request.params

    def attempt(model: Model, adapter: ChatAdapter) -> Response:
        def prepare(model: Model) -> list[UpstreamCall]:
            with request.client_params():
                chat, ignored = request.for_adapter(adapter)
                body = model_calls.chat_params(adapter, chat, model, context)
                call = adapter.request(inline_urls.inline(body, adapter, context), model)
            return [replace(call, ignored=(*ignored, *request.ignored_names(call.ignored)))]

        if context.dry_run:
            return model_calls.describe(prepare(model)[0], model, context)
        stream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
        encoder = _EventEncoder(ResponseBuilder(params, searched))
        if params.get("stream"):
            events = EventStream(stream.stream(encoder), encode_error=encoder.error)
            return Response(events, stream.headers)
        for number, part in stream.collect():
            encoder.encode(number, part)
        encoder.finish()
        return Response(encoder.builder.response, stream.headers)

    return model_calls.with_fallback(context, params["model"], model_calls.CHAT, attempt)


def missing(_: RequestContext) -> Response:
    """Refuse to read, delete or cancel a response."""
    raise errors.NotFound(NOT_STORED, code="response_not_found")


class _EventEncoder:
    """Encodes the events of a response as server-sent events."""

    keepalive = sse.KEEPALIVE

    def __init__(self, builder: ResponseBuilder) -> None:
        self.builder = builder
        self._started = False

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Return the events for one part of upstream response `number`; may be none."""
        start = b"" if self._started else _encode(self.builder.start())
        self._started = True
        return start + _encode(self.builder.add(number, part))

    def finish(self) -> bytes:
        """Return the last events; raises `UpstreamFault` if the model had not finished."""
        return _encode(self.builder.finish())

    def error(self, error: errors.ApiError) -> bytes:
        """Return the events that end a stream with an error."""
        return _encode(self.builder.failed(error)) if self._started else sse.encode(error.body())


def _encode(events: Iterable[Event]) -> bytes:
    return b"".join(
        [
            b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))
            for event in events
        ]
    )
