"""A request of Anthropic's Messages API as a chat request, for models of other publishers.

Blocks become messages and parts, tools become functions. What Anthropic's API has and chat has not is
ignored and named in `x-vertex-compat-ignored`, or refused where the answer would not be what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations.messages import client_tools
from vertex_compat.operations.messages.output_blocks import Display
from vertex_compat.operations.opaque_state import decode_id, decode_state
from vertex_compat.operations.request.body import drop_nulls
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

_FUNCTION_FIELDS: Final = frozenset({"description", "input_schema", "name", "strict", "type"})
_SEARCH_FIELDS: Final = frozenset({"allowed_domains", "blocked_domains", "name", "type", "user_location"})
_HINTS: Final = frozenset({"cache_control", "eager_input_streaming"})
"""Fields of a tool that say how it is served, and not what the answer is."""

_CITABLE: Final = frozenset({"document", "search_result"})
"""Blocks of which Claude can cite passages."""

_OUTPUT_FIELDS: Final = frozenset({"effort", "format"})

_DOCUMENT: Final = '<document title="{}">\n{}\n</document>'


def chat_request(params: JSON) -> ChatRequest:
    """Translate a request that fits the schema; raises `BadRequest`."""
    reader = _MessageReader()
    reader.read_system(params.get("system"))
    for number, message in enumerate(params["messages"]):
        reader.read(message, f"messages[{number}]")
    origins: dict[str, str] = dict(ORIGINS)
    ignored = [name for name in params if name not in TRANSLATED]
    output = params.get("output_config") or {}
    ignored += [f"output_config.{name}" for name in output if name not in _OUTPUT_FIELDS]
    if params.get("mcp_servers"):
        raise errors.BadRequest(
            "Only Anthropic's API connects to MCP servers: connect to them in the client, and send "
            "their tools in 'tools'.",
            param="mcp_servers",
            code="unsupported_parameter",
        )
    body = {"model": params["model"], "messages": reader.messages}
    body |= {name: params[name] for name in SAME & params.keys()}
    body |= _options(params) | _thinking(params, origins)
    tools = _tools(params, origins, ignored)
    ignored += reader.ignored
    return ChatRequest(body | tools, ParamNames(origins | reader.origins), tuple(dict.fromkeys(ignored)))


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


def _thinking(params: JSON, origins: dict[str, str]) -> JSON:
    """Effort and budget. A budget goes along as it is, and as an effort for models that know only those."""
    thinking = params.get("thinking") or {}
    effort = (params.get("output_config") or {}).get("effort")
    origins["thinking"] = "thinking"
    origins["reasoning_effort"] = "output_config.effort" if effort else "thinking"
    match thinking.get("type"):
        case "disabled":
            return {"reasoning_effort": "none"}
        case "enabled" if budget := thinking.get("budget_tokens"):
            nearest = next((level for most, level in EFFORT_OF_BUDGET if budget <= most), "high")
            return {
                "thinking": {"type": "enabled", "budget_tokens": budget},
                "reasoning_effort": effort or nearest,
            }
        case "adaptive" | "enabled" | "between_tools" if not effort:
            return {"thinking": {"type": "adaptive"}}
    return {"reasoning_effort": effort} if effort else {}


def display(params: JSON) -> Display:
    """Return what the client wants to see. One that did not ask for thinking expects text first."""
    thinking = params.get("thinking") or {}
    return Display(
        thinking=thinking.get("type") in {"enabled", "adaptive", "between_tools"},
        thoughts=thinking.get("display") != "omitted",
        search=any(is_web_search(tool) for tool in params.get("tools") or ()),
    )


# Tools


def _tools(params: JSON, origins: dict[str, str], ignored: list[str]) -> JSON:
    functions: list[JSON] = []
    fields: JSON = {}
    for number, tool in enumerate(params.get("tools") or ()):
        path = f"tools[{number}]"
        if function := _function(tool, path):
            origins[f"tools[{len(functions)}]"] = path
            origins[f"tools[{len(functions)}].function.parameters"] = f"{path}.input_schema"
            functions.append({"type": "function", "function": function})
            ignored += _unknown_fields(tool, path)
        elif is_web_search(tool):
            fields["web_search_options"] = _web_search(tool, origins, ignored)
        else:  # it would run on Anthropic's servers
            ignored.append(f"tools.{tool.get('type')}")
    choice = params.get("tool_choice") or {}
    if functions:
        fields["tools"] = functions
        fields |= _tool_choice(choice, {tool["function"]["name"] for tool in functions})
    if choice.get("type") in {"any", "tool"} and "tool_choice" not in fields:
        ignored.append("tool_choice")  # a server tool cannot be demanded
    return fields


def _unknown_fields(tool: JSON, path: str) -> list[str]:
    """Return the names of what a function of the client's has and chat has not, such as `input_examples`."""
    known = _FUNCTION_FIELDS | _HINTS
    is_custom = (tool.get("type") or "custom") == "custom"
    return [f"{path}.{name}" for name, value in tool.items() if is_custom and value and name not in known]


def _function(tool: JSON, path: str) -> JSON | None:
    if (tool.get("type") or "custom") != "custom":
        return client_tools.function(tool)
    if not tool.get("name"):
        raise errors.BadRequest(
            f"Missing required parameter: '{path}.name'.",
            param=f"{path}.name",
            code="missing_required_parameter",
        )
    function = {"name": tool["name"], "description": tool.get("description")}
    function |= {"parameters": tool.get("input_schema"), "strict": tool.get("strict")}
    return drop_nulls(function)


def is_web_search(tool: JSON) -> bool:
    """Return whether `tool` is Anthropic's web search, of whichever date."""
    return str(tool.get("type")).startswith("web_search_")


def _web_search(tool: JSON, origins: dict[str, str], ignored: list[str]) -> JSON:
    name = f"tools.{tool['type']}"
    ignored += [f"{name}.{field}" for field in tool if field not in _SEARCH_FIELDS | _HINTS and tool[field]]
    origins["web_search_options"] = name
    options: JSON = {}
    if isinstance(place := tool.get("user_location"), dict):
        origins["web_search_options.user_location"] = f"{name}.user_location"
        options["user_location"] = {
            "type": "approximate",
            "approximate": {k: v for k, v in place.items() if k != "type" and v is not None},
        }
    domains = {name: tool.get(name) for name in ("allowed_domains", "blocked_domains")}
    if filters := drop_nulls(domains):
        origins |= {f"web_search_options.filters.{kind}": f"{name}.{kind}" for kind in filters}
        options["filters"] = filters
    return options


def _tool_choice(choice: JSON, names: set[str]) -> JSON:
    fields: JSON = {}
    if choice.get("disable_parallel_tool_use"):
        fields["parallel_tool_calls"] = False
    match choice.get("type"):
        case "any":
            fields["tool_choice"] = "required"
        case "tool" if choice.get("name") in names:
            fields["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
        case "tool" if choice.get("name") != "web_search":
            raise errors.BadRequest(
                f"'tool_choice' names {str(choice.get('name'))[:100]!r}, which is not among the tools.",
                param="tool_choice.name",
                code="invalid_value",
            )
        case "auto" | "none" as mode:
            fields["tool_choice"] = mode
    return fields


# Messages


class _MessageReader:
    """Collects the messages of chat, and where each of them and its parts come from."""

    def __init__(self) -> None:
        self.messages: list[JSON] = []
        self.origins: dict[str, str] = {}
        self.ignored: list[str] = []

    def read_system(self, system: str | list[JSON] | None) -> None:
        """Add the system prompt, without what Claude Code tells Anthropic in it."""
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system or []
        parts = [
            ({"type": "text", "text": block["text"]}, f"system[{number}]")
            for number, block in enumerate(blocks)
            if not block["text"].startswith(_BILLING)
        ]
        self._add({"role": "system"}, parts, "system")

    def read(self, message: JSON, path: str) -> None:
        """Add what a message of the client's becomes: a message, and one for each tool result before it."""
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
    """Put back what a block of thoughts holds: our own state, or a block of Claude's."""
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
    """The parts of chat that a block becomes. What ran on Anthropic's servers has been told in the text."""
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
