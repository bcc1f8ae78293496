"""Claude's answers, whole or streamed, as parts of OpenAI's.

https://platform.claude.com/docs/en/build-with-claude/streaming. A whole message is read as a stream whose
blocks come complete. Lists (`thinking_blocks`, `annotations`) come once, at the end: OpenAI's clients join
strings and tool calls, but not lists. Fields may be missing or of another type than documented: what cannot
be read is left out, text never is.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, cast

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import items, mapping, member, text
from vertex_compat.publishers import json_schema
from vertex_compat.publishers.anthropic.chat import json_answer, thinking, usage
from vertex_compat.types import (
    JSON,
    Delta,
    DeltaFields,
    StreamPart,
    StreamTranslator,
    TextEvent,
    ToolCallDelta,
    UpstreamCall,
    Usage,
)

_log = logging.getLogger(__name__)

FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "compaction": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

MAX_CONTINUATIONS: Final = 10
"""Calls that continue a paused turn; Anthropic pauses after ten steps of its server tools."""


def response(body: JSON, call: UpstreamCall) -> Iterator[StreamPart]:
    """Return the parts of a whole message."""
    yield from _AnswerReader(call).message(body)


def whole(call: UpstreamCall) -> Callable[[JSON], Iterable[StreamPart]]:
    """Return the translator of a whole message and of those that continue it."""
    return _AnswerReader(call).message


def stream(call: UpstreamCall) -> StreamTranslator:
    """Return the translator of one stream and of those that continue it."""
    return _AnswerReader(call, streamed=True).read_event


class _Block(msgspec.Struct):
    """A block that has begun.

    `raw` has its fields so far, `start` the length of the content before it.
    """

    raw: JSON
    start: int
    texts: list[str] = msgspec.field(default_factory=list)
    arguments: list[str] = msgspec.field(default_factory=list)
    call: int | None = None
    """The index of a tool call; None for the answer's tool and for server tools."""
    buffered: bool = False
    """True if the arguments are sent at the end of the block, because names in them change."""


class _AnswerReader:
    """The state of one answer."""

    def __init__(self, call: UpstreamCall, *, streamed: bool = False) -> None:
        self._call = call
        self._streamed = streamed
        self._continuations_left = MAX_CONTINUATIONS
        self.open_blocks: dict[int, _Block] = {}
        self._model: str | None = None
        self._ids: set[str] = set()
        self.length = 0  # of the content so far
        self.buffered: list[str] | None = _held_texts(call)
        self._answer: str | None = None  # arguments of the answer's tool
        self._emitted = False
        self._finished = False
        self._content: list[JSON] = []  # of the message, complete blocks
        self._sent_blocks = 0  # of the content: blocks that are in the call
        self._has_server_blocks = False
        self._thinking: list[JSON] = []
        self._annotations: list[JSON] = []
        self._citations: list[JSON] = []
        self._transformations: list[JSON] = []
        self._counts: JSON = {}
        self._earlier: list[JSON] = []  # counts of the messages before

    # Input

    def message(self, message: JSON) -> Iterator[StreamPart]:
        """Yield the parts of a whole message."""
        self._begin(message)
        for number, block in enumerate(items(message.get("content"))):
            yield from self._start(number, block)
            yield from self._stop(number)
        usage.merge(self._counts, message.get("usage"))
        yield from self._finish(message)
        yield self._usage()

    def read_event(self, event: JSON) -> TextEvent | Iterable[StreamPart]:
        """Return the parts of one event of a stream, which holds only more text in most cases."""
        match event:
            case {
                "type": "content_block_delta",
                "index": int(number),
                "delta": {"type": "text_delta", **delta},
            }:
                block, value = self.open_blocks.get(number), delta.get("text")
                if block and type(value) is str and self._continue_text(block, value):
                    return TextEvent(0, value, partial(self._continue_text, block))
        return self.event(event)

    def _continue_text(self, block: _Block, value: str) -> bool:
        """Read more text of an open block; return False if it has to be held back."""
        if self.buffered is not None or not value:
            return False
        block.texts.append(value)
        self.length += len(value)
        return True

    def event(self, event: JSON) -> Iterator[StreamPart]:
        """Yield the parts of one event of a stream."""
        number = event.get("index")
        number = number if isinstance(number, int) else max(self.open_blocks, default=0)
        match event.get("type"):
            case "content_block_delta":
                yield from self._delta(number, mapping(event.get("delta")))
            case "content_block_start":
                yield from self._start(number, mapping(event.get("content_block")))
            case "content_block_stop":
                yield from self._stop(number)
            case "message_start":
                message = member(event, "message")
                self._begin(message)
                usage.merge(self._counts, message.get("usage"))
                yield Delta(0, {})
            case "message_delta":
                usage.merge(self._counts, event.get("usage"))
                yield from self._finish(mapping(event.get("delta")))
                yield self._usage()
            case "message_stop" if not self._finished:
                yield from self._finish({"stop_reason": "end_turn"})
            case "ping" | "message_stop":
                pass
            case _:  # of a later version
                yield from self._delta(number, mapping(event.get("delta")))

    def append_text(self, number: Any, value: Any) -> Delta | None:
        """More text of an open block."""
        if type(value) is not str:
            return None
        if type(number) is int and number in self.open_blocks:
            self.open_blocks[number].texts.append(value)
        return self.say(value)

    def say(self, value: Any) -> Delta | None:
        """More text of the answer, None if it is held back."""
        if type(value) is not str or not value:
            return None
        if self.buffered is not None and not self._passes(value):
            self.buffered.append(value)
            return None
        self.length += len(value)
        self._emitted = True
        return Delta(0, {"content": value})

    def _passes(self, value: str) -> bool:
        """Return whether the held text is certain to be the requested JSON object."""
        answer = self._call.json_answer
        if self.buffered or answer is None or answer.source == "tool" or answer.wrapped:
            return False
        if not value.lstrip().startswith("{"):
            return False
        self.buffered = None
        return True

    def _begin(self, message: JSON) -> None:
        if self._counts:
            self._earlier.append(self._counts)
        self._counts = {}
        self._finished = False
        self._model = text(message.get("model")) or self._model
        self._transformations += items(message.get("input_transformations"))

    # Blocks

    def _start(self, number: int, raw: JSON) -> Iterator[StreamPart]:
        block = self.open_blocks[number] = _Block(dict(raw), self.length)
        match raw.get("type"):
            case "thinking":
                yield from self._think(raw.get("thinking"))
                block.texts.append(text(raw.get("thinking")))
            case "tool_use":
                yield from self._begin_call(block)
                if raw.get("input"):
                    yield from self._append_arguments(block, msgspec.json.encode(raw["input"]).decode())
            case "redacted_thinking":
                pass
            case kind:
                block.texts.append(text(raw.get("text")))
                if delta := self.say(raw.get("text")):
                    yield delta
                if kind != "text":  # of a server tool, or of a compaction
                    self._has_server_blocks = True

    def _delta(self, number: int, delta: JSON) -> Iterator[StreamPart]:
        block = self.open_blocks.setdefault(number, _Block({}, self.length))
        match delta.get("type"):
            case "input_json_delta":
                yield from self._append_arguments(block, text(delta.get("partial_json")))
            case "thinking_delta":
                block.texts.append(text(delta.get("thinking")))
                yield from self._think(delta.get("thinking"))
            case "signature_delta":
                block.raw["signature"] = delta.get("signature")
            case "compaction_delta":
                block.raw["content"] = text(block.raw.get("content")) + text(delta.get("content"))
            case "citations_delta":
                block.raw["citations"] = [*items(block.raw.get("citations")), *items([delta.get("citation")])]
            case _:
                if appended := self.append_text(number, delta.get("text")):
                    yield appended

    def _stop(self, number: int) -> Iterator[StreamPart]:
        block = self.open_blocks.pop(number, None)
        if block is None:
            return
        raw = block.raw
        match raw.get("type"):
            case "thinking" | "redacted_thinking" as kind:
                if kind == "thinking":
                    raw["thinking"] = "".join(block.texts)
                if thinking.is_complete(raw):
                    self._thinking.append(raw | ({"model": self._model} if self._model else {}))
            case "tool_use":
                yield from self._end_call(block)
            case _:
                self._add_citations(block)
                if self._streamed:
                    _complete(block)
        self._content.append(raw)

    def _think(self, value: Any) -> Iterator[StreamPart]:
        if isinstance(value, str) and value:
            self._emitted = True
            yield Delta(0, {"reasoning_content": value})

    # Calls

    def _begin_call(self, block: _Block) -> Iterator[StreamPart]:
        name = text(block.raw.get("name"))
        answer = self._call.json_answer
        if answer and name == answer.tool:
            # Text before the answer is no part of its JSON.
            yield from self._think("".join(self.buffered or ()))
            self.buffered = None
            return
        id_ = text(block.raw.get("id"))
        if not id_ or id_ in self._ids:
            id_ = f"toolu_{secrets.token_hex(12)}"
        block.call = len(self._ids)
        block.buffered = name in self._call.argument_names
        self._ids.add(id_)
        opening: ToolCallDelta = {
            "index": block.call,
            "id": id_,
            "type": "function",
            "function": {"name": self._call.tool_names.get(name, name), "arguments": ""},
        }
        if toolset := text(block.raw.get("toolset_name")):
            opening["extra_content"] = {"anthropic": {"toolset_name": toolset}}
        self._emitted = True
        yield Delta(0, {"tool_calls": [opening]})

    def _append_arguments(self, block: _Block, piece: str) -> Iterator[StreamPart]:
        if not piece:
            return
        block.arguments.append(piece)
        if block.call is not None and not block.buffered:
            yield _arguments(block.call, piece)

    def _end_call(self, block: _Block) -> Iterator[StreamPart]:
        arguments = "".join(block.arguments)
        if block.call is None:
            self._answer = arguments or "{}"
        elif block.buffered:
            names = self._call.argument_names[text(block.raw.get("name"))]
            yield _arguments(block.call, _rename(arguments or "{}", names))
        elif not arguments:
            yield _arguments(block.call, "{}")

    # The end

    def _finish(self, ending: JSON) -> Iterator[StreamPart]:
        """Yield the end of a message.

        A whole message and the last delta of a stream have the same fields.
        """
        for number in list(self.open_blocks):
            yield from self._stop(number)
        reason = ending.get("stop_reason")
        if reason is None and self._streamed:
            return  # another `message_delta` has it
        self._finished = True
        finish = self._finish_reason(reason)
        if reason == "pause_turn" and self._continuations_left and self._content and self._call.body:
            self._continuations_left -= 1
            yield Delta(0, self._last_fields(ending), finish, continuation=self._next_call())
            return
        yield from self._json_content(finish)
        sequence = text(ending.get("stop_sequence")) or None
        yield Delta(0, self._last_fields(ending), finish, stop_sequence=sequence)

    def _finish_reason(self, reason: Any) -> str:
        mapped = FINISH_REASONS.get(reason) if isinstance(reason, str) else None
        if mapped is None and reason is not None:
            _log.warning("unknown stop_reason of Claude: %.80s", reason)
        finish = mapped or "stop"
        if finish == "tool_calls" and not self._ids:  # only the tool of the answer
            return "stop"
        return "tool_calls" if finish == "stop" and self._ids else finish

    def _next_call(self) -> UpstreamCall:
        """Return the call that continues a paused message: the same, with the message at its end."""
        body = self._call.body
        messages = [*body["messages"]]
        content = [_sendable(block) for block in self._content[self._sent_blocks :]]
        if messages[-1]["role"] == "assistant":
            content = [*messages.pop()["content"], *content]
        messages.append({"role": "assistant", "content": content})
        self._sent_blocks = len(self._content)
        self._call = msgspec.structs.replace(self._call, body={**body, "messages": messages})
        return self._call

    def _json_content(self, finish: str) -> Iterator[StreamPart]:
        """Yield the answer in JSON, which was held back until it was complete."""
        answer, buffered = self._call.json_answer, "".join(self.buffered or ())
        self.buffered = None
        content = buffered if self._answer is None else self._answer
        if answer is None or not content:
            return
        if self._answer is None and self._ids:  # a text beside calls is no answer
            yield Delta(0, {"content": content})
            return
        content, complete = json_answer.read(content, answer)
        if complete is False and finish == "stop" and not (self._streamed and self._emitted):
            raise errors.InvalidModelResponse(
                "The model's answer does not have the properties that its JSON Schema requires.",
                code="json_schema_validation_error",
            )
        yield Delta(0, {"content": content})

    def _last_fields(self, ending: JSON) -> DeltaFields:
        explanation = text(member(ending, "stop_details").get("explanation"))
        anthropic = {
            "citations": self._citations,
            "content": self._content if self._has_server_blocks else [],
            "input_transformations": self._transformations,
        }
        anthropic = {name: value for name, value in anthropic.items() if value}
        fields = {
            "thinking_blocks": self._thinking,
            "annotations": self._annotations,
            "extra_content": {"anthropic": anthropic} if anthropic else None,
            "refusal": explanation if ending.get("stop_reason") == "refusal" else None,
        }
        return cast("DeltaFields", {name: value for name, value in fields.items() if value})

    def _add_citations(self, block: _Block) -> None:
        """Add the citations of a block, each of its whole text. OpenAI has only those with a URL."""
        for citation in items(block.raw.get("citations")):
            url = text(citation.get("url")) or text(citation.get("source"))
            if url.startswith(("https://", "http://")):
                title = text(citation.get("title")) or url
                span = {"start_index": block.start, "end_index": self.length}
                self._annotations.append(
                    {"type": "url_citation", "url_citation": {"url": url, "title": title, **span}}
                )
            else:
                self._citations.append(citation)

    def _usage(self) -> Usage:
        """Return the counts of all messages of the answer."""
        return usage.total([*self._earlier, self._counts])


def _sendable(block: JSON) -> JSON:
    """Return a block as it may be sent back: without nulls, and without the key that is ours."""
    return {name: value for name, value in block.items() if value is not None and name != "model"}


def _held_texts(call: UpstreamCall) -> list[str] | None:
    """Return a list if texts are held back until the end.

    None if they are the answer as they come.
    """
    answer = call.json_answer
    return None if answer is None or (answer.source == "constrained" and not answer.wrapped) else []


def _complete(block: _Block) -> None:
    """Add the content of the deltas to a block's fields."""
    if "text" in block.raw:
        block.raw["text"] = "".join(block.texts)
    if block.arguments:
        try:
            block.raw["input"] = msgspec.json.decode("".join(block.arguments))
        except (ValueError, RecursionError):
            block.raw["input"] = {}


def _arguments(index: int, piece: str) -> Delta:
    return Delta(0, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})


def _rename(arguments: str, names: Mapping[str, str]) -> str:
    """Arguments under the client's property names."""
    try:
        value = msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return arguments
    return msgspec.json.encode(json_schema.rename_keys(value, names)).decode()
