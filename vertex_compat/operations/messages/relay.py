"""Claude's own events for a client of Anthropic's API, with the client's model name.

Only the events that hold the model's name, the token counts or an error are read. Fields of another type than
documented are passed on, too. A stream that ends before `message_stop` is an error.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from vertex_compat import errors, sse
from vertex_compat.json_values import mapping, text
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.messages.output_blocks import PING
from vertex_compat.operations.repeated_events import RelayedEvents
from vertex_compat.operations.upstream_stream import MakeParser, UpstreamStream
from vertex_compat.publishers.anthropic.chat import usage
from vertex_compat.types import JSON, RawBody, UpstreamCall, Usage
from vertex_compat.upstream.response import UpstreamResponse


class RawEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it came: its type, and its JSON."""

    type: str
    data: bytes


class _Event(msgspec.Struct):
    """The fields that are read of an event."""

    type: Any = ""
    message: Any = None
    usage: Any = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_body = msgspec.json.Decoder(RawBody).decode
_NULL: Final = b"null"


class ClaudeRelayParser:
    """Parses Claude's response into events that are passed on, and notes its token counts."""

    continuation: UpstreamCall | None = None
    text_choice = 0

    def __init__(self, model: str, content_type: str, usages: dict[object, Usage]) -> None:
        self._model = model
        self._usages = usages
        self._usage_key = object()
        self._counts: JSON = {}
        self._decoder = sse.Decoder()
        self._relayed = RelayedEvents()
        self._last_type = ""
        self._body: list[bytes] | None = None if content_type == "text/event-stream" else []
        self.done = False

    def read_text(self, _: bytes) -> str | None:
        """Return None: the text of an event is not read."""
        return None

    def read(self, data: bytes, parts: list[RawEvent]) -> None:
        """Append the events that `data` completes; raises the error of an `error` event."""
        if self._body is not None:  # an error that is no stream
            self._body.append(data)
            if not data:
                self.whole(b"".join(self._body), parts)
            return
        if repeated := self._relayed.repeated_data(data):
            parts.append(RawEvent(self._last_type, repeated))
            return
        between_events = self._decoder.between_events
        events = self._decoder.feed(data) if data else self._decoder.close()
        parts.extend(map(self._event, events))
        if between_events and len(events) == 1 and self._decoder.between_events:
            self._last_type = parts[-1].type
            self._relayed.remember_data(data, events[0])

    def _event(self, data: bytes) -> RawEvent:
        event = _read(data, _decode_event)
        match event.type:
            case "message_start":
                self._note(mapping(event.message).get("usage"))
                data = self._rename_model(data)
            case "message_delta":
                self._note(event.usage)
            case "message_stop":
                self.done = True
            case "error":
                raise errors.from_upstream(200, data)
        return RawEvent(text(event.type), data)

    def whole(self, body: bytes, parts: list[RawEvent]) -> None:
        """Append the whole message as one event."""
        fields = _read(body, _decode_body)
        if bytes(fields.get("error", _NULL)) != _NULL:
            raise errors.from_upstream(200, body)
        self._note(msgspec.json.decode(fields.get("usage", b"{}")))
        fields["model"] = msgspec.Raw(msgspec.json.encode(self._model))
        parts.append(RawEvent("message", msgspec.json.encode(fields)))

    def resume(self, call: UpstreamCall, content_type: str) -> None:
        """Never called: a response that is passed on has no continuation."""
        raise NotImplementedError(call.path, content_type)

    def recover(self) -> bool:
        """Return False: what has been passed on cannot be continued."""
        return False

    def _rename_model(self, data: bytes) -> bytes:
        """The first event with the client's name of the model."""
        event = msgspec.json.decode(data)
        if "model" not in mapping(event.get("message")):
            return data
        event["message"]["model"] = self._model
        return msgspec.json.encode(event)

    def _note(self, counts: Any) -> None:
        """Note token counts for the log; those of a later event replace those of an earlier one."""
        usage.merge(self._counts, counts)
        self._usages[self._usage_key] = usage.total([self._counts])


def _read(data: bytes, decode: Any) -> Any:
    try:
        return decode(data)
    except (ValueError, RecursionError):
        raise errors.UpstreamFault("Vertex AI answered something that is not a JSON object.") from None


class ClaudeRelayEncoder:
    """Encodes events as they came."""

    keepalive = PING

    def __init__(self) -> None:
        self._complete = False

    def encode(self, _: int, event: RawEvent) -> bytes:
        """Return the event."""
        self._complete = self._complete or event.type == "message_stop"
        return b"".join((b"event: ", event.type.encode(), b"\ndata: ", event.data, b"\n\n"))

    def finish(self) -> bytes:
        """Return nothing more; raises `UpstreamFault` if the message is incomplete."""
        if not self._complete:
            raise errors.unfinished_response()
        return b""


def parser(model: str, context: RequestContext) -> MakeParser[RawEvent]:
    """Return what makes the parser of a response; `model` is the client's name of the model."""

    def make(_: UpstreamCall, response: UpstreamResponse) -> ClaudeRelayParser:
        return ClaudeRelayParser(model, response.content_type, context.log.usages)

    return make


def respond(stream: UpstreamStream[RawEvent], *, streaming: bool) -> Response:
    """Return Claude's response as it comes, or whole."""
    if streaming:
        return Response(EventStream(stream.stream(ClaudeRelayEncoder())), stream.headers)
    ((_, message),) = stream.collect()
    return Response(msgspec.json.decode(message.data), stream.headers)
