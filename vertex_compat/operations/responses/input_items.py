"""Input items of the Responses API as messages of the chat API.

A turn of a model comes back as several items (reasoning, message, calls); in chat it is one message. What a
model needs back unchanged is in the `encrypted_content` of reasoning items: see `opaque_state`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import items, member, text
from vertex_compat.operations.chat import custom_tools
from vertex_compat.operations.opaque_state import decode_state
from vertex_compat.operations.request import body
from vertex_compat.operations.responses.tools import OfferedTools, in_namespace
from vertex_compat.types import JSON

SUMMARY: Final = "summary"
"""Key of the text in the state of a `compaction` item."""

_SUMMARY: Final = "Summary of the conversation so far:\n{}"

_SKIPPED: Final = frozenset(
    {
        "additional_tools",
        "configuration_update",
        "file_search_call",
        "mcp_list_tools",
        "web_search_call",
    }
)
"""Items that become no message: their tools are defined, or their results are in the model's text."""

_SERVER_CALLS: Final = frozenset({"code_interpreter_call", "mcp_call"})
"""Items of calls that OpenAI's servers made, and that hold the results too."""

_REFUSED: Final = {
    "item_reference": "Items are not stored: send the item itself instead of a reference to it.",
}
"""Type of an item → why it is refused."""


class ItemReader:
    """Reads items in their order into `messages`.

    `origins` has the client's name for each part of the messages, `ignored` what no model here can read.
    """

    def __init__(self, toolset: OfferedTools) -> None:
        self.messages: list[JSON] = []
        self.origins: dict[str, str] = {}
        self.ignored: list[str] = []
        self._toolset = toolset
        self._turn: JSON = {}  # the assistant message that is being assembled

    def read(self, item: JSON, param: str) -> None:
        """Read one item; raises `BadRequest` for one that has no counterpart."""
        item = body.drop_nulls(item)
        kind = text(item.get("type")) or "message"
        if kind == "message" and item.get("role") == "assistant":
            self._add_content(item.get("content", ""), param)
        elif kind == "message":
            content = _text_or_parts(item.get("content", ""), f"{param}.content")
            self.add({"role": item.get("role"), "content": content}, param, "content")
        elif kind == "reasoning":
            self._add_reasoning(item)
        elif kind == "compaction":
            self._add_summary(item, param)
        elif call := _call(kind, item, self._toolset):
            self._add_call(item, *call, param)
        elif kind in _SERVER_CALLS:
            self._add_server_call(item, param)
        elif kind == "image_generation_call":
            self._add_image(item, param)
        elif read_output := _OUTPUTS.get(kind):
            self._add_output(item, read_output(item, f"{param}.output"), param)
        elif kind not in _SKIPPED and item.get("execution") != "server":
            reason = _REFUSED.get(kind) or f"An input item of type {kind!r} has no counterpart here."
            raise errors.BadRequest(reason, param=param, code="unsupported_value")

    def finish(self) -> None:
        """Add the assistant message that is being assembled, if there is one."""
        if self._turn:
            self.messages.append({"role": "assistant", **self._turn})
            self._turn = {}

    def add(self, message: JSON, param: str, content: str | None = None) -> None:
        """Add a message that is one item or text; `content` is the item's name for its content."""
        self.finish()
        path = f"messages[{len(self.messages)}]"
        origin = f"{param}.{content}" if content else param
        self.origins |= {path: param, f"{path}.content": origin}
        if isinstance(message["content"], list):
            self._name_parts(f"{path}.content", origin, len(message["content"]))
        self.messages.append(message)

    def _name_parts(self, path: str, param: str, count: int, first: int = 0) -> None:
        self.origins |= {f"{path}[{first + number}]": f"{param}[{number}]" for number in range(count)}

    def _add_content(self, content: Any, param: str) -> None:
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else None
        parts = parts or list(_parts(content, f"{param}.content"))
        before = self._turn.setdefault("content", [])
        path = f"messages[{len(self.messages)}].content"
        self._name_parts(path, f"{param}.content", len(parts), len(before))
        before += parts

    def _add_reasoning(self, item: JSON) -> None:
        """Add the state in an item, or the text of one whose model has no other state."""
        state = decode_state(item.get("encrypted_content"))
        if not state and not item.get("encrypted_content"):
            texts = [
                text(part.get("text")) for part in items(item.get("content")) or items(item.get("summary"))
            ]
            state = {"reasoning_content": "".join(texts)} if any(texts) else {}
        for key, value in state.items():
            before = self._turn.get(key)
            are_lists_or_texts = (isinstance(before, list) and isinstance(value, list)) or (
                isinstance(before, str) and isinstance(value, str)
            )
            self._turn[key] = before + value if are_lists_or_texts else value

    def _add_summary(self, item: JSON, param: str) -> None:
        """Add the summary in a `compaction` item; another server's can be read by that server only."""
        if summary := text(decode_state(item.get("encrypted_content")).get(SUMMARY)):
            self.add({"role": "user", "content": _SUMMARY.format(summary)}, param, "encrypted_content")
        else:
            self.ignored.append("input.compaction")

    def _add_call(self, item: JSON, name: str, arguments: Any, param: str) -> None:
        if not name:
            raise errors.missing_parameter(f"{param}.name")
        calls = self._turn.setdefault("tool_calls", [])
        path = f"messages[{len(self.messages)}].tool_calls[{len(calls)}]"
        self.origins |= {path: param, f"{path}.function.arguments": f"{param}.arguments"}
        self.origins[f"{path}.function.name"] = f"{param}.name"
        function = {"name": name, "arguments": arguments}
        calls.append({"id": item.get("call_id"), "type": "function", "function": function})

    def _add_server_call(self, item: JSON, param: str) -> None:
        """Add a call that OpenAI's servers made, with its result."""
        id_ = text(item.get("id")) or param
        name, arguments, output = _server_call(item)
        if any(text(output.get("url")).startswith("http") for output in items(item.get("outputs"))):
            self.ignored.append("input.outputs.url")
        self._add_call({"call_id": id_}, name, arguments, param)
        self.add({"role": "tool", "tool_call_id": id_, "content": output}, param)

    def _add_image(self, item: JSON, param: str) -> None:
        """Add an image that the model drew; one that failed has no `result`."""
        if not (data := text(item.get("result"))):
            return
        images = self._turn.setdefault("images", [])
        self.origins[f"messages[{len(self.messages)}].images[{len(images)}]"] = f"{param}.result"
        url = f"data:image/{text(item.get('output_format')) or 'png'};base64,{data}"
        extra = {"extra_content": item["extra_content"]} if item.get("extra_content") else {}
        images.append({"type": "image_url", "image_url": {"url": url}, **extra})

    def _add_output(self, item: JSON, content: str | list[JSON], param: str) -> None:
        # The output of a local shell has the id of its call in `id`.
        id_ = item.get("call_id") or (item.get("id") if item["type"] == "local_shell_call_output" else None)
        message: JSON = {"role": "tool", "tool_call_id": id_ or "", "content": content}
        if not id_ and (name := text(item.get("name"))):
            message["name"] = in_namespace(item.get("namespace"), name)
        self.add(message, param, "output")
        self.origins[f"messages[{len(self.messages) - 1}].tool_call_id"] = f"{param}.call_id"


def _call(kind: str, item: JSON, toolset: OfferedTools) -> tuple[str, Any] | None:
    """Return the function's name and the arguments of an item that is a call."""
    match kind:
        case "function_call":
            return in_namespace(item.get("namespace"), text(item.get("name"))), item.get("arguments", "")
        case "custom_tool_call":
            arguments = custom_tools.arguments(text(item.get("input")))
            return in_namespace(item.get("namespace"), text(item.get("name"))), arguments
        case "tool_search_call" if item.get("execution") != "server":
            return toolset.name_of("tool_search"), _encode(item.get("arguments"))
        case "local_shell_call":
            action = {name: value for name, value in member(item, "action").items() if name != "type"}
            return toolset.name_of("local_shell"), _encode(body.drop_nulls(action))
        case "shell_call":
            return toolset.name_of("shell"), _encode(body.drop_nulls(member(item, "action")))
        case "apply_patch_call":
            return toolset.name_of("apply_patch"), _encode(member(item, "operation"))
    return None


def _server_call(item: JSON) -> tuple[str, str, str | list[JSON]]:
    """Return name, arguments and output of a server's call.

    Images that it links to are private.
    """
    if item["type"] == "mcp_call":
        name = in_namespace(text(item.get("server_label")), text(item.get("name")))
        return name, _encode(item.get("arguments")), _encode(item.get("output") or item.get("error"))
    outputs = items(item.get("outputs"))
    logs = "\n".join(filter(None, (text(output.get("logs")) for output in outputs)))
    urls = [url for output in outputs if (url := text(output.get("url"))).startswith("data:")]
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content: str | list[JSON] = [{"type": "text", "text": logs}, *images] if images else logs
    return "code_interpreter", _encode({"code": text(item.get("code"))}), content


def _encode(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value or {}).decode()


def _function_output(item: JSON, param: str) -> str | list[JSON]:
    return _text_or_parts(item.get("output", ""), param)


def _shell_output(item: JSON, _: str) -> str:
    return _encode(item.get("output", ""))


def _patch_output(item: JSON, _: str) -> str:
    return ": ".join(filter(None, [text(item.get("status")), text(item.get("output"))])) or "completed"


def _found_tools(item: JSON, _: str) -> str:
    """Return what a search has found: the names of the tools that are offered from now on."""
    names = [
        in_namespace(text(tool.get("name")) if inner is not tool else None, text(inner.get("name")))
        for tool in items(item.get("tools"))
        for inner in (items(tool.get("tools")) if tool.get("type") == "namespace" else [tool])
    ]
    return f"These tools can be called now: {', '.join(names) or 'none'}."


_OUTPUTS: Final[Mapping[str, Callable[[JSON, str], str | list[JSON]]]] = {
    "apply_patch_call_output": _patch_output,
    "custom_tool_call_output": _function_output,
    "function_call_output": _function_output,
    "local_shell_call_output": _shell_output,
    "shell_call_output": _shell_output,
    "tool_search_output": _found_tools,
}
"""Type of an item with the output of a call → its content for the model."""


def _text_or_parts(content: Any, param: str) -> str | list[JSON]:
    return content if isinstance(content, str) else list(_parts(content, param))


def _parts(content: Any, param: str) -> Iterator[JSON]:
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise errors.BadRequest(
            f"Invalid value for '{param}': expected a text or a list of parts.", param=param
        )
    for number, part in enumerate(content):
        match part.get("type"):
            case "input_text" | "output_text" | "text":
                yield {"type": "text", "text": part.get("text")}
            case "refusal":
                yield {"type": "refusal", "refusal": part.get("refusal")}
            case "input_image":
                url = part.get("image_url") or part.get("file_id")
                image = {"url": url, "detail": part.get("detail"), "format": part.get("format")}
                yield {"type": "image_url", "image_url": body.drop_nulls(image)}
            case "input_file":
                source = part.get("file_url") or part.get("file_id")
                file = {
                    "file_data": part.get("file_data"),
                    "file_id": source,
                    "filename": part.get("filename"),
                    "format": part.get("format"),
                }
                yield {"type": "file", "file": body.drop_nulls(file)}
            case "input_audio":
                yield {"type": "input_audio", "input_audio": part.get("input_audio")}
            case kind:
                reason = f"Content of type {kind!r} has no counterpart here."
                raise errors.BadRequest(reason, param=f"{param}[{number}]", code="unsupported_value")
