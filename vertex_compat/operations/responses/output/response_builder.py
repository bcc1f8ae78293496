"""Parts of a model's response → items of the Responses API, and the events that stream them.

One builder makes both: the whole response is the last state of the streamed one, so the two cannot differ.
https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Unpack, cast

import msgspec

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.operations.chat import custom_tools
from vertex_compat.operations.chat.chat import tier_field, usage
from vertex_compat.operations.opaque_state import encode_state
from vertex_compat.operations.responses import tools
from vertex_compat.operations.responses.output import server_items
from vertex_compat.operations.stored.stored_items import item_id
from vertex_compat.types import JSON, CodeExecution, Delta, DeltaFields, StreamPart, ToolCallDelta, Usage

if TYPE_CHECKING:
    from vertex_compat.operations.responses.file_search import FileSearch
    from vertex_compat.operations.responses.output import answer_types as wire

ECHOED: Final[wire.EchoedParams] = {
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
"""Parameters that a response repeats, with their values if the request does not set them."""

INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}

STATE_FIELDS: Final = ("thinking_blocks", "extra_content")
"""Fields of a delta that a model needs back unchanged: see `opaque_state`."""

_TEXT_DELTA: Final = "response.output_text.delta"
_EMPTY_SUMMARY: Final[wire.Summary] = {"type": "summary_text", "text": ""}


_encode = msgspec.json.Encoder().encode


class _Item(NamedTuple):
    output_index: int
    value: Any
    """An `answer_types.OutputItem`."""


class _GrowingText(NamedTuple):
    """A text in an item that is still streamed; `target[name]` is set when it is complete.

    Appending to a string in an object copies the string for each delta. `event_start` is the start of all
    events that continue a message's text, up to the sequence number; it is empty for another text.
    """

    target: JSON
    name: str
    deltas: list[str]
    event_start: bytes

    def write(self) -> None:
        """Set the field to the text so far."""
        self.target[self.name] = "".join(self.deltas)


class _Call(msgspec.Struct):
    """A tool call; its item is made at the end where it depends on all of the arguments."""

    id: str
    name: str
    arguments: list[str] = msgspec.field(default_factory=list)
    item: _Item | None = None


class ResponseBuilder:
    """Builds one response, whose items have ids with its `token`."""

    def __init__(self, params: JSON, searched: FileSearch | None = None, token: str | None = None) -> None:
        self._token = token or new_token()
        self._numbers = itertools.count()
        self._searched = searched
        self._functions = tools.read(params).functions
        self._sequence = 0
        self._open: _Item | None = None
        self._image_item: _Item | None = None
        self._text: _GrowingText | None = None
        self._length = 0  # of all text of the answer so far
        self._offset = 0  # of the last text part in that text
        self._calls: dict[int, _Call] = {}
        self._state: JSON = {}
        self._finish: str | None = None
        self._usage: dict[int, Usage] = {}
        self.response: wire.Response = {
            "id": f"resp_{self._token}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": params["model"],
            "output": [],
            "previous_response_id": None,
            "store": False,
            "usage": None,
            **_echoed(params),
        }

    def _new_id(self, prefix: str) -> str:
        return item_id(prefix, self._token, next(self._numbers))

    def start(self) -> Iterator[wire.Event]:
        """Yield the events before the first item."""
        yield self._event("response.created", response=self.response)
        yield self._event("response.in_progress", response=self.response)
        if self._searched:
            yield from self._server_item(self._searched.item)

    def add(self, number: int, part: StreamPart) -> Iterator[wire.Event]:
        """Yield the events of one part of upstream response `number`."""
        if isinstance(part, Usage):
            self._usage[number] = part
            return
        self._finish = part.finish_reason or self._finish
        for key in STATE_FIELDS:
            if key in part.fields:
                self._add_state(key, part.fields[key])
        if reasoning := part.fields.get("reasoning_content"):
            yield from self._item("reasoning")
            yield from self._add_summary(reasoning)
        text = part.fields.get("content")
        if part.code_execution:
            yield from self._run_code(part.code_execution)
        elif text:
            yield from self._item("message")
            yield from self._add_text("output_text", text, part)
        self._length += len(text or "")
        if refusal := part.fields.get("refusal"):
            yield from self._item("message")
            yield from self._add_text("refusal", refusal, part)
        yield from self._images(part.fields)
        for grounding in part.fields.get("vertex_ai_grounding_metadata") or ():
            yield from self._search(grounding)
        for annotation in part.fields.get("annotations") or ():
            yield from self._annotation(annotation)
        for call in part.fields.get("tool_calls") or ():
            yield from self._call(call)

    def continue_text(self, delta: str) -> bytes | None:
        """Return the event for more text of the open message, encoded; None if no text is open.

        `add` would yield the same event, at a multiple of the cost.
        """
        text = self._text
        if text is None or not text.event_start:
            return None
        text.deltas.append(delta)
        self._length += len(delta)
        self._sequence += 1
        number = _encode(self._sequence - 1)
        return b"".join((text.event_start, number, b',"delta":', _encode(delta), b"}\n\n"))

    def finish(self) -> Iterator[wire.Event]:
        """Yield the events after the last part.

        Raises `UpstreamFault` if the model had not finished.
        """
        if self._finish is None:
            raise errors.unfinished_response()
        if self._state:
            yield from self._item("reasoning")
        yield from self._close()
        yield from self._end_image(None)
        for call in self._calls.values():
            yield from self._close_call(call)
        reason = INCOMPLETE.get(self._finish)
        status: wire.Status = "incomplete" if reason else "completed"
        self.response["status"] = status
        self.response["incomplete_details"] = {"reason": reason} if reason else None
        self.response["usage"] = usage_object(self._usage)
        tier = tier_field(self._usage.values()).get("service_tier")
        if tier or self.response["service_tier"]:  # the tier that served the request, not the requested one
            self.response["service_tier"] = tier or "default"
        self.response["completed_at"] = None if reason else int(time.time())
        yield self._event(f"response.{status}", response=self.response)

    def failed(self, error: errors.ApiError) -> Iterator[wire.Event]:
        """Yield the last events of a response that ended with an error."""
        self._write_text()
        for call in self._calls.values():
            if call.item and call.item.value["type"] == "function_call":
                call.item.value["arguments"] = "".join(call.arguments)
        code = error.code if error.code == "rate_limit_exceeded" else "server_error"
        self.response["status"] = "failed"
        self.response["error"] = {"code": code, "message": error.message}
        yield self._event("error", code=error.code, message=error.message, param=error.param)
        yield self._event("response.failed", response=self.response)

    def _add_state(self, key: str, value: Any) -> None:
        before = self._state.get(key)
        self._state[key] = before + value if before and isinstance(value, list) else value

    def _item(self, kind: str) -> Iterator[wire.Event]:
        """Open an item of `kind`, unless one is open."""
        if self._open and self._open.value["type"] == kind:
            return
        yield from self._close()
        if kind == "reasoning":
            self._open = self._add(_reasoning(self._new_id("rs")))
        else:
            self._open = self._add(_message(self._new_id("msg")))
        yield self._item_event("added", self._open)

    def _add(self, value: wire.OutputItem) -> _Item:
        self.response["output"].append(value)
        return _Item(len(self.response["output"]) - 1, value)

    def _add_summary(self, text: str) -> Iterator[wire.Event]:
        item = self._open_message()
        if not item.value["summary"]:
            item.value["summary"].append({"type": "summary_text", "text": ""})
            yield self._in(item, "reasoning_summary_part.added", summary_index=0, part=_EMPTY_SUMMARY)
        self._append(item.value["summary"][0], "text", text)
        yield self._in(item, "reasoning_summary_text.delta", summary_index=0, delta=text)

    def _append(self, target: JSON, name: str, delta: str, position: JSON | None = None) -> None:
        """Append to a text of the open item.

        `position` has the fields of all events that continue it, if they may take the short way.
        """
        if self._text is None or self._text.target is not target:
            event_start = _event_start(position) if position else b""
            self._text = _GrowingText(target, name, [], event_start)
        self._text.deltas.append(delta)

    def _write_text(self) -> None:
        """Write the text that has been streamed into its item."""
        if self._text:
            self._text.write()
            self._text = None

    def _add_text(self, kind: str, text: str, part: Delta) -> Iterator[wire.Event]:
        """Text or refusal of a message: consecutive parts of its content."""
        item = self._open_message()
        parts = item.value["content"]
        if not parts or parts[-1]["type"] != kind:
            yield from self._close_part(item)
            parts.append(_part(kind))
            self._offset = self._length
            yield self._in(item, "content_part.added", content_index=len(parts) - 1, part=parts[-1])
        position = _position(item) | {"content_index": len(parts) - 1}
        if kind == "refusal":
            self._append(parts[-1], "refusal", text)
            yield self._event("response.refusal.delta", **position, delta=text)
            return
        logprobs = _logprobs(part)
        self._append(parts[-1], "text", text, {"type": _TEXT_DELTA, **position, "logprobs": []})
        parts[-1]["logprobs"] += logprobs
        yield self._event(_TEXT_DELTA, **position, logprobs=logprobs, delta=text)

    def _annotation(self, annotation: JSON) -> Iterator[wire.Event]:
        """A citation in the form of chat, added to the last text of a message.

        Chat counts its `start_index` and `end_index` from the beginning of the answer.
        """
        yield from self._item("message")
        item = self._open_message()
        if not item.value["content"]:
            yield from self._add_text("output_text", "", Delta(0, {}))
        if item.value["content"][-1]["type"] == "output_text":
            citation = {"type": "url_citation", **(annotation.get("url_citation") or {})}
            for name in {"start_index", "end_index"} & citation.keys():
                citation[name] = max(0, citation[name] - self._offset)
            yield self._add_annotation(item, citation)

    def _add_annotation(self, item: _Item, cited: JSON) -> wire.Event:
        """Add an annotation to the last part of a message."""
        part = item.value["content"][-1]
        part["annotations"].append(cited)
        return self._in(
            item,
            "output_text.annotation.added",
            annotation=cited,
            content_index=len(item.value["content"]) - 1,
            annotation_index=len(part["annotations"]) - 1,
        )

    def _search(self, grounding: JSON) -> Iterator[wire.Event]:
        """A search that Google has made; its item follows the message that it was for."""
        if call := server_items.web_search_call(self._new_id("ws"), grounding):
            yield from self._server_item(call)

    def _images(self, fields: DeltaFields) -> Iterator[wire.Event]:
        for image in fields.get("partial_images") or ():
            yield from self._partial_image(image)
        for image in fields.get("images") or ():
            yield from self._image(image)

    def _image(self, image: JSON) -> Iterator[wire.Event]:
        """An image: drawn by code, or by the model; one that is a link is text."""
        if self._open and self._open.value["type"] == "code_interpreter_call":
            server_items.add_image(self._open.value, image)
        elif server_items.image_data(image):
            yield from self._close()
            yield from self._begin_image()
            yield from self._end_image(image)
        else:
            yield from self._item("message")
            yield from self._add_text("output_text", f"![image]({image['image_url']['url']})", Delta(0, {}))

    def _partial_image(self, image: JSON) -> Iterator[wire.Event]:
        """A draft of an image. Thoughts may follow it, so its item stays open beside theirs."""
        if (drawn := server_items.image_data(image)) is None:
            return
        yield from self._begin_image()
        if self._image_item:
            yield self._in(
                self._image_item,
                "image_generation_call.partial_image",
                partial_image_b64=drawn[1],
                partial_image_index=image["index"],
                output_format=drawn[0],
            )

    def _begin_image(self) -> Iterator[wire.Event]:
        """Open the item of an image, unless one is open."""
        if self._image_item:
            return
        self._image_item = item = self._add(server_items.image_generation_call(self._new_id("ig")))
        yield self._item_event("added", item)
        for step in ("in_progress", "generating"):
            yield self._in(item, f"image_generation_call.{step}")

    def _end_image(self, image: JSON | None) -> Iterator[wire.Event]:
        """Close the item of an image; without the image, it has failed."""
        if (item := self._image_item) is None:
            return
        self._image_item = None
        if image is None:
            item.value["status"] = "failed"
        else:
            server_items.set_result(item.value, image)
            yield self._in(item, "image_generation_call.completed")
        yield from self._done(item)

    def _run_code(self, execution: CodeExecution) -> Iterator[wire.Event]:
        """Code that the publisher ran, or its output; the item stays open for more output."""
        is_open = self._open is not None and self._open.value["type"] == "code_interpreter_call"
        if execution.code is not None or not is_open:
            yield from self._close()
            yield from self._code(execution.code or "")
        if execution.output is not None:
            server_items.add_output(self._open_message().value, execution)

    def _code(self, code: str) -> Iterator[wire.Event]:
        item = self._add(server_items.code_interpreter_call(self._new_id("ci"), f"cntr_{self._token}"))
        self._open = item
        yield self._item_event("added", item)
        yield self._in(item, "code_interpreter_call.in_progress")
        item.value["code"] = code
        yield self._in(item, "code_interpreter_call_code.delta", delta=code)
        yield self._in(item, "code_interpreter_call_code.done", code=code)
        yield self._in(item, "code_interpreter_call.interpreting")

    def _server_item(self, value: wire.ServerItem) -> Iterator[wire.Event]:
        """An item that is complete, with the events of its work."""
        item = self._add(value)
        yield self._item_event("added", item)
        for step in server_items.STEPS[value["type"]]:
            yield self._in(item, f"{value['type']}.{step}")
        yield from self._done(item)

    def _call(self, call: ToolCallDelta) -> Iterator[wire.Event]:
        """Part of a tool call. Several calls may be streamed in parallel, so all end together."""
        function = call["function"]
        state = self._calls.get(call["index"])
        if state is None:
            yield from self._close()
            state = self._calls[call["index"]] = _Call(call["id"], function["name"])
            if tools.is_streamed(self._functions.get(state.name)):
                state.item = self._add(self._call_item(state))
                yield self._item_event("added", state.item)
        if arguments := function.get("arguments"):
            state.arguments.append(arguments)
            if state.item and state.item.value["type"] == "function_call":
                yield self._in(state.item, "function_call_arguments.delta", delta=arguments)

    def _call_item(self, call: _Call) -> wire.ResponseFunctionToolCall | wire.ResponseCustomToolCall:
        """The item of a call whose arguments have not come yet."""
        name: wire.CallName = {"call_id": call.id, "name": call.name}
        tool = self._functions.get(call.name)
        if tool and tool.namespace:
            name = {**name, "name": tool.definition["name"], "namespace": tool.namespace}
        if tool and tool.kind == "custom":
            return {
                "id": self._new_id("ctc"),
                "type": "custom_tool_call",
                "input": "",
                **name,
                "status": "in_progress",
            }
        return {
            "id": self._new_id("fc"),
            "type": "function_call",
            "arguments": "",
            **name,
            "status": "in_progress",
        }

    def _close_call(self, call: _Call) -> Iterator[wire.Event]:
        arguments = "".join(call.arguments)
        item = call.item
        if item is None:
            tool = self._functions[call.name]
            value = tools.client_call(tool, call.id, arguments)
            if value is None:  # arguments that the tool's item cannot hold
                value = {**self._call_item(call), "arguments": arguments}
            item = self._add({"id": self._new_id("call"), **value, "status": "in_progress"})
            yield self._item_event("added", item)
        if item.value["type"] == "function_call":
            item.value["arguments"] = arguments
            yield self._in(item, "function_call_arguments.done", name=item.value["name"], arguments=arguments)
        elif item.value["type"] == "custom_tool_call":
            item.value["input"] = custom_tools.input_of(arguments)
            yield self._in(item, "custom_tool_call_input.delta", delta=item.value["input"])
            yield self._in(item, "custom_tool_call_input.done", input=item.value["input"])
        yield from self._done(item)

    def _close(self) -> Iterator[wire.Event]:
        """Close the open item."""
        if (item := self._open) is None:
            return
        self._open = None
        if item.value["type"] == "reasoning":
            self._write_text()
            if item.value["summary"]:
                part = item.value["summary"][0]
                yield self._in(item, "reasoning_summary_text.done", summary_index=0, text=part["text"])
                yield self._in(item, "reasoning_summary_part.done", summary_index=0, part=part)
            item.value["encrypted_content"] = encode_state(self._state) if self._state else None
            self._state = {}
        elif item.value["type"] == "code_interpreter_call":
            yield self._in(item, "code_interpreter_call.completed")
        else:
            yield from self._close_part(item)
        yield from self._done(item)

    def _close_part(self, item: _Item) -> Iterator[wire.Event]:
        self._write_text()
        if not item.value["content"]:
            return
        part, index = item.value["content"][-1], len(item.value["content"]) - 1
        if part["type"] == "refusal":
            yield self._in(item, "refusal.done", content_index=index, refusal=part["refusal"])
        else:
            for cited in self._searched.citations(part["text"]) if self._searched else ():
                yield self._add_annotation(item, cited)
            yield self._in(
                item, "output_text.done", content_index=index, text=part["text"], logprobs=part["logprobs"]
            )
        yield self._in(item, "content_part.done", content_index=index, part=part)

    def _done(self, item: _Item) -> Iterator[wire.Event]:
        if item.value["status"] != "failed":
            item.value["status"] = "completed"
        yield self._item_event("done", item)

    def _open_message(self) -> _Item:
        if self._open is None:
            raise AssertionError("an item is opened before it is written to")
        return self._open

    def _in(self, item: _Item, kind: str, /, **fields: Unpack[wire.EventFields]) -> wire.Event:
        return self._event(f"response.{kind}", **_position(item), **fields)

    def _item_event(self, kind: str, item: _Item) -> wire.Event:
        return self._event(f"response.output_item.{kind}", output_index=item.output_index, item=item.value)

    def _event(self, kind: str, **fields: Unpack[wire.EventFields]) -> wire.Event:
        event: wire.Event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return event


def _event_start(position: JSON) -> bytes:
    """Return an event with more text, encoded, up to its sequence number."""
    return b"event: %b\ndata: %b" % (_TEXT_DELTA.encode(), _encode(position)[:-1]) + b',"sequence_number":'


def _position(item: _Item) -> JSON:
    return {"item_id": item.value["id"], "output_index": item.output_index}


def _echoed(params: JSON) -> wire.EchoedParams:
    fields = {name: params.get(name, default) for name, default in ECHOED.items()}
    return cast("wire.EchoedParams", fields)


def _reasoning(id_: str) -> wire.ResponseReasoningItem:
    return {
        "id": id_,
        "type": "reasoning",
        "summary": [],
        "encrypted_content": None,
        "status": "in_progress",
    }


def _message(id_: str) -> wire.ResponseOutputMessage:
    return {"id": id_, "type": "message", "role": "assistant", "content": [], "status": "in_progress"}


def _part(kind: str) -> wire.ContentPart:
    if kind == "refusal":
        return {"type": "refusal", "refusal": ""}
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _logprobs(part: Delta) -> list[JSON]:
    logprobs: list[JSON] = (part.logprobs or {}).get("content") or []
    return logprobs


def usage_object(usages: dict[int, Usage]) -> wire.ResponseUsage:
    """Return the usage of the Responses API: the sum over the upstream responses."""
    counts = usage(usages.values())
    prompt, completion = (
        counts.get("prompt_tokens_details", {}),
        counts.get("completion_tokens_details", {}),
    )
    return {
        "input_tokens": counts["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": prompt.get("cached_tokens", 0),
            "cache_write_tokens": prompt.get("cache_write_tokens", 0),
        },
        "output_tokens": counts["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": completion.get("reasoning_tokens", 0)},
        "total_tokens": counts["total_tokens"],
    }
