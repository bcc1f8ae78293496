"""The parts of a model's response as Anthropic's message: blocks and their events.

https://platform.claude.com/docs/en/build-with-claude/streaming. The order is fixed: `message_start`,
each block's start, deltas and stop, `message_delta`, `message_stop`. The whole message is their sum.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations.messages import code_execution
from vertex_compat.operations.messages.call_order import CallOrder
from vertex_compat.operations.opaque_state import encode_id, encode_state
from vertex_compat.publishers.chat_messages import read_arguments
from vertex_compat.types import (
    JSON,
    CodeExecution,
    Delta,
    DeltaFields,
    StreamPart,
    ToolCallDelta,
    Usage,
    only_text,
    without_field,
)

if TYPE_CHECKING:
    from vertex_compat.operations.messages import answer_types as wire

STOP_REASONS: Final[dict[str, wire.StopReason]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""OpenAI's finish reason → Anthropic's stop reason."""

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'

_STATE: Final = ("extra_content", "thinking_blocks")
_encode = msgspec.json.Encoder().encode


def encode_event(event: wire.MessageEvent) -> bytes:
    """Return the event as Anthropic's API sends it: its type on a line of its own, too."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(event))


def _server_id() -> str:
    return f"srvtoolu_{secrets.token_hex(12)}"


def _empty_thinking() -> wire.ThinkingBlock:
    return {"type": "thinking", "thinking": "", "signature": ""}


class Display(msgspec.Struct, frozen=True):
    """The blocks for the client: `thinking` with its text, and those of `search` and `code`."""

    thinking: bool = False
    thoughts: bool = True  # the text of `thinking`
    search: bool = False
    code: bool = False


class MessageEvents:
    """Turns the parts of one response into Anthropic's events."""

    def __init__(
        self, model: str, display: Display, stop_sequences: Collection[str] = (), *, streaming: bool = False
    ) -> None:
        self._model = model
        self._display = display
        self._stop_sequences = stop_sequences  # the client's
        self._streaming = streaming
        self._index = -1  # of the newest block
        self._newest: str | None = None  # its type
        self._open: str | None = None  # type of the block that is open
        self._state: JSON = {}
        self._held_arguments: list[str] | None = None  # of the open call, as long as they are no object
        self._calls = CallOrder()
        self._usage = Usage(0, 0)
        self._searches = 0
        self._code_id: str | None = None  # of the newest code, as long as it has no result
        self._finish: str | None = None
        self._refusal: str | None = None
        self._stop_sequence: str | None = None
        self._started = False

    @property
    def text_index(self) -> int | None:
        """Number of the open block if it takes more text."""
        return self._index if self._open == "text" else None

    def part(self, part: StreamPart) -> Iterator[wire.MessageEvent]:
        """Yield the events of one part."""
        if isinstance(part, Usage):
            self._usage = part
            return
        if not self._started:
            yield self._start()
        self._finish = part.finish_reason or self._finish
        self._stop_sequence = part.stop_sequence or self._stop_sequence
        fields = part.fields
        if part.code_execution and self._display.code:
            yield from self._run_code(part.code_execution)
            fields = without_field(fields, "content")
        for delta in self._calls.in_order(fields):
            yield from self._fields(delta)

    def end(self) -> Iterator[wire.MessageEvent]:
        """Yield the events after the last part.

        Raises `UpstreamFault` if the model had not finished.
        """
        if self._finish is None:
            raise errors.unfinished_response()
        for delta in self._calls.remaining():
            yield from self._fields(delta)
        yield from self._close()
        yield from self._late_signature()
        yield {"type": "message_delta", "delta": self._ending(self._finish), "usage": self._counts()}
        yield {"type": "message_stop"}

    def _ending(self, finish: str) -> wire.MessageDelta:
        """Return why the message ended.

        A server may stop at sequences of its own, which are no reason.
        """
        reason = STOP_REASONS.get(finish, "end_turn")
        if reason == "end_turn" and self._stop_sequence in self._stop_sequences:
            reason = "stop_sequence"
        details: wire.RefusalStopDetails = {"type": "refusal", "category": None, "explanation": self._refusal}
        return {
            "stop_reason": reason,
            "stop_sequence": self._stop_sequence if reason == "stop_sequence" else None,
            "stop_details": details if reason == "refusal" else None,
        }

    def _start(self) -> wire.MessageStartEvent:
        self._started = True
        message: wire.Message = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": self._counts(),
        }
        return {"type": "message_start", "message": message}

    def _counts(self) -> wire.Usage:
        """Anthropic counts cached tokens apart from the other input; OpenAI among it."""
        prompt, usage = self._usage.prompt_details, self._usage
        cache_reads, cache_writes = prompt.get("cached_tokens", 0), prompt.get("cache_write_tokens", 0)
        counts: wire.Usage = {
            "input_tokens": max(0, usage.prompt - cache_reads - cache_writes),
            "cache_creation_input_tokens": cache_writes,
            "cache_read_input_tokens": cache_reads,
            "output_tokens": usage.completion,
        }
        if thoughts := usage.completion_details.get("reasoning_tokens"):
            counts["output_tokens_details"] = {"thinking_tokens": thoughts}
        if self._searches:
            counts["server_tool_use"] = {"web_search_requests": self._searches, "web_fetch_requests": 0}
        return counts

    def _fields(self, fields: DeltaFields) -> Iterator[wire.MessageEvent]:
        self._state |= {key: fields[key] for key in _STATE if key in fields}
        if thought := fields.get("reasoning_content"):
            yield from self._thought(thought)
        if text := fields.get("content"):
            yield from self._text(text)
        for image in fields.get("images") or ():
            yield from self._text(f"![image]({image['image_url']['url']})")
        if refusal := fields.get("refusal"):
            self._refusal = (self._refusal or "") + refusal
        for annotation in fields.get("annotations") or ():
            yield from self._citation(annotation.get("url_citation") or {})
        for grounding in fields.get("vertex_ai_grounding_metadata") or ():
            yield from self._search(grounding)
        for call in fields.get("tool_calls") or ():
            yield from self._call(call)

    def _thought(self, text: str) -> Iterator[wire.MessageEvent]:
        if not self._display.thinking:
            return
        yield from self._block("thinking", _empty_thinking())
        if self._display.thoughts:
            yield self._delta({"type": "thinking_delta", "thinking": text})

    def _late_signature(self) -> Iterator[wire.MessageEvent]:
        """Yield an empty thinking block for state that came later, such as the signature of a text.

        A stream that ends with text gets none: Claude Code takes the last block for the answer.
        """
        ends_with_answer = self._streaming and self._newest != "tool_use"
        if self._state and self._display.thinking and not ends_with_answer:
            yield from self._new_block("thinking", _empty_thinking())
            yield from self._close()

    def _text(self, text: str) -> Iterator[wire.MessageEvent]:
        yield from self._block("text", {"type": "text", "text": ""})
        yield self._delta({"type": "text_delta", "text": text})

    def _citation(self, cited: JSON) -> Iterator[wire.MessageEvent]:
        """Yield a source of the open text; none where no text is open."""
        if self._open == "text" and cited.get("url"):
            location: wire.CitationsWebSearchResultLocation = {
                "type": "web_search_result_location",
                "url": cited["url"],
                "title": cited.get("title"),
                "cited_text": "",
                "encrypted_index": "",
            }
            yield self._delta({"type": "citations_delta", "citation": location})

    def _search(self, grounding: JSON) -> Iterator[wire.MessageEvent]:
        """Yield a search of Gemini's as a call of Anthropic's server tool and its result."""
        queries = grounding.get("webSearchQueries")
        if not queries or not self._display.search:
            return
        self._searches += len(queries)
        id_ = _server_id()
        use: wire.ServerToolUseBlock = {
            "type": "server_tool_use",
            "id": id_,
            "name": "web_search",
            "input": {},
        }
        yield from self._server_call(use, {"query": queries[0]})
        pages = [chunk.get("web") or {} for chunk in grounding.get("groundingChunks") or ()]
        results = [_search_result(page) for page in pages if page.get("uri")]
        result: wire.WebSearchToolResultBlock = {
            "type": "web_search_tool_result",
            "tool_use_id": id_,
            "content": results,
        }
        yield from self._new_block("web_search_tool_result", result)

    def _run_code(self, execution: CodeExecution) -> Iterator[wire.MessageEvent]:
        """Yield code that the publisher ran, or its output, as a server tool's call or result."""
        if execution.code is not None or self._code_id is None:
            self._code_id = _server_id()
            call = code_execution.call_block(self._code_id)
            yield from self._server_call(call, {"code": execution.code or ""})
        if execution.output is not None:
            result = code_execution.result_block(self._code_id, execution)
            yield from self._new_block(result["type"], result)
            self._code_id = None

    def _server_call(self, block: wire.ServerToolUseBlock, input_: JSON) -> Iterator[wire.MessageEvent]:
        yield from self._new_block("server_tool_use", block)
        yield self._delta({"type": "input_json_delta", "partial_json": _encode(input_).decode()})

    def _call(self, call: ToolCallDelta) -> Iterator[wire.MessageEvent]:
        function = call["function"]
        if "id" in call:
            if extra := call.get("extra_content"):
                self._state["call_extra_content"] = {"extra_content": extra}
            use: wire.ToolUseBlock = {
                "type": "tool_use",
                "id": encode_id(call["id"]),
                "name": function["name"],
                "input": {},
            }
            yield from self._new_block("tool_use", use)
            self._state.pop("call_extra_content", None)  # only the thinking right before a call has it
            self._held_arguments = []
        if arguments := function.get("arguments"):
            yield from self._arguments(arguments)

    def _arguments(self, piece: str) -> Iterator[wire.MessageEvent]:
        """Yield arguments as they come.

        Those that do not begin as an object become one at the block's end. Anthropic's SDK raises for a
        stream whose arguments are no JSON.
        """
        if self._held_arguments == []:
            piece = piece.lstrip()
            if piece.startswith("{"):
                self._held_arguments = None
        if self._held_arguments is None:
            yield self._delta({"type": "input_json_delta", "partial_json": piece})
        elif piece:
            self._held_arguments.append(piece)

    def _block(self, kind: str, block: wire.ContentBlock) -> Iterator[wire.MessageEvent]:
        """Make sure that a block of `kind` is open."""
        if self._open != kind:
            yield from self._new_block(kind, block)

    def _new_block(self, kind: str, block: wire.ContentBlock) -> Iterator[wire.MessageEvent]:
        yield from self._close()
        self._open = self._newest = kind
        self._index += 1
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _close(self) -> Iterator[wire.MessageEvent]:
        if self._open is None:
            return
        if self._open == "thinking":
            yield self._delta({"type": "signature_delta", "signature": encode_state(self._state)})
            self._state = {}
        if held_arguments := self._held_arguments:
            arguments = _encode(read_arguments("".join(held_arguments))).decode()
            yield self._delta({"type": "input_json_delta", "partial_json": arguments})
        self._held_arguments = None
        self._open = None
        yield {"type": "content_block_stop", "index": self._index}

    def _delta(self, delta: wire.ContentDelta) -> wire.ContentBlockDeltaEvent:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def _search_result(page: JSON) -> wire.WebSearchResultBlock:
    return {
        "type": "web_search_result",
        "url": page["uri"],
        "title": page.get("title") or page["uri"],
        "encrypted_content": "",
        "page_age": None,
    }


@lru_cache(maxsize=64)
def _text_event_start(index: int) -> bytes:
    """Return an event with more text of a block, up to the text."""
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
        b'"delta":{"type":"text_delta","text":' % index
    )


class MessageEncoder:
    """Encodes the parts of a response as server-sent events."""

    keepalive = PING

    def __init__(self, events: MessageEvents) -> None:
        self._events = events

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Return the events for one part; may be none."""
        text = only_text(part)
        if text and self._events.text_index is not None:
            return self.encode_text(number, text)
        return b"".join([encode_event(event) for event in self._events.part(part)])

    def encode_text(self, choice: int, text: str) -> bytes:
        """Return the event for more text."""
        index = self._events.text_index
        if index is None:
            return self.encode(choice, Delta(choice, {"content": text}))
        return b"".join((_text_event_start(index), _encode(text), b"}}\n\n"))

    def finish(self) -> bytes:
        """Return the last events; raises `UpstreamFault` if the model had not finished."""
        return b"".join([encode_event(event) for event in self._events.end()])


def whole_message(events: Iterable[wire.MessageEvent]) -> wire.Message:
    """Return the message that all `events` of a response add up to."""
    message: wire.Message
    texts: list[list[str]] = []
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"].copy())
                texts.append([])
            case "content_block_delta":
                _add_delta(message["content"][event["index"]], texts[event["index"]], event["delta"])
            case "content_block_stop":
                _finish_block(message["content"][event["index"]], "".join(texts[event["index"]]))
            case "message_delta":
                usage: wire.Usage = {**message["usage"], **event["usage"]}
                message = {**message, **event["delta"], "usage": usage}
    content = message["content"]
    if content and content[-1]["type"] == "thinking" and not content[-1]["thinking"]:
        content.insert(0, content.pop())  # thinking comes first, and the answer last
    return message


def _add_delta(block: Any, texts: list[str], delta: wire.ContentDelta) -> None:
    match delta["type"]:
        case "text_delta":
            texts.append(delta["text"])
        case "thinking_delta":
            texts.append(delta["thinking"])
        case "input_json_delta":
            texts.append(delta["partial_json"])
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]


def _finish_block(block: Any, value: str) -> None:
    match block["type"]:
        case "text" | "thinking" as kind:
            block[kind] = value
        case "tool_use" | "server_tool_use":
            block["input"] = read_arguments(value)
