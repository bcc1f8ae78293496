"""What the emulator answers, as a value: a status, headers, and steps to be played on the connection."""

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
    """Silence on the connection. It ends early when the client leaves."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The TCP connection is reset: no end of the chunked body, no goodbye."""


Step = bytes | Wait | Cut
"""Bytes are flushed as one block, so that a client can read them one by one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. In a streamed one every block of bytes is one event."""

    status: int
    steps: Iterable[Step]
    headers: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False
    hurried: bool = False  # no pace between the events


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one publisher says what is not the model's answer."""

    envelope: Callable[[int, str], Any]  # HTTP status and message → the body of an error
    event: Callable[[Any], bytes]  # JSON → one event of a stream
    garbage: bytes  # an event that is not JSON


class Refused(Exception):
    """A request that is not accepted; carries the answer that says so."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def compact(value: Any) -> str:
    """JSON as streams carry it: no spaces, text as UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def whole(status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of one piece, its length announced."""
    said = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
    return Answer(status, (body,), said)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Compact JSON, as the partners' servers send it."""
    return whole(status, compact(value).encode(), JSON_TYPE, headers)


def pretty_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Indented JSON, as Google's own servers send it."""
    return whole(
        status, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(), JSON_TYPE, headers
    )


def in_turn(streams: Iterable[Iterable[JSON]]) -> Iterator[JSON]:
    """Take one piece of each stream in turn, until all are used up."""
    rows = itertools.zip_longest(*streams)
    return (piece for row in rows for piece in row if piece is not None)


def with_last(pieces: Iterable[JSON]) -> Iterator[tuple[JSON, bool]]:
    """Say of each piece whether it is the last one."""
    rest = iter(pieces)
    held = next(rest, None)
    while held is not None:
        following = next(rest, None)
        yield held, following is None
        held = following


def html_answer(status: int, title: str) -> Answer:
    """A page for people, as Google's front end sends it for paths it does not know."""
    page = (
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>"
        f"Error {status} ({title})!!1</title>\n  <p><b>{status}.</b> <ins>Error.</ins>\n"
        "  <p>The requested URL was not found on this server.  <ins>That is all.</ins>\n"
    )
    return whole(status, page.encode(), HTML_TYPE)


def sse_event(value: Any) -> bytes:
    r"""One `data:` line and a blank one, separated by `\n`, as OpenAI-shaped servers send it."""
    return b"data: " + compact(value).encode() + b"\n\n"


SSE_DONE = b"data: [DONE]\n\n"
SSE_GARBAGE = b'data: {"choices":[{"index":0,"delta":{"con\n\n'
