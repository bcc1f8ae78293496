"""The upstream responses to one request, parsed streamed or whole, with one retry.

Bytes → `ResponseParser` → parts → `StreamEncoder` → bytes for the client. What a part is, parser and encoder
agree on: `Delta` and `Usage` where the publisher's wire is translated, raw events where it is passed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, Self, TypeAlias, TypeVar, runtime_checkable

import msgspec

from vertex_compat import errors, sse
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.model_calls import (
    ignored_header,
    iter_blocks,
    open_calls,
    parse_object,
    target_header,
)
from vertex_compat.operations.repeated_events import RepeatedEvents
from vertex_compat.server.client_connection import ClientDisconnected
from vertex_compat.server.request_log import ChunkTimes, RequestLog
from vertex_compat.types import JSON, ChatAdapter, Delta, Model, StreamPart, TextEvent, UpstreamCall, Usage
from vertex_compat.upstream.response import Block, UpstreamResponse, multiplex

P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)

TRAILING_SECONDS: Final = 0.2
"""Longest time between the last event of a body and its end."""

MAX_POLL_PAUSE_SECONDS: Final = 5.0
MIN_POLL_PAUSE_SECONDS: Final = 0.2

EVENT_STREAM: Final = "text/event-stream"

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


@runtime_checkable
class TextEncoder(StreamEncoder[StreamPart], Protocol):
    """An encoder with a faster way for the usual part."""

    def encode_text(self, choice: int, text: str) -> bytes:
        """Return the events for more text of a choice of the answer.

        They are the same as from `encode` for a `Delta` with nothing else. `text` is not empty.
        """


class ResponseParser(Protocol[P]):
    """Parses one upstream response."""

    done: bool
    """True if its last event has been read."""
    continuation: UpstreamCall | None
    """The call whose response belongs to the same answer."""
    text_choice: int
    """The choice of the last event with nothing but text."""

    def read_text(self, data: bytes) -> str | None:
        """Return the text of an event that differs from the last one only in that, as most do.

        None if the event is another one. Then nothing has been read, and `read` has to read it.
        """

    def read(self, data: bytes, parts: list[P]) -> None:
        """Append the parts that `data` completes; `b""` is the end of the response.

        The parts before an error are appended before the error is raised.
        """

    def whole(self, body: bytes, parts: list[P]) -> None:
        """Append the parts of a response that the client gets whole."""

    def resume(self, call: UpstreamCall, content_type: str) -> None:
        """Go on with the response to `continuation`."""

    def recover(self) -> bool:
        """Set `continuation` after a response has broken off; returns False if that is impossible."""


MakeParser: TypeAlias = Callable[[UpstreamCall, UpstreamResponse], ResponseParser[P]]


class UpstreamStream(Generic[P]):
    """The upstream responses to one request, one for each call.

    Use `collect()` where each response is one JSON object, `stream(encoder)` where they are streamed. A
    response can be continued by another call, whose parts follow as if they were of the same response.
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
        guard = _guard(model, context)
        self._guard = guard
        self._prepare = guard.with_prompt_check(prepare) if guard else prepare
        self._calls = self._prepare(model)
        self._make_parser = make_parser
        self._model = model
        self._context = context
        self._client_has_data = False
        self._encoder_has_parts = False  # of which it has written nothing yet
        self._deadline = time.monotonic() + context.settings.retry_deadline
        try:
            self._open()
        except errors.BadRequest as error:
            self._open_without_features(error)
        self.headers = self._ignored_header() | target_header(model, self._responses[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for response in self._responses:
            response.close()

    def _ignored_header(self) -> dict[str, str]:
        return ignored_header(name for call in self._calls for name in call.ignored)

    def _open(self) -> None:
        self._responses = open_calls(self._calls, self._model, self._context)
        pairs = zip(self._calls, self._responses, strict=True)
        self._parsers = [self._make_parser(call, response) for call, response in pairs]
        if self._guard:
            self._parsers = [self._guard.wrap(parser) for parser in self._parsers]

    def _open_without_features(self, error: errors.BadRequest) -> None:
        """Make the calls without the optional features that Vertex AI may have refused, else raise."""
        by_policy = error.code == "failed_precondition"
        features = frozenset(
            feature
            for call in self._calls
            for feature in call.optional_features
            if by_policy or not feature.startswith("policy.")
        )
        if not features or error.code == "context_length_exceeded":
            raise error
        refused = self._model.refused_features | features
        self._model = msgspec.structs.replace(self._model, refused_features=refused)
        self._calls = self._prepare(self._model)
        self._open()
        self._context.router.mark_refused(self._model, features)

    def _retry_once(self, error: errors.ApiError) -> None:
        """Make the calls again after an error, if the client has no data yet; else raise it."""
        retryable = isinstance(error, errors.InvalidModelResponse) or (
            error.retryable
            and self._context.settings.retries
            and not self._model.has_fallback
            and time.monotonic() < self._deadline
        )
        if self._client_has_data or self._encoder_has_parts or not retryable:
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
        collected: list[tuple[int, P]] = []
        active = list(range(len(self._parsers)))
        with self:
            while active:
                responses = [self._responses[number] for number in active]
                blocks = [block for block in iter_blocks(responses, self._context) if block]
                for position, number in enumerate(active):
                    parts: list[P] = []
                    body = b"".join([data for response, data in blocks if response == position])
                    self._parsers[number].whole(body, parts)
                    collected += [(number, part) for part in parts]
                self._pause_before_poll(active)
                active = self._continue(active)
        return collected

    def _pause_before_poll(self, numbers: Iterable[int]) -> bool:
        """Wait if a response is continued by a poll of an operation; return whether one is."""
        calls = [call for number in numbers if (call := self._parsers[number].continuation)]
        polls = max((call.polls for call in calls), default=0)
        if polls:
            self._context.client.sleep(
                min(MIN_POLL_PAUSE_SECONDS * 1.5 ** (polls - 1), MAX_POLL_PAUSE_SECONDS)
            )
        return polls > 0

    def _continue(self, numbers: Iterable[int]) -> list[int]:
        """Make the calls that continue responses; return the numbers of these."""
        continued = []
        for number in numbers:
            parser = self._parsers[number]
            if call := parser.continuation:
                self._responses[number].close()
                self._responses[number] = self._open_continuation(call)
                parser.resume(call, self._responses[number].content_type)
                continued.append(number)
        return continued

    def _open_continuation(self, call: UpstreamCall) -> UpstreamResponse:
        """Open a call that continues a response.

        The error of a poll is final: the operation would be started, and paid, a second time.
        """
        try:
            return open_calls([call], self._model, self._context)[0]
        except errors.ApiError as error:
            if call.polls:
                error.retryable = False
            raise

    def stream(self, encoder: StreamEncoder[P]) -> Iterator[bytes]:
        """Yield the events for the client as they come.

        Closing the iterator ends the upstream calls.
        """
        with self:
            try:
                yield from self._stream(encoder)
            except errors.ApiError as error:
                self._retry_once(error)
                yield from self._stream(encoder)
            yield encoder.finish()
            self._read_trailing()

    def _stream(self, encoder: StreamEncoder[P]) -> Iterator[bytes]:
        active = list(range(len(self._parsers)))
        has_sent = False
        while active:
            try:
                has_sent = yield from self._stream_responses(encoder, active, has_sent=has_sent)
            except errors.ApiError as error:
                if not self._recover(error, active):
                    raise
            if self._pause_before_poll(active):
                has_sent = True
                yield encoder.keepalive
            active = self._continue(active)

    def _recover(self, error: errors.ApiError, active: Sequence[int]) -> bool:
        """Return whether the response, of which the client has the beginning, can be continued."""
        can_resume = self._client_has_data and error.retryable and len(active) == 1
        return can_resume and self._parsers[active[0]].recover()

    def _stream_responses(
        self, encoder: StreamEncoder[P], active: Sequence[int], *, has_sent: bool
    ) -> Generator[bytes, None, bool]:
        """Yield the events of the responses with these numbers; return whether any has been sent."""
        unfinished = set(active)
        text_encoder = encoder if isinstance(encoder, TextEncoder) else None
        for block in self._blocks([self._responses[number] for number in active]):
            if block is None:
                has_sent = True
                yield encoder.keepalive
                continue
            position, data = block
            number = active[position]
            parser = self._parsers[number]
            if text_encoder and (text := parser.read_text(data)):
                yield text_encoder.encode_text(number + parser.text_choice, text)
                continue
            parts: list[P] = []
            failure = None
            try:
                parser.read(data, parts)
            except errors.ApiError as error:
                failure = error
                invalid = isinstance(error, errors.InvalidModelResponse)
                if not (self._client_has_data if invalid else has_sent):  # it can still be an HTTP error
                    raise
            # One write for all parts that came together, and nothing is held back.
            if len(parts) == 1:
                encoded = encoder.encode(number, parts[0])
            else:
                encoded = b"".join([encoder.encode(number, part) for part in parts])
            if encoded:
                has_sent = self._client_has_data = True
                yield encoded
            elif not self._client_has_data:
                self._encoder_has_parts |= any(not isinstance(part, Usage) for part in parts)
            if failure:  # after the parts that came before it
                raise failure
            if parser.done:
                unfinished.discard(number)
                if not unfinished:
                    break
        return has_sent

    def _blocks(self, responses: Sequence[UpstreamResponse]) -> Iterator[Block | None]:
        """Return the blocks of streamed responses, counted where metrics are collected."""
        blocks = iter_blocks(responses, self._context)
        return _with_chunk_times(blocks, self._context.log) if self._context.settings.metrics else blocks

    def _read_trailing(self) -> None:
        """Read the bodies to their end, after the last event, so that connections are reused."""
        with suppress(errors.ApiError, ClientDisconnected):
            for _ in multiplex(
                self._responses, self._context.client, keepalive=TRAILING_SECONDS, timeout=TRAILING_SECONDS
            ):
                pass


def _with_chunk_times(blocks: Iterator[Block | None], log: RequestLog) -> Iterator[Block | None]:
    """Yield the blocks, and note the times of those with data."""
    chunks = log.chunks = log.chunks or ChunkTimes()
    for block in blocks:
        if block and block[1]:
            chunks.note()
        yield block


def _guard(model: Model, context: RequestContext) -> Any:
    """Return the guard of a model with a template of Model Armor, else None."""
    if not model.model_armor:
        return None
    from vertex_compat.operations.guardrails.guard import Guard  # noqa: PLC0415  (few models have one: cold start)

    return Guard(model.model_armor, model, context)


class ChatParser:
    """Parses a response with the publisher's chat adapter into `Delta` and `Usage`."""

    def __init__(
        self, adapter: ChatAdapter, call: UpstreamCall, content_type: str, usages: dict[object, Usage]
    ) -> None:
        self._adapter = adapter
        self._usages = usages
        self._usage_key = object()  # not `self`: in a cycle, the request's body would outlive the request
        self._translate = adapter.stream(call)
        self._translate_whole = adapter.whole(call) if adapter.whole else None
        self.resume(call, content_type)

    def resume(self, call: UpstreamCall, content_type: str) -> None:
        """Begin with the first response, or go on with one that continues it."""
        self._call = call
        self._content_type = content_type
        self._decoder = sse.Decoder()
        self._repeated_events = RepeatedEvents()
        self.text_choice = 0
        self._append_text: Callable[[str], object] | None = None
        self._body: list[bytes] | None = [] if content_type in WHOLE_TYPES else None
        self.done = False
        self.continuation: UpstreamCall | None = None
        self._checkpoint: Callable[[], UpstreamCall | None] | None = None

    def recover(self) -> bool:
        """Set the call that continues from the last checkpoint; return False if there is none."""
        if self.continuation is None and self._checkpoint:
            self.continuation = self._checkpoint()
        return self.continuation is not None

    def read_text(self, data: bytes) -> str | None:
        """Return the text of an event that differs from the last one only in that, else None."""
        append = self._append_text
        if append and (text := self._repeated_events.decode_text(data)) and append(text):
            return text
        return None

    def read(self, data: bytes, parts: list[StreamPart]) -> None:
        """Append the parts that `data` completes; `b""` is the end of the response."""
        if self._body is not None:
            self._body.append(data)
            if not data:
                self._append_whole(b"".join(self._body), parts)
            return
        if text := self.read_text(data):
            parts.append(Delta(self.text_choice, {"content": text}))
            return
        self._append_text = None
        between_events = self._decoder.between_events
        if between_events and not self.done and (repeated := self._repeated_events.decode(data)):
            self._note_text(self._translate_event(repeated, parts))
            return
        events = self._decoder.feed(data) if data else self._decoder.close()
        for event in events:
            if event.startswith(b"[DONE]"):
                self.done = True
            elif not self.done:
                decoded = parse_object(event)
                text_event = self._translate_event(decoded, parts)
                if between_events and len(events) == 1 and self._decoder.between_events:
                    self._repeated_events.remember_event(data, decoded)
                    self._note_text(text_event)
        if not data:
            self._end()

    def _translate_event(self, event: JSON, parts: list[StreamPart]) -> TextEvent | None:
        """Append the parts of an event; return the event if it has nothing but text."""
        translated = self._translate(event)
        if isinstance(translated, TextEvent):
            parts.append(translated.delta)
            return translated
        self._append(translated, parts)
        return None

    def _note_text(self, event: TextEvent | None) -> None:
        """Let `read_text` read the next event if it repeats this one, which is the last."""
        if event and self._repeated_events.is_text(event.text):
            self.text_choice, self._append_text = event.choice, event.append

    def _end(self) -> None:
        """Raise an error that the stream has without framing; else continue the response."""
        if self._decoder.unframed:
            self._raise_unframed()
        self.recover()

    def _raise_unframed(self) -> None:
        """Raise the error that the upstream wrote into its stream as bare JSON, if it is one."""
        try:
            value = msgspec.json.decode(self._decoder.unframed)
        except (ValueError, RecursionError):
            return
        if errors.is_error(value):
            raise errors.from_body(200, value)

    def whole(self, body: bytes, parts: list[StreamPart]) -> None:
        """Append the parts of a response that the client gets whole.

        It may be a stream nevertheless.
        """
        if self._content_type != EVENT_STREAM:
            self._append_whole(body, parts)
            return
        self.read(body, parts)
        self.read(b"", parts)
        finished = any(isinstance(part, Delta) and part.finish_reason for part in parts)
        if not finished and not self.continuation:
            raise errors.unfinished_response()

    def _append_whole(self, body: bytes, parts: list[StreamPart]) -> None:
        """Append the parts of a response that came whole.

        A choice without a finish reason has finished.
        """
        response = parse_object(body)
        first = len(parts)
        if self._translate_whole:
            self._append(self._translate_whole(response), parts)
        else:
            self._append(self._adapter.response(response, self._call), parts)
        if self.continuation is None:
            deltas = [part for part in parts[first:] if isinstance(part, Delta)]
            finished = {delta.choice for delta in deltas if delta.finish_reason}
            unfinished = dict.fromkeys(delta.choice for delta in deltas if delta.choice not in finished)
            parts += [Delta(choice, {}, "stop") for choice in unfinished]

    def _append(self, translated: Iterable[StreamPart], parts: list[StreamPart]) -> None:
        """Append parts; note the counts for the log, and the call that continues the response."""
        for part in translated:
            if isinstance(part, Usage):
                self._usages[self._usage_key] = part
            elif part.continuation:
                self.continuation = part.continuation
                continue
            elif part.checkpoint:
                self._checkpoint = part.checkpoint
                continue
            parts.append(part)


def chat_parser(adapter: ChatAdapter, context: RequestContext) -> MakeParser[StreamPart]:
    """Return what makes the parser of one response."""

    def make(call: UpstreamCall, response: UpstreamResponse) -> ChatParser:
        return ChatParser(adapter, call, response.content_type, context.log.usages)

    return make
