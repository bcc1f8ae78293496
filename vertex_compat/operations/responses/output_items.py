"""Pieces of an answer → the Responses API: items, and the events that tell how they grow.

One writer for both: what is not streamed is the last state of the same writing, so the two cannot differ.
https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from vertex_compat import errors
from vertex_compat.operations.chat.chat import usage
from vertex_compat.operations.responses import input_items
from vertex_compat.types import JSON, Delta, StreamPart, Usage

ECHOED: Final[JSON] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, and what stands there if it was not given."""

INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}

KEPT: Final = ("thinking_blocks", "extra_content")
"""What a model needs back unchanged, for `responses_input.seal`."""

Event: TypeAlias = JSON
"""An event; to be written at once, for what it shows goes on growing."""

_EMPTY_SUMMARY: Final = {"type": "summary_text", "text": ""}


class _Item(NamedTuple):
    place: int
    value: JSON


class ResponseBuilder:
    """Writes one response."""

    def __init__(self, given: JSON) -> None:
        self._offered = {offer.name: offer for offer in input_items.offered(given)}
        self._sequence = 0
        self._open: _Item | None = None
        self._calls: dict[int, _Item] = {}
        self._kept: JSON = {}
        self._finish: str | None = None
        self._usage: dict[int, Usage] = {}
        self.response: JSON = {
            "id": _new_id("resp"),
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": given["model"],
            "output": [],
            "previous_response_id": None,
            "store": False,
            "usage": None,
            **{name: given.get(name, default) for name, default in ECHOED.items()},
        }

    def begin(self) -> Iterator[Event]:
        """The events before the first item."""
        yield self._event("response.created", response=self.response)
        yield self._event("response.in_progress", response=self.response)

    def add(self, answer: int, piece: StreamPart) -> Iterator[Event]:
        """The events that a piece of upstream answer number `answer` brings."""
        if isinstance(piece, Usage):
            self._usage[answer] = piece
            return
        self._finish = piece.finish_reason or self._finish
        for key in KEPT:
            if key in piece.fields:
                self._keep(key, piece.fields[key])
        if reasoning := piece.fields.get("reasoning_content"):
            yield from self._item("reasoning")
            yield from self._summary(reasoning)
        if text := piece.fields.get("content"):
            yield from self._item("message")
            yield from self._text("output_text", text, piece)
        if refusal := piece.fields.get("refusal"):
            yield from self._item("message")
            yield from self._text("refusal", refusal, piece)
        for grounding in piece.fields.get("vertex_ai_grounding_metadata") or ():
            yield from self._search(grounding)
        for annotation in piece.fields.get("annotations") or ():
            yield from self._annotation(annotation)
        for call in piece.fields.get("tool_calls") or ():
            yield from self._call(call)

    def finish(self) -> Iterator[Event]:
        """The events after the last piece; raises `UpstreamFault` if the model had not finished."""
        if self._finish is None:
            raise errors.UpstreamFault("Vertex AI ended the stream before the model had finished.")
        if self._kept:
            yield from self._item("reasoning")
        yield from self._close()
        for call in self._calls.values():
            yield from self._close_call(call)
        reason = INCOMPLETE.get(self._finish)
        status = "incomplete" if reason else "completed"
        self.response["status"] = status
        self.response["incomplete_details"] = {"reason": reason} if reason else None
        self.response["usage"] = _usage(self._usage)
        self.response["completed_at"] = None if reason else int(time.time())
        yield self._event(f"response.{status}", response=self.response)

    def failed(self, error: errors.ApiError) -> Iterator[Event]:
        """The last events of a response that broke off."""
        code = error.code if error.code == "rate_limit_exceeded" else "server_error"
        self.response["status"] = "failed"
        self.response["error"] = {"code": code, "message": error.message}
        yield self._event("error", code=error.code, message=error.message, param=error.param)
        yield self._event("response.failed", response=self.response)

    def _keep(self, key: str, value: Any) -> None:
        self._kept[key] = self._kept[key] + value if isinstance(value, list) and key in self._kept else value

    def _item(self, kind: str) -> Iterator[Event]:
        """Make sure that an item of `kind` is open."""
        if self._open and self._open.value["type"] == kind:
            return
        yield from self._close()
        if kind == "reasoning":
            value: JSON = {"id": _new_id("rs"), "type": kind, "summary": [], "encrypted_content": None}
        else:
            value = {"id": _new_id("msg"), "type": kind, "role": "assistant", "content": []}
        self._open = self._added(value | {"status": "in_progress"})
        yield self._item_event("added", self._open)

    def _added(self, value: JSON) -> _Item:
        self.response["output"].append(value)
        return _Item(len(self.response["output"]) - 1, value)

    def _summary(self, text: str) -> Iterator[Event]:
        item = self._opened()
        if not item.value["summary"]:
            item.value["summary"].append({"type": "summary_text", "text": ""})
            yield self._in(item, "reasoning_summary_part.added", summary_index=0, part=_EMPTY_SUMMARY)
        item.value["summary"][0]["text"] += text
        yield self._in(item, "reasoning_summary_text.delta", summary_index=0, delta=text)

    def _text(self, kind: str, text: str, piece: Delta) -> Iterator[Event]:
        """Text of a message, or its refusal: each a part of the content, the one after the other."""
        item = self._opened()
        parts = item.value["content"]
        if not parts or parts[-1]["type"] != kind:
            yield from self._close_part(item)
            parts.append(_part(kind))
            yield self._in(item, "content_part.added", content_index=len(parts) - 1, part=parts[-1])
        place = {"content_index": len(parts) - 1, "delta": text}
        if kind == "refusal":
            parts[-1]["refusal"] += text
            yield self._in(item, "refusal.delta", **place)
            return
        logprobs = _logprobs(piece)
        parts[-1]["text"] += text
        parts[-1]["logprobs"] += logprobs
        yield self._in(item, "output_text.delta", logprobs=logprobs, **place)

    def _annotation(self, annotation: JSON) -> Iterator[Event]:
        """A citation of the chat form, in the last text of a message."""
        yield from self._item("message")
        item = self._opened()
        if not item.value["content"]:
            yield from self._text("output_text", "", Delta(0, {}))
        part = item.value["content"][-1]
        if part["type"] != "output_text":
            return
        cited = {"type": "url_citation", **(annotation.get("url_citation") or {})}
        part["annotations"].append(cited)
        place = {
            "content_index": len(item.value["content"]) - 1,
            "annotation_index": len(part["annotations"]) - 1,
        }
        yield self._in(item, "output_text.annotation.added", annotation=cited, **place)

    def _search(self, grounding: JSON) -> Iterator[Event]:
        """A search that Google made. It is told when it is over, beside the message that it was for."""
        queries = grounding.get("webSearchQueries")
        if not queries:
            return
        found = [chunk.get("web") or {} for chunk in grounding.get("groundingChunks") or ()]
        sources = [{"type": "url", "url": web["uri"]} for web in found if "uri" in web]
        action = {"type": "search", "query": queries[0], "queries": queries, "sources": sources}
        call = {"id": _new_id("ws"), "type": "web_search_call", "action": action, "status": "in_progress"}
        item = self._added(call)
        yield self._item_event("added", item)
        for step in ("in_progress", "searching", "completed"):
            yield self._in(item, f"web_search_call.{step}")
        yield from self._done(item)

    def _call(self, call: JSON) -> Iterator[Event]:
        """A piece of a tool call. Calls may grow side by side, so they end together."""
        function = call["function"]
        item = self._calls.get(call["index"])
        if item is None:
            yield from self._close()
            item = self._calls[call["index"]] = self._added(self._new_call(call["id"], function["name"]))
            yield self._item_event("added", item)
        if (piece := function.get("arguments")) and item.value["type"] == "function_call":
            item.value["arguments"] += piece
            yield self._in(item, "function_call_arguments.delta", delta=piece)
        elif piece:  # JSON around the text that a custom tool takes: told when it is whole
            item.value["input"] += piece

    def _new_call(self, identity: str, name: str) -> JSON:
        call: JSON = {"call_id": identity, "name": name, "status": "in_progress"}
        offer = self._offered.get(name)
        if offer and offer.namespace:
            call |= {"name": offer.tool["name"], "namespace": offer.namespace}
        if offer and offer.tool.get("type") == "custom":
            return {"id": _new_id("ctc"), "type": "custom_tool_call", "input": "", **call}
        return {"id": _new_id("fc"), "type": "function_call", "arguments": "", **call}

    def _close_call(self, item: _Item) -> Iterator[Event]:
        if item.value["type"] == "function_call":
            yield self._in(item, "function_call_arguments.done", **_some(item.value, "name", "arguments"))
        else:
            item.value["input"] = _custom_input(item.value["input"])
            yield self._in(item, "custom_tool_call_input.delta", delta=item.value["input"])
            yield self._in(item, "custom_tool_call_input.done", input=item.value["input"])
        yield from self._done(item)

    def _close(self) -> Iterator[Event]:
        """End the open item."""
        if (item := self._open) is None:
            return
        self._open = None
        if item.value["type"] == "reasoning":
            if item.value["summary"]:
                part = item.value["summary"][0]
                yield self._in(item, "reasoning_summary_text.done", summary_index=0, text=part["text"])
                yield self._in(item, "reasoning_summary_part.done", summary_index=0, part=part)
            item.value["encrypted_content"] = input_items.seal(self._kept) if self._kept else None
            self._kept = {}
        else:
            yield from self._close_part(item)
        yield from self._done(item)

    def _close_part(self, item: _Item) -> Iterator[Event]:
        if not item.value["content"]:
            return
        part, index = item.value["content"][-1], len(item.value["content"]) - 1
        if part["type"] == "refusal":
            yield self._in(item, "refusal.done", content_index=index, refusal=part["refusal"])
        else:
            said = _some(part, "text", "logprobs")
            yield self._in(item, "output_text.done", content_index=index, **said)
        yield self._in(item, "content_part.done", content_index=index, part=part)

    def _done(self, item: _Item) -> Iterator[Event]:
        item.value["status"] = "completed"
        yield self._item_event("done", item)

    def _opened(self) -> _Item:
        if self._open is None:
            raise AssertionError("an item is opened before it is written to")
        return self._open

    def _in(self, item: _Item, kind: str, **fields: Any) -> Event:
        where = {"item_id": item.value["id"], "output_index": item.place}
        return self._event(f"response.{kind}", **where, **fields)

    def _item_event(self, kind: str, item: _Item) -> Event:
        return self._event(f"response.output_item.{kind}", output_index=item.place, item=item.value)

    def _event(self, kind: str, **fields: Any) -> Event:
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return event


def _part(kind: str) -> JSON:
    if kind == "refusal":
        return {"type": "refusal", "refusal": ""}
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _logprobs(piece: Delta) -> list[JSON]:
    found: list[JSON] = (piece.logprobs or {}).get("content") or []
    return found


def _custom_input(written: str) -> str:
    """The text in the arguments of a custom tool; all of them where they are not the JSON they should be."""
    try:
        given = msgspec.json.decode(written)
    except (ValueError, RecursionError):
        return written
    text = given.get("input") if isinstance(given, dict) else None
    return text if isinstance(text, str) else written


def _usage(usages: dict[int, Usage]) -> JSON:
    counted = usage(usages.values())
    prompt, completion = (
        counted.get("prompt_tokens_details", {}),
        counted.get("completion_tokens_details", {}),
    )
    return {
        "input_tokens": counted["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": prompt.get("cached_tokens", 0),
            "cache_write_tokens": prompt.get("cache_write_tokens", 0),
        },
        "output_tokens": counted["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": completion.get("reasoning_tokens", 0)},
        "total_tokens": counted["total_tokens"],
    }


def _some(value: JSON, *keys: str) -> JSON:
    return {key: value[key] for key in keys}


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"
