"""What Claude answers, whole or streamed: blocks of thoughts, texts and calls.

https://docs.anthropic.com/en/docs/build-with-claude/streaming. A whole message is read as a stream whose
blocks come complete. Lists (`thinking_blocks`, `annotations`) are told once, at the end: OpenAI's client can
join strings and calls, but not lists.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from vertex_compat.publishers.anthropic import thinking
from vertex_compat.types import JSON, Delta, StreamPart, StreamTranslator, UpstreamCall, Usage

_log = logging.getLogger(__name__)

FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "compaction": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def response(message: JSON, call: UpstreamCall) -> Iterator[StreamPart]:
    """The pieces of a whole message."""
    reader = _Reader(call)
    for number, block in enumerate(message.get("content") or []):
        yield from reader.begin(number, block)
        yield from reader.end(number)
    yield from reader.finish(message)
    yield usage(message.get("usage") or {})


def stream(call: UpstreamCall) -> StreamTranslator:
    """The reader of one stream. The counts of its beginning and of its end are one usage."""
    reader = _Reader(call)
    counts: JSON = {}

    def read(event: JSON) -> Iterable[StreamPart]:
        """The pieces that an event brings. Nearly always it is more text."""
        if event.get("type") == "content_block_delta":
            delta = event["delta"]
            if delta.get("type") == "text_delta":
                return reader.say(delta["text"])
        return read_any(event)

    def read_any(event: JSON) -> Iterator[StreamPart]:
        match event.get("type"):
            case "content_block_delta":
                yield from reader.go_on(event["index"], event["delta"])
            case "content_block_start":
                yield from reader.begin(event["index"], event["content_block"])
            case "content_block_stop":
                yield from reader.end(event["index"])
            case "message_start":
                counts.update(event["message"].get("usage") or {})
                yield Delta(0, {})
            case "message_delta":
                counts.update(event.get("usage") or {})
                yield from reader.finish(event.get("delta") or {})
                yield usage(counts)
            case _:
                pass  # ping, message_stop, and what is still to be invented

    return read


class _Reader:
    """One answer. `_open` has the blocks that have begun, by Claude's number, as far as they are known."""

    def __init__(self, call: UpstreamCall) -> None:
        self._call = call
        self._open: dict[int, JSON] = {}
        self._ids: set[str] = set()
        self._length = 0  # of the content
        self._held: list[str] | None = (
            [] if call.structured_output_tool else None
        )  # texts that may be the answer, or not
        self._thoughts: list[JSON] = []
        self._annotations: list[JSON] = []
        self._citations: list[JSON] = []

    def begin(self, number: int, block: JSON) -> Iterator[StreamPart]:
        kind = block.get("type")
        opened = self._open[number] = {**block, "start": self._length}
        match kind:
            case "text":
                yield from self.say(block.get("text"))
            case "thinking":
                yield from _think(block.get("thinking"))
            case "tool_use":
                written = msgspec.json.encode(block["input"]).decode() if block.get("input") else ""
                yield from self._call_begun(opened)
                yield from self._argue(opened, written)

    def go_on(self, number: int, delta: JSON) -> Iterator[StreamPart]:
        block = self._open.get(number, {})
        match delta.get("type"):
            case "text_delta":
                yield from self.say(delta["text"])
            case "input_json_delta" if block.get("type") == "tool_use":
                yield from self._argue(block, delta["partial_json"])
            case "thinking_delta":
                block["thinking"] = (block.get("thinking") or "") + delta["thinking"]
                yield from _think(delta["thinking"])
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]

    def end(self, number: int) -> Iterator[StreamPart]:
        block = self._open.pop(number, {})
        match block.get("type"):
            case "thinking" | "redacted_thinking" if thinking.is_own(block):
                self._thoughts.append({name: held for name, held in block.items() if name != "start"})
            case "text":
                self._cite(block)
            case "tool_use" if not block.get("written"):
                yield from self._argue(block, "{}")

    def finish(self, ending: JSON) -> Iterator[StreamPart]:
        """Why the message ended, which a message and the last delta of a stream say in the same words."""
        for number in list(self._open):
            yield from self.end(number)
        if self._held:
            yield Delta(0, {"content": "".join(self._held)})
            self._held = None
        reason = ending.get("stop_reason")
        if reason is None:
            return
        if reason not in FINISH:
            _log.warning("unknown stop_reason of Claude: %.80s", reason)
        finish = FINISH.get(reason, "stop")
        if finish == "tool_calls" and not self._ids:  # only the answer's own tool
            finish = "stop"
        yield Delta(0, self._last_fields(ending), finish)

    def _last_fields(self, ending: JSON) -> JSON:
        explanation = (ending.get("stop_details") or {}).get("explanation")
        told = {
            "thinking_blocks": self._thoughts,
            "annotations": self._annotations,
            "extra_content": {"anthropic": {"citations": self._citations}} if self._citations else None,
            "refusal": explanation if ending["stop_reason"] == "refusal" else None,
        }
        return {name: value for name, value in told.items() if value}

    def say(self, text: str | None) -> tuple[Delta, ...]:
        """More text, if it is not to wait until it is known whether it is the answer."""
        if not text:
            return ()
        if self._held is not None:
            self._held.append(text)
            return ()
        self._length += len(text)
        return (Delta(0, {"content": text}),)

    def _call_begun(self, block: JSON) -> Iterator[StreamPart]:
        name = block["name"]
        if name == self._call.structured_output_tool:
            # What was said before the answer would spoil its JSON.
            yield from _think("".join(self._held or []))
            self._held = None
            return
        identity = block.get("id")
        if not identity or identity in self._ids:
            identity = f"toolu_{secrets.token_hex(12)}"
        block["place"] = len(self._ids)
        self._ids.add(identity)
        function = {"name": self._call.tool_names.get(name, name), "arguments": ""}
        opening = {"index": block["place"], "id": identity, "type": "function", "function": function}
        yield Delta(0, {"tool_calls": [opening]})

    def _argue(self, block: JSON, written: str) -> Iterator[StreamPart]:
        """More of the arguments of a call, or of the answer."""
        if not written:
            return
        block["written"] = True
        if "place" in block:
            piece = {"index": block["place"], "function": {"arguments": written}}
            yield Delta(0, {"tool_calls": [piece]})
        else:
            self._length += len(written)
            yield Delta(0, {"content": written})

    def _cite(self, block: JSON) -> None:
        """A citation backs the whole text of its block. OpenAI knows those that have a link."""
        for citation in block.get("citations") or []:
            link = citation.get("url") or citation.get("source") or ""
            if link.startswith(("https://", "http://")):
                title = citation.get("title") or link
                where = {"start_index": block["start"], "end_index": self._length}
                cited = {"url": link, "title": title, **where}
                self._annotations.append({"type": "url_citation", "url_citation": cited})
            else:
                self._citations.append(citation)


def _think(thought: str | None) -> Iterator[StreamPart]:
    if thought:
        yield Delta(0, {"reasoning_content": thought})


def usage(counts: JSON) -> Usage:
    """Claude counts cached tokens beside its input; OpenAI inside."""
    read, written = counts.get("cache_read_input_tokens") or 0, counts.get("cache_creation_input_tokens") or 0
    details: dict[str, Any] = counts.get("output_tokens_details") or {}
    cached = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    return Usage(
        prompt=(counts.get("input_tokens") or 0) + read + written,
        completion=counts.get("output_tokens") or 0,
        prompt_details={"cached_tokens": read, "cache_write_tokens": written},
        completion_details={"reasoning_tokens": details.get("thinking_tokens") or 0},
        extra={name: count for name, count in cached.items() if count},
    )
