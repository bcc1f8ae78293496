"""Responses as values: a status, headers, and the steps to send on the connection."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

JSON_TYPE = "application/json; charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"
SSE_TYPE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause in sending; it ends early if the client leaves."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """A reset of the TCP connection, without an end of the chunked body."""


Step = bytes | Wait | Cut
"""Each block of bytes is flushed by itself."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; if `streamed`, every block of bytes is one event."""

    status: int
    steps: Iterable[Step]
    headers: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False
    unpaced: bool = False  # without the pace between events


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """The error bodies and events of one publisher."""

    envelope: Callable[[int, str], Any]  # HTTP status and message → the body of an error
    event: Callable[[Any], bytes]  # JSON → one event of a stream
    malformed_event: bytes  # an event that is not JSON


class RequestRefused(Exception):
    """A refused request; carries the error response."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


def compact_json(value: Any) -> str:
    """Return JSON without spaces, non-ASCII text unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def whole(status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a Content-Length."""
    all_headers = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
    return Response(status, (body,), all_headers)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return compact JSON, as partners' servers send it."""
    return whole(status, compact_json(value).encode(), JSON_TYPE, headers)


def pretty_json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return indented JSON, as Google's servers send it."""
    return whole(
        status, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(), JSON_TYPE, headers
    )


def interleave(streams: Iterable[Iterable[JSON]]) -> Iterator[JSON]:
    """Yield one piece of each stream in turn until all are exhausted."""
    rows = itertools.zip_longest(*streams)
    return (piece for row in rows for piece in row if piece is not None)


def mark_last(pieces: Iterable[JSON]) -> Iterator[tuple[JSON, bool]]:
    """Yield each piece with whether it is the last."""
    iterator = iter(pieces)
    current = next(iterator, None)
    while current is not None:
        following = next(iterator, None)
        yield current, following is None
        current = following


def html_response(status: int, title: str) -> Response:
    """Return the HTML page that Google's front end sends for unknown paths."""
    page = (
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>"
        f"Error {status} ({title})!!1</title>\n  <p><b>{status}.</b> <ins>Error.</ins>\n"
        "  <p>The requested URL was not found on this server.  <ins>That is all.</ins>\n"
    )
    return whole(status, page.encode(), HTML_TYPE)


def sse_event(value: Any) -> bytes:
    r"""Return an SSE event with `\n` line ends, as OpenAI-compatible servers send it."""
    return b"data: " + compact_json(value).encode() + b"\n\n"


SSE_DONE = b"data: [DONE]\n\n"
SSE_GARBAGE = b'data: {"choices":[{"index":0,"delta":{"con\n\n'
