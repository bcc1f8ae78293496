"""Gemini's own chunks for a client of the Gemini API, as events or as a JSON array.

Fields of another type than documented are passed on, too.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vertex_compat import error_formats, errors, sse
from vertex_compat.json_values import items, mapping
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.model_calls import parse_object
from vertex_compat.operations.repeated_events import RelayedEvents
from vertex_compat.operations.upstream_stream import MakeParser
from vertex_compat.publishers.google import usage
from vertex_compat.types import JSON, UpstreamCall, Usage
from vertex_compat.upstream.response import UpstreamResponse

JSON_TYPE = "application/json"


class _Candidate(msgspec.Struct, rename="camel"):
    finish_reason: Any = None


class _Chunk(msgspec.Struct, rename="camel"):
    """The fields that are read of a chunk."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: Any = None
    usage_metadata: Any = None
    error: Any = None


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def _read_chunk(data: bytes) -> _Chunk:
    """Return the fields of a chunk; raises `UpstreamFault` if it is no object."""
    try:
        return _decode_chunk(data)
    except (ValueError, RecursionError):
        chunk = parse_object(data)
    candidates = [_Candidate(candidate.get("finishReason")) for candidate in items(chunk.get("candidates"))]
    return _Chunk(candidates, chunk.get("promptFeedback"), chunk.get("usageMetadata"))


class GeminiRelayParser:
    """Parses Gemini's response into chunks that are passed on, and notes its token counts."""

    continuation: UpstreamCall | None = None
    text_choice = 0

    def __init__(self, content_type: str, usages: dict[object, Usage]) -> None:
        self._usages = usages
        self._usage_key = object()
        self._counts: JSON = {}
        self._decoder = sse.Decoder()
        self._relayed = RelayedEvents()
        self._body: list[bytes] | None = None if content_type == "text/event-stream" else []
        self._finished = False
        self.done = False

    def read_text(self, _: bytes) -> str | None:
        """Return None: the text of an event is not read."""
        return None

    def read(self, data: bytes, parts: list[bytes]) -> None:
        """Append the chunks that `data` completes; raises the error of one that is an error."""
        if self._body is not None:  # an error that is no stream
            self._body.append(data)
            if not data:
                self.whole(b"".join(self._body), parts)
            return
        if repeated := self._relayed.repeated_data(data):
            parts.append(repeated)
            return
        between_events = self._decoder.between_events
        events = self._decoder.feed(data) if data else self._decoder.close()
        parts.extend(map(self._chunk, events))
        if between_events and len(events) == 1 and self._decoder.between_events:
            self._relayed.remember_data(data, events[0])
        if not data and not self._finished:
            raise errors.unfinished_response()

    def whole(self, body: bytes, parts: list[bytes]) -> None:
        """Append the whole response as one chunk."""
        parts.append(self._chunk(body))

    def resume(self, call: UpstreamCall, content_type: str) -> None:
        """Never called: a response that is passed on has no continuation."""
        raise NotImplementedError(call.path, content_type)

    def recover(self) -> bool:
        """Return False: what has been passed on cannot be continued."""
        return False

    def _chunk(self, data: bytes) -> bytes:
        chunk = _read_chunk(data)
        if chunk.error:
            raise errors.from_upstream(200, data)
        self._note(mapping(chunk.usage_metadata))
        has_finish = chunk.prompt_feedback or any(
            candidate.finish_reason for candidate in chunk.candidates or ()
        )
        self._finished = self._finished or bool(has_finish)
        return data

    def _note(self, counts: JSON) -> None:
        """Note token counts for the log; those of a later chunk replace those of an earlier one."""
        if not usage.TOTALS.isdisjoint(counts):
            self._counts |= {name: value for name, value in counts.items() if value is not None}
            self._usages[self._usage_key] = usage.usage(self._counts)


def parser(context: RequestContext) -> MakeParser[bytes]:
    """Return what makes the parser of a response."""

    def make(_: UpstreamCall, response: UpstreamResponse) -> GeminiRelayParser:
        return GeminiRelayParser(response.content_type, context.log.usages)

    return make


class EventFrames:
    """Writes chunks as server-sent events: `alt=sse`."""

    content_type = "text/event-stream"
    keepalive = sse.KEEPALIVE

    def chunk(self, data: bytes) -> bytes:
        """Return one chunk."""
        return b"".join((b"data: ", data, b"\r\n\r\n"))

    def end(self) -> bytes:
        """Return nothing: a stream of events has no end of its own."""
        return b""

    def error(self, error: errors.ApiError) -> bytes:
        """Return an error as the last event."""
        return error_formats.GOOGLE.event(error, "")


class ArrayFrames:
    """Writes chunks as the elements of one JSON array: the form without `alt=sse`."""

    content_type = JSON_TYPE
    keepalive = b"\n"  # white space between two elements

    def __init__(self) -> None:
        self._started = False

    def chunk(self, data: bytes) -> bytes:
        """Return one element."""
        start = b",\r\n" if self._started else b"["
        self._started = True
        return start + data

    def end(self) -> bytes:
        """Return the end of the array."""
        return b"]" if self._started else b"[]"

    def error(self, error: errors.ApiError) -> bytes:
        """Return an error as the last element."""
        return self.chunk(msgspec.json.encode(error_formats.GOOGLE.body(error, ""))) + b"]"


class GeminiRelayEncoder:
    """Encodes chunks as they came."""

    def __init__(self, frames: EventFrames | ArrayFrames) -> None:
        self.keepalive = frames.keepalive
        self._frames = frames

    def encode(self, _: int, data: bytes) -> bytes:
        """Return the chunk."""
        return self._frames.chunk(data)

    def finish(self) -> bytes:
        """Return the end of the stream."""
        return self._frames.end()
