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
from vertex_compat.operations.context import Ask, Reply
from vertex_compat.operations.request import inline_urls
from vertex_compat.operations.responses import input_items
from vertex_compat.operations.responses.output_items import Event, Writer
from vertex_compat.types import Chat, Model, Piece

NOT_KEPT = "Responses are not kept here: nothing can be read or deleted later. Keep what create() returned."


def create(ask: Ask) -> Reply:
    """Answer one request, streaming or not."""
    given, wanted, ignored = input_items.read(ask.body)

    def converse(model: Model, chat: Chat) -> model_calls.Conversation:
        call = chat.request(inline_urls.readable({**model.defaults, **wanted}, chat, ask), model)
        return model_calls.Conversation(chat, [replace(call, ignored=(*ignored, *call.ignored))], model, ask)

    answers = model_calls.answered(ask, given["model"], lambda publisher: publisher.chat, "chat", converse)
    headers = answers.headers
    events = _Events(Writer(given))
    if given.get("stream"):
        return Reply(_stream(answers, events), headers)
    for number, piece in answers.whole():
        events.write(number, piece)
    events.end()
    return Reply(events.writer.response, headers)


def missing(_: Ask) -> Reply:
    """A response of earlier."""
    raise errors.NotFound(NOT_KEPT, code="response_not_found")


class _Events:
    """The events as bytes, for `upstream.Conversation.written`."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.begun = False

    def write(self, answer: int, piece: Piece) -> bytes:
        first = b"" if self.begun else _encoded(self.writer.begin())
        self.begun = True
        return first + _encoded(self.writer.write(answer, piece))

    def end(self) -> bytes:
        return _encoded(self.writer.end())

    def broken(self, error: errors.ApiError) -> bytes:
        return _encoded(self.writer.failed(error))


def _stream(answers: model_calls.Conversation, events: _Events) -> Iterator[bytes]:
    try:
        yield from answers.written(events)
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
