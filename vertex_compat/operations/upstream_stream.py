"""The upstream responses to one request: parsed as they come or when they are whole, with one retry.

Bytes → `ResponseParser` → parts → `StreamEncoder` → bytes for the client. What a part is, parser and encoder
agree on: `Delta` and `Usage` where the publisher's wire is translated, raw events where it is passed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final, Generic, Protocol, Self, TypeAlias, TypeVar

from vertex_compat import errors, sse
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.model_calls import (
    ignored_header,
    iter_blocks,
    open_calls,
    parse_object,
    target_header,
)
from vertex_compat.server.client_connection import ClientDisconnected
from vertex_compat.types import ChatAdapter, Delta, Model, StreamPart, UpstreamCall, Usage
from vertex_compat.upstream.transport import UpstreamResponse, multiplex

P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)

TRAILING_SECONDS: Final = 0.2
"""How long the end of a body may take after its last event."""

WHOLE_TYPES: Final = frozenset({"application/json", "text/html"})
"""Content types of a response that is not streamed: of a container that cannot stream, or an error."""


class StreamEncoder(Protocol[P_contra]):
    """Encodes the parts of upstream responses as the events of one client API."""

    keepalive: bytes
    """Sent while the model is silent; it changes nothing for a client that reads it."""

    def encode(self, number: int, part: P_contra) -> bytes:
        """Return the events for one part of upstream response `number`; may be none."""

    def finish(self) -> bytes:
        """Return the last events; raises `UpstreamFault` if the model had not finished."""


class ResponseParser(Protocol[P]):
    """Parses one upstream response."""

    done: bool
    """Whether its last event has been read."""

    def read(self, data: bytes, parts: list[P]) -> None:
        """Append the parts that `data` completes; `b""` is the end of the response.

        The parts before an error are appended before the error is raised.
        """

    def whole(self, body: bytes, parts: list[P]) -> None:
        """Append the parts of a response that is one JSON object."""


MakeParser: TypeAlias = Callable[[UpstreamCall, UpstreamResponse], ResponseParser[P]]


class UpstreamStream(Generic[P]):
    """The upstream responses to one request, one for each call.

    Use `collect()` where each response is one JSON object, `stream(encoder)` where they are streamed.
    `prepare` translates the request into calls for a model. Making a stream opens them: an error that comes
    before the first bytes of a response is raised then.
    """

    def __init__(
        self,
        prepare: Callable[[Model], Sequence[UpstreamCall]],
        make_parser: MakeParser[P],
        model: Model,
        context: RequestContext,
    ) -> None:
        self._calls = prepare(model)
        self._make_parser = make_parser
        self._model = model
        self._context = context
        self._client_has_data = False
        self._deadline = time.monotonic() + context.settings.retry_deadline
        self._open()
        self.headers = self._ignored() | target_header(model, self._responses[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for response in self._responses:
            response.close()

    def _ignored(self) -> dict[str, str]:
        return ignored_header(name for call in self._calls for name in call.ignored)

    def _open(self) -> None:
        self._responses = open_calls(self._calls, self._model, self._context)
        pairs = zip(self._calls, self._responses, strict=True)
        self._parsers = [self._make_parser(call, response) for call, response in pairs]

    def _retry_once(self, error: errors.ApiError) -> None:
        """Make the calls once more after an error that came before the client has data; else raise it."""
        retryable = isinstance(error, errors.InvalidModelResponse) or (
            error.retryable
            and self._context.settings.retries
            and not self._model.has_fallback
            and time.monotonic() < self._deadline
        )
        if self._client_has_data or not retryable:
            raise error
        self.__exit__()
        self._open()

    def collect(self) -> list[tuple[int, P]]:
        """Return all parts, each with the number of its response."""
        try:
            return self._collect()
        except errors.ApiError as error:
            self._retry_once(error)
            return self._collect()

    def _collect(self) -> list[tuple[int, P]]:
        with self:
            blocks = [block for block in iter_blocks(self._responses, self._context) if block]
        collected: list[tuple[int, P]] = []
        for number, parser in enumerate(self._parsers):
            parts: list[P] = []
            parser.whole(b"".join([data for response, data in blocks if response == number]), parts)
            collected += [(number, part) for part in parts]
        return collected

    def stream(self, encoder: StreamEncoder[P]) -> Iterator[bytes]:
        """Yield the events for the client as they come. Closing the iterator ends the upstream calls."""
        with self:
            try:
                yield from self._stream(encoder)
            except errors.ApiError as error:
                self._retry_once(error)
                yield from self._stream(encoder)
            yield encoder.finish()
            self._read_trailing()

    def _stream(self, encoder: StreamEncoder[P]) -> Iterator[bytes]:
        started = False
        unfinished = set(range(len(self._parsers)))
        for block in iter_blocks(self._responses, self._context):
            if block is None:
                started = True
                yield encoder.keepalive
                continue
            number, data = block
            parser = self._parsers[number]
            parts: list[P] = []
            failure = None
            try:
                parser.read(data, parts)
            except errors.ApiError as error:
                failure = error
                invalid = isinstance(error, errors.InvalidModelResponse)
                if not (self._client_has_data if invalid else started):  # it can still be an HTTP error
                    raise
            # One write for all parts that came together, and nothing is held back.
            if len(parts) == 1:
                encoded = encoder.encode(number, parts[0])
            else:
                encoded = b"".join([encoder.encode(number, part) for part in parts])
            if encoded:
                started = self._client_has_data = True
                yield encoded
            if failure:  # after the parts that came before it
                raise failure
            if parser.done:
                unfinished.discard(number)
                if not unfinished:
                    break

    def _read_trailing(self) -> None:
        """Read the bodies to their end, which may follow the last event, so that connections are reused."""
        with suppress(errors.ApiError, ClientDisconnected):
            for _ in multiplex(
                self._responses, self._context.client, keepalive=TRAILING_SECONDS, patience=TRAILING_SECONDS
            ):
                pass


class ChatParser:
    """Parses the response of a publisher with its chat adapter: bytes in, `Delta` and `Usage` out."""

    def __init__(
        self, adapter: ChatAdapter, call: UpstreamCall, content_type: str, usages: dict[object, Usage]
    ) -> None:
        self._adapter = adapter
        self._call = call
        self._usages = usages
        self._decoder = sse.Decoder()
        self._translate = adapter.stream(call)
        self._body: list[bytes] | None = [] if content_type in WHOLE_TYPES else None
        self.done = False

    def read(self, data: bytes, parts: list[StreamPart]) -> None:
        """Append the parts that `data` completes; `b""` is the end of the response."""
        if self._body is not None:
            self._body.append(data)
            if not data:
                self.whole(b"".join(self._body), parts)
            return
        for event in self._decoder.feed(data) if data else self._decoder.close():
            if event.startswith(b"[DONE]"):
                self.done = True
            elif not self.done:
                translated = self._translate(parse_object(event))
                if isinstance(translated, Delta):  # the usual case: one more text
                    parts.append(translated)
                else:
                    self._append(translated, parts)

    def whole(self, body: bytes, parts: list[StreamPart]) -> None:
        """Append the parts of a response that is one JSON object."""
        self._append(self._adapter.response(parse_object(body), self._call), parts)

    def _append(self, translated: Iterable[StreamPart], parts: list[StreamPart]) -> None:
        """Append parts, and note the counts among them for the log."""
        for part in translated:
            if isinstance(part, Usage):
                self._usages[self] = part
            parts.append(part)


def chat_parser(adapter: ChatAdapter, context: RequestContext) -> MakeParser[StreamPart]:
    """Return what makes the parser of one response."""

    def make(call: UpstreamCall, response: UpstreamResponse) -> ChatParser:
        return ChatParser(adapter, call, response.content_type, context.log.usages)

    return make
