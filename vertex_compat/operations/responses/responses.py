"""`POST /responses`: the Responses API for every publisher that chats.

The request is translated into a chat request, and the parts of the response into items. What is remembered
between requests is in `memory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.responses import memory
from vertex_compat.operations.responses import request as responses_request
from vertex_compat.operations.responses.memory import ResponseTurn
from vertex_compat.operations.responses.output.response_builder import ResponseBuilder
from vertex_compat.operations.stored import store
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.types import ChatAdapter, Delta, Model, StreamPart, UpstreamCall, only_text

if TYPE_CHECKING:
    from vertex_compat.operations.responses.output import answer_types as wire


def create(context: RequestContext) -> Response:
    """Answer one request, streaming or whole.

    With `truncation: auto`, older items are left out until the model takes the rest.
    """
    turn = memory.begin(responses_request.parse(context.body), context)
    if turn.params.get("background"):
        from vertex_compat.operations.responses import background  # noqa: PLC0415  (rarely asked for)

        return background.create(turn, context)
    while True:
        try:
            return _respond(turn, context)
        except errors.BadRequest as error:
            too_long = error.code == "context_length_exceeded" and turn.params.get("truncation") == "auto"
            if not (too_long and turn.drop_oldest()):
                raise


def _respond(turn: ResponseTurn, context: RequestContext) -> Response:
    request = responses_request.translate(turn.request_params(), turn.earlier)
    searched = None
    if request.toolset.file_search:
        from vertex_compat.operations.responses import file_search  # noqa: PLC0415  (rarely offered: cold start)

        request, searched = file_search.run(request, context)
    params = request.params

    def attempt(model: Model, adapter: ChatAdapter) -> Response:
        def prepare(model: Model) -> list[UpstreamCall]:
            return [request.upstream_call(adapter, model, context)]

        if context.dry_run:
            return model_calls.describe(prepare(model)[0], model, context)
        stream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
        headers = stream.headers | (store.headers() if turn.stored else {})
        encoder = _EventEncoder(ResponseBuilder(params, searched, turn.token))
        response = encoder.builder.response = {**encoder.builder.response, **turn.response_fields()}
        if params.get("stream"):
            events = _save_after(stream.stream(encoder), turn, encoder.builder)
            return Response(EventStream(events, encode_error=encoder.error), headers)
        for number, part in stream.collect():
            encoder.encode(number, part)
        encoder.finish()
        if turn.conversation:  # the next request has to find its items
            turn.save(response)
            return Response(response, headers)
        return Response(response, headers, after=lambda: turn.save(response))

    return model_calls.with_fallback(context, params["model"], model_calls.CHAT, attempt)


def _save_after(events: Iterator[bytes], turn: ResponseTurn, builder: ResponseBuilder) -> Iterator[bytes]:
    """Yield the events of a response, and store it after them, before the body ends."""
    yield from events
    turn.save(builder.response)


class _EventEncoder:
    """Encodes the events of a response as server-sent events."""

    keepalive = sse.KEEPALIVE

    def __init__(self, builder: ResponseBuilder) -> None:
        self.builder = builder
        self._started = False

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Return the events for one part of upstream response `number`; may be none."""
        text = only_text(part)
        if text and (event := self.builder.continue_text(text)):
            return event
        start = b"" if self._started else _encode(self.builder.start())
        self._started = True
        return start + _encode(self.builder.add(number, part))

    def encode_text(self, choice: int, text: str) -> bytes:
        """Return the event for more text."""
        return self.builder.continue_text(text) or self.encode(0, Delta(choice, {"content": text}))

    def finish(self) -> bytes:
        """Return the last events; raises `UpstreamFault` if the model had not finished."""
        return _encode(self.builder.finish())

    def error(self, error: errors.ApiError) -> bytes:
        """Return the events that end a stream with an error."""
        return _encode(self.builder.failed(error)) if self._started else sse.encode(error.body())


def _encode(events: Iterable[wire.Event]) -> bytes:
    return b"".join([_encode_event(event) for event in events])


def _encode_event(event: wire.Event) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))
