"""A request of Anthropic's Messages API as a chat request, for models of other publishers.

Blocks become messages and parts of messages. Parameters that chat does not have are left out and named in
`x-vertex-compat-ignored`, or refused where the answer would be another than the one requested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import mapping
from vertex_compat.operations.messages import code_execution
from vertex_compat.operations.messages.code_execution import is_code_execution
from vertex_compat.operations.messages.input_tools import ToolReader, is_web_search
from vertex_compat.operations.messages.output_blocks import Display
from vertex_compat.operations.opaque_state import decode_id, decode_state
from vertex_compat.operations.request.chat_request import ChatRequest, ParamNames
from vertex_compat.types import JSON

SAME: Final = frozenset({"max_tokens", "stream", "temperature", "top_k", "top_p"})
"""Parameters that chat calls the same."""

TRANSLATED: Final = SAME | {
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "stop_sequences",
    "system",
    "thinking",
    "tool_choice",
    "tools",
}

ORIGINS: Final = {
    "messages.reasoning_content": "messages.content.thinking",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "response_format": "output_config.format",
    "stop": "stop_sequences",
    "tool_choice": "tool_choice",
    "user": "metadata.user_id",
}
"""Parameter of chat → what the client sent, where it has another name."""

EFFORT_OF_BUDGET: Final = ((1024, "low"), (2048, "medium"))
"""Largest budget of tokens → effort; more than all of them is `high`."""

_BILLING: Final = "x-anthropic-billing-header:"
"""Prefix of the system block with Claude Code's version, which is meant for Anthropic alone."""

_CITABLE: Final = frozenset({"document", "search_result"})
"""Blocks of which Claude can cite passages."""

_CODE_RESULTS: Final = frozenset(
    f"{kind}code_execution_tool_result" for kind in ("", "bash_", "text_editor_")
)

_OUTPUT_FIELDS: Final = frozenset({"effort", "format"})

_DOCUMENT: Final = '<document title="{}">\n{}\n</document>'


def chat_request(params: JSON) -> ChatRequest:
    """Translate a request that fits the schema; raises `BadRequest`."""
    if params.get("mcp_servers"):
        raise errors.BadRequest(
            "Only Anthropic's API connects to MCP servers: connect to them in the client, and send "
            "their tools in 'tools'.",
            param="mcp_servers",
            code="unsupported_parameter",
        )
    messages, tools = _MessageReader(), ToolReader()
    messages.read_system(params.get("system"))
    for number, message in enumerate(params["messages"]):
        messages.read(message, f"messages[{number}]")
    tools.read(params.get("tools") or [], params.get("tool_choice") or {})
    output = params.get("output_config") or {}
    body = {"model": params["model"], "messages": messages.messages}
    body |= {name: params[name] for name in SAME & params.keys()}
    body |= _options(params) | _thinking(params) | tools.fields
    effort = {"reasoning_effort": "output_config.effort" if output.get("effort") else "thinking"}
    names = ParamNames(ORIGINS | effort | tools.origins | messages.origins)
    ignored = [name for name in params if name not in TRANSLATED]
    ignored += [f"output_config.{name}" for name in output if name not in _OUTPUT_FIELDS]
    ignored += [*tools.ignored, *messages.ignored]
    return ChatRequest(body, names, tuple(dict.fromkeys(ignored)))


def _options(params: JSON) -> JSON:
    options: JSON = {}
    if stops := params.get("stop_sequences"):
        options["stop"] = stops
    if user := (params.get("metadata") or {}).get("user_id"):
        options["user"] = user
    format_ = (params.get("output_config") or {}).get("format") or params.get("output_format") or {}
    if format_.get("type") == "json_schema":
        schema = {"name": "output", "schema": format_.get("schema") or {}, "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    return options


def _thinking(params: JSON) -> JSON:
    """Return the effort and the budget.

    A budget also as an effort, for models that have no budgets.
    """
    thinking = params.get("thinking") or {}
    effort = (params.get("output_config") or {}).get("effort")
    match thinking.get("type"):
        case "disabled":
            return {"reasoning_effort": "none"}
        case "enabled" if budget := thinking.get("budget_tokens"):
            nearest = next((level for max_budget, level in EFFORT_OF_BUDGET if budget <= max_budget), "high")
            return {
                "thinking": {"type": "enabled", "budget_tokens": budget},
                "reasoning_effort": effort or nearest,
            }
        case "adaptive" | "enabled" | "between_tools" if not effort:
            return {"thinking": {"type": "adaptive"}}
    return {"reasoning_effort": effort} if effort else {}


def display(params: JSON) -> Display:
    """Return the client's settings.

    Without a request for thinking, it expects text in the first block.
    """
    thinking = params.get("thinking") or {}
    return Display(
        thinking=thinking.get("type") in {"enabled", "adaptive", "between_tools"},
        thoughts=thinking.get("display") != "omitted",
        search=any(is_web_search(tool) for tool in params.get("tools") or ()),
        code=any(is_code_execution(tool) for tool in params.get("tools") or ()),
    )


# Messages


class _MessageReader:
    """Collects the messages of chat, and where each of them and its parts come from."""

    def __init__(self) -> None:
        self.messages: list[JSON] = []
        self.origins: dict[str, str] = {}
        self.ignored: list[str] = []

    def read_system(self, system: str | list[JSON] | None) -> None:
        """Add the system prompt, without Claude Code's line for Anthropic's billing."""
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system or []
        parts = [
            ({"type": "text", "text": block["text"]}, f"system[{number}]")
            for number, block in enumerate(blocks)
            if not block["text"].startswith(_BILLING)
        ]
        self._add({"role": "system"}, parts, "system")

    def read(self, message: JSON, path: str) -> None:
        """Add one message of the client's: a message, and before it one for each tool result."""
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] == "assistant":
            self._read_assistant(blocks, path)
            return
        parts: list[tuple[JSON, str]] = []
        for number, block in enumerate(blocks):
            block_path = f"{path}.content[{number}]"
            if block["type"] in _CITABLE and (block.get("citations") or {}).get("enabled"):
                self.ignored.append("messages.citations")
            if block["type"] == "tool_result":
                self._read_result(block, block_path)
            else:
                parts += [(part, block_path) for part in _parts(block, block_path)]
        self._add({"role": message["role"]}, parts, path)

    def _read_result(self, block: JSON, path: str) -> None:
        content = block.get("content")
        blocks = [{"type": "text", "text": content or ""}] if not isinstance(content, list) else content
        parts = [
            (part, f"{path}.content[{number}]")
            for number, inner in enumerate(blocks)
            for part in _parts(inner, f"{path}.content[{number}]")
        ]
        message: JSON = {"role": "tool", "tool_call_id": decode_id(block["tool_use_id"])}
        if block.get("is_error"):
            message["is_error"] = True
        self._add(message, parts, path, always=True)

    def _read_assistant(self, blocks: list[JSON], path: str) -> None:
        message: JSON = {"role": "assistant"}
        parts: list[tuple[JSON, str]] = []
        calls: list[JSON] = []
        for number, block in enumerate(blocks):
            match block["type"]:
                case "thinking" | "redacted_thinking":
                    _restore_thinking(message, block)
                case "tool_use":
                    calls.append(_tool_call(block) | (message.pop("call_extra_content", None) or {}))
                case _:
                    block_path = f"{path}.content[{number}]"
                    if block["type"] in _CODE_RESULTS and "encrypted_stdout" in mapping(block.get("content")):
                        self.ignored.append("messages.content.encrypted_stdout")
                    parts += [(part, block_path) for part in _parts(block, block_path)]
        message.pop("call_extra_content", None)  # of a call that the client left out
        if calls:
            message["tool_calls"] = calls
        self._add(message, parts, path, always=bool(calls))

    def _add(self, message: JSON, parts: list[tuple[JSON, str]], path: str, *, always: bool = False) -> None:
        """Append `message` with its parts; one without any only where it must `always` be there."""
        if not parts and not always:
            return
        index = len(self.messages)
        self.origins[f"messages[{index}]"] = path
        for number, (_, origin) in enumerate(parts):
            self.origins[f"messages[{index}].content[{number}]"] = origin
        if len(parts) == 1 and parts[0][0]["type"] == "text":
            message["content"] = parts[0][0]["text"]
        elif parts:
            message["content"] = [part for part, _ in parts]
        elif message["role"] == "tool":
            message["content"] = ""
        self.messages.append(message)


def _restore_thinking(message: JSON, block: JSON) -> None:
    """Add the state in a thinking block to its message.

    A block of Claude's own is added as it is.
    """
    text = block.get("signature") if block["type"] == "thinking" else block["data"]
    state = decode_state(text)
    if not state and not (isinstance(text, str) and text.startswith("vc1.")):
        message.setdefault("thinking_blocks", []).append(block)
    for key, value in state.items():
        message[key] = value
    if block.get("thinking"):
        message["reasoning_content"] = message.get("reasoning_content", "") + block["thinking"]


def _tool_call(block: JSON) -> JSON:
    arguments = msgspec.json.encode(block["input"]).decode()
    return {
        "id": decode_id(block["id"]),
        "type": "function",
        "function": {"name": block["name"], "arguments": arguments},
    }


def _parts(block: JSON, path: str) -> Iterator[JSON]:
    """Yield the chat parts of a block; none for searches, whose outcome is in the text."""
    match block["type"]:
        case "text":
            if block["text"]:
                yield {"type": "text", "text": block["text"]}
        case "image":
            yield {"type": "image_url", "image_url": {"url": _link(block["source"], path)} | _format(block)}
        case "document":
            if context := block.get("context"):
                yield {"type": "text", "text": context}
            yield from _document(block, path)
        case "search_result":
            texts = "\n".join(part["text"] for part in block["content"])
            yield {"type": "text", "text": f"{block['title']}\n{block['source']}\n{texts}"}
        case "tool_reference":
            yield {"type": "text", "text": f"Tool: {block['tool_name']}"}
        case "server_tool_use" if call := code_execution.call_text(block):
            yield {"type": "text", "text": call}
        case kind if kind in _CODE_RESULTS:
            yield {"type": "text", "text": code_execution.result_text(block)}
        case "compaction" if block.get("content"):
            yield {"type": "text", "text": block["content"]}


def _document(block: JSON, path: str) -> Iterable[JSON]:
    source, title = block["source"], block.get("title") or "document"
    match source["type"]:
        case "text":
            return [{"type": "text", "text": _DOCUMENT.format(title, source["data"])}]
        case "content" if isinstance(source["content"], str):
            return [{"type": "text", "text": _DOCUMENT.format(title, source["content"])}]
        case "content":
            return [part for inner in source["content"] for part in _parts(inner, path)]
        case _:
            key = "file_data" if source["type"] == "base64" else "file_id"
            name = {"filename": title} if block.get("title") else {}
            return [{"type": "file", "file": {key: _link(source, path), "format": _mime(source)} | name}]


def _format(image: JSON) -> JSON:
    """The media type that a client gives beside an image's URL, where Anthropic's API has none."""
    source: JSON = image["source"]
    media_type = source.get("media_type") if source["type"] == "url" else None
    return {"format": media_type} if isinstance(media_type, str) else {}


def _mime(source: JSON) -> str:
    mime: str = source.get("media_type", "application/pdf")
    return mime


def _link(source: Any, path: str) -> str:
    match source:
        case {"type": "base64", "media_type": mime, "data": data}:
            return f"data:{mime};base64,{data}"
        case {"type": "url", "url": str(url)}:
            return url
    raise errors.BadRequest(
        "Anthropic's Files API is not here: send the file itself as base64, or an https:// URL of it.",
        param=f"{path}.source",
        code="unsupported_value",
    )
