"""`POST /responses`: the Responses API without a memory, over every publisher that chats.

The request is said in the words of chat, the pieces of the answer become items. Nothing is stored, so what
needs a store is refused with what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import inline_urls
from vertex_compat.operations.responses import input_items
from vertex_compat.operations.responses.output_items import Event, ResponseBuilder
from vertex_compat.types import ChatAdapter, Model, StreamPart

NOT_KEPT = "Responses are not kept here: nothing can be read or deleted later. Keep what create() returned."


def create(context: RequestContext) -> Response:
    """Answer one request, streaming or not."""
    given, wanted, ignored = input_items.read(context.body)

    def converse(model: Model, chat: ChatAdapter) -> model_calls.UpstreamChat:
        call = chat.request(inline_urls.readable({**model.defaults, **wanted}, chat, context), model)
        return model_calls.UpstreamChat(
            chat, [replace(call, ignored=(*ignored, *call.ignored))], model, context
        )

    answers = model_calls.with_fallback(
        context, given["model"], lambda publisher: publisher.chat, "chat", converse
    )
    headers = answers.headers
    events = _Events(ResponseBuilder(given))
    if given.get("stream"):
        return Response(_stream(answers, events), headers)
    for number, piece in answers.collect():
        events.encode(number, piece)
    events.finish()
    return Response(events.writer.response, headers)


def missing(_: RequestContext) -> Response:
    """A response of earlier."""
    raise errors.NotFound(NOT_KEPT, code="response_not_found")


class _Events:
    """The events as bytes, for `upstream.Conversation.written`."""

    def __init__(self, writer: ResponseBuilder) -> None:
        self.writer = writer
        self.begun = False

    def encode(self, answer: int, piece: StreamPart) -> bytes:
        first = b"" if self.begun else _encoded(self.writer.begin())
        self.begun = True
        return first + _encoded(self.writer.add(answer, piece))

    def finish(self) -> bytes:
        return _encoded(self.writer.finish())

    def broken(self, error: errors.ApiError) -> bytes:
        return _encoded(self.writer.failed(error))


def _stream(answers: model_calls.UpstreamChat, events: _Events) -> Iterator[bytes]:
    try:
        yield from answers.stream(events)
    except errors.ApiError as error:
        if not events.begun:
            raise
        yield events.broken(error)


def _encoded(events: Iterable[Event]) -> bytes:
    return b"".join(
        [
            b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))
            for event in events
        ]
    )
