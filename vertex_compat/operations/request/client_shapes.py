"""Parameters in the shapes of other APIs, rewritten as those of `/chat/completions`.

Cursor chooses the form of its messages by the name of the model. It sends Anthropic's blocks and tools for
`claude-…`, and parts of the Responses API for others. What is clear is rewritten; anything else stays as it
is, and the schema names what is wrong with it.
https://docs.anthropic.com/en/api/messages, https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from vertex_compat.json_values import mapping, member, text
from vertex_compat.types import JSON


def normalize(params: JSON) -> JSON:
    """Return a copy of chat parameters in chat's own shapes."""
    changed = {name: value for name, value in params.items() if name != "system" or not _is_system(value)}
    if isinstance(messages := params.get("messages"), list):
        rewritten = [chat for message in messages for chat in _messages(message)]
        if _is_system(system := params.get("system")):
            rewritten.insert(0, {"role": "system", "content": system})
        changed["messages"] = rewritten
    if isinstance(tools := params.get("tools"), list):
        changed["tools"] = [_tool(tool) if isinstance(tool, dict) else tool for tool in tools]
    if changed.get("reasoning_effort") == "":
        del changed["reasoning_effort"]
    return changed


def _is_system(system: Any) -> bool:
    """Return whether a value is Anthropic's `system`: a text or blocks."""
    return bool(system) and isinstance(system, str | list)


# Names of parameters


def client_param(param: str, client_body: JSON) -> str:
    """Return the client's name of a parameter that `normalize` made of its body."""
    origins = _origins(client_body)
    path = param
    while path and path not in origins:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return origins[path] + param[len(path) :] if path else param


def _origins(params: JSON) -> dict[str, str]:
    """Return the client's names of rewritten messages and of their parts."""
    has_system = _is_system(params.get("system"))
    origins = {"messages[0]": "system"} if has_system else {}
    count = int(has_system)
    messages = params.get("messages")
    for number, message in enumerate(messages if isinstance(messages, list) else ()):
        for parts in _message_origins(message, f"messages[{number}]"):
            origins |= {f"messages[{count}]{name}": origin for name, origin in parts.items()}
            count += 1
    return origins


def _message_origins(message: Any, param: str) -> Iterator[dict[str, str]]:
    """Yield the origins of each message that one message becomes, and of its parts."""
    content = message.get("content") if isinstance(message, dict) else None
    parts = list(enumerate(content if isinstance(content, list) else ()))
    calls: dict[str, str] = {}
    if isinstance(message, dict) and message.get("role") == "assistant":
        moved = [number for number, part in parts if _is_type(part, "tool_use")]
        before = message.get("tool_calls")
        first = len(before) if isinstance(before, list) else 0
        calls = {f".tool_calls[{first + k}]": f"{param}.content[{n}]" for k, n in enumerate(moved)}
    else:
        moved = [number for number, part in parts if _is_type(part, "tool_result")]
        yield from ({"": f"{param}.content[{number}]"} for number in moved)
        if moved and len(moved) == len(parts):
            return
    remaining = [number for number, _ in parts if number not in moved]
    yield {"": param} | calls | {f".content[{k}]": f"{param}.content[{n}]" for k, n in enumerate(remaining)}


# Messages


def _messages(message: Any) -> Iterator[Any]:
    """Yield the messages that one message is: a result of a tool is one of its own in chat."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(message, dict) and "role" not in message:
        yield _item(message)
    elif not isinstance(content, list):
        yield message
    elif message.get("role") == "assistant":
        yield _assistant(message, content)
    else:
        results = [part for part in content if _is_type(part, "tool_result")]
        other_parts = [_part(part) for part in content if not _is_type(part, "tool_result")]
        yield from map(_result, results)
        if other_parts or not results:
            yield {**message, "content": other_parts}


def _assistant(message: JSON, content: list[Any]) -> JSON:
    uses = [part for part in content if _is_type(part, "tool_use")]
    before = message.get("tool_calls") or []
    if not uses or not isinstance(before, list):
        return {**message, "content": list(map(_part, content))}
    parts = [_part(part) for part in content if not _is_type(part, "tool_use")]
    return {**message, "content": parts or None, "tool_calls": [*before, *map(_call, uses)]}


def _item(item: JSON) -> JSON:
    """Return an item of the Responses API, which has no role, as a message."""
    match item.get("type"):
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        case "custom_tool_call":
            custom = {"name": item.get("name"), "input": item.get("input")}
            call = {"id": item.get("call_id"), "type": "custom", "custom": custom}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        case "function_call_output" | "custom_tool_call_output":
            output = item.get("output") or ""
            content = list(map(_part, output)) if isinstance(output, list) else output
            return {"role": "tool", "tool_call_id": item.get("call_id"), "content": content}
    return item


def _is_type(part: Any, kind: str) -> bool:
    return isinstance(part, dict) and part.get("type") == kind


def _call(block: JSON) -> JSON:
    arguments = msgspec.json.encode(mapping(block.get("input"))).decode()
    function = {"name": block.get("name"), "arguments": arguments}
    return {"id": block.get("id"), "type": "function", "function": function}


def _result(block: JSON) -> JSON:
    content = block.get("content") or ""
    if isinstance(content, list):
        content = list(map(_part, content))
    message = {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": content}
    return message | {name: block[name] for name in ("cache_control", "is_error") if name in block}


def _part(part: Any) -> Any:
    """Return a part in chat's words; the keys of a dialect, such as `cache_control`, stay."""
    match part:
        case {"type": "input_text" | "output_text"}:
            return {**part, "type": "text"}
        case {"type": "input_image"}:
            url = {"url": part.get("image_url") or part.get("file_id"), "detail": part.get("detail")}
            image = {name: value for name, value in url.items() if value is not None}
            return _replace(part, ("image_url", "file_id", "detail"), "image_url", image)
        case {"type": "image", "source": dict()}:
            return _replace(part, ("source",), "image_url", {"url": _source_url(part["source"])})
        case {"type": "input_file"}:
            names = {
                "file_data": "file_data",
                "file_url": "file_id",
                "file_id": "file_id",
                "filename": "filename",
            }
            file = {new: part[name] for name, new in names.items() if part.get(name) is not None}
            return _replace(part, tuple(names), "file", file)
    return part


def _replace(part: JSON, removed: tuple[str, ...], kind: str, value: JSON) -> JSON:
    fields = {name: inner for name, inner in part.items() if name not in removed}
    return {**fields, "type": kind, kind: value}


def _source_url(source: JSON) -> Any:
    """Return Anthropic's source of an image as a URL or the id of a file."""
    if source.get("type") == "base64":
        return f"data:{text(source.get('media_type'))};base64,{text(source.get('data'))}"
    return source.get("url") or source.get("file_id") or ""


# Tools


def _tool(tool: JSON) -> JSON:
    """Return a tool in chat's form.

    Responses' functions and custom tools have their fields on the tool itself, Anthropic's functions have an
    `input_schema`. Tools of Anthropic's or Google's servers stay as they are.
    """
    kind = tool.get("type")
    if not isinstance(tool.get("name"), str) or member(tool, "function") or member(tool, "custom"):
        return tool
    if "input_schema" in tool and kind in {None, "custom", "function"}:
        return _nest(tool, "function", {"input_schema": "parameters"})
    if kind == "function" or (kind is None and "parameters" in tool):
        return _nest(tool, "function", {"parameters": "parameters"})
    if kind == "custom":
        return _nest(tool, "custom", {"format": "format"})
    return tool


def _nest(tool: JSON, kind: str, renamed: dict[str, str]) -> JSON:
    names = {"name": "name", "description": "description", "strict": "strict"} | renamed
    inner = {new: tool[name] for name, new in names.items() if tool.get(name) is not None}
    own_fields = {name: value for name, value in tool.items() if name not in names}
    return {**own_fields, "type": kind, kind: inner}
