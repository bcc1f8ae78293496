"""A request of the Responses API as a chat request, which every publisher that chats can answer.

A turn of a model comes back as several items (reasoning, message, calls); in chat it is one message.
What a model needs back unchanged is in the `encrypted_content` of reasoning items: see `opaque_state`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.operations.chat import chat_schema
from vertex_compat.operations.opaque_state import decode_state
from vertex_compat.operations.request import body
from vertex_compat.operations.responses import responses_schema
from vertex_compat.types import JSON

SAME_NAMES: Final = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
        "temperature",
        "top_logprobs",
        "top_p",
        "user",
    }
)
"""Parameters that chat calls the same."""

TRANSLATED: Final = SAME_NAMES | {
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "model",
    "reasoning",
    "stream",
    "text",
    "tool_choice",
    "tools",
}

STATEFUL: Final = {
    "background": "Responses are not stored, so none can be fetched later: leave 'background' out.",
    "conversation": "Conversations are not stored: send the items of the conversation as 'input'.",
    "previous_response_id": (
        "Responses are not stored: send the items of the earlier input and output as 'input' instead of "
        "'previous_response_id'."
    ),
    "prompt": "Prompt templates are not stored: send the instructions and the input themselves.",
}
"""Parameters that need stored responses, and the alternative."""

SEARCHES: Final = ("web_search", "web_search_preview")


def read(content: bytes) -> tuple[JSON, JSON, list[str]]:
    """Return the request, the chat request, and the names of ignored parameters; raises `BadRequest`."""
    params = body.drop_nulls(body.decode(content, responses_schema.CreateResponse))
    for name, alternative in STATEFUL.items():
        if params.get(name):
            raise errors.BadRequest(alternative, param=name, code="unsupported_parameter")
    chat: JSON = {"model": params["model"], "messages": list(_messages(params))}
    chat |= {name: params[name] for name in SAME_NAMES & params.keys()}
    chat |= _limits(params) | _tools(params)
    if params.get("stream"):
        chat["stream"] = True
    try:
        body.validate(chat, chat_schema.Chat)
    except errors.BadRequest as error:  # its parameter is one of the chat request
        error.param = "input" if (error.param or "").startswith("messages") else error.param
        raise
    known = TRANSLATED | STATEFUL.keys()
    ignored = [name for name in params if name not in known and params[name] is not False]
    if any(_offline(tool) for tool in params.get("tools", ())):
        ignored.append("tools.web_search")
    return params, chat, ignored


def _limits(params: JSON) -> JSON:
    """Parameters for length, effort, format and log probabilities."""
    text = params.get("text") or {}
    chat: JSON = {
        "max_completion_tokens": params.get("max_output_tokens"),
        "reasoning_effort": (params.get("reasoning") or {}).get("effort"),
        "verbosity": text.get("verbosity"),
        "response_format": _format(text.get("format") or {}),
        "logprobs": "message.output_text.logprobs" in params.get("include", ()) or None,
    }
    return body.drop_nulls(chat)


def _format(text_format: JSON) -> JSON | None:
    match text_format.get("type"):
        case None | "text":
            return None
        case "json_schema":
            return {"type": "json_schema", "json_schema": _without(text_format, "type")}
        case other:
            return {"type": other}


def _tools(params: JSON) -> JSON:
    tools = [_tool(one) for one in offered(params) if one.tool.get("type") not in SEARCHES]
    chat: JSON = {"tools": tools} if tools else {}
    for one in offered(params):
        if one.tool.get("type") in SEARCHES:
            chat["web_search_options"] = _search(one.tool)
    if (choice := params.get("tool_choice")) is not None and tools:
        chat["tool_choice"] = _choice(choice)
    return chat


class Offer(NamedTuple):
    """A tool that the client offers. `name` is what the model sees; it includes the namespace."""

    name: str | None
    tool: JSON
    param: str
    namespace: str | None = None


def offered(params: JSON) -> Iterator[Offer]:
    """Yield the tools, also those in namespaces. A search without web access is left out."""
    for number, tool in enumerate(params.get("tools", ())):
        param = f"tools[{number}]"
        if tool.get("type") == "namespace":
            for inner, one in enumerate(tool.get("tools") or ()):
                name = in_namespace(tool.get("name"), one.get("name"))
                yield Offer(name, one, f"{param}.tools[{inner}]", tool.get("name"))
        elif not _offline(tool):
            yield Offer(tool.get("name"), tool, param)


def _offline(tool: JSON) -> bool:
    return tool.get("type") in SEARCHES and tool.get("external_web_access") is False


def in_namespace(namespace: str | None, name: str | None) -> str | None:
    """Return the name that the model sees of a tool in a namespace."""
    return f"{namespace}__{name}" if namespace else name


def _search(tool: JSON) -> JSON:
    """Options of the Responses API's web search as `web_search_options` of chat."""
    options: JSON = {"search_context_size": tool.get("search_context_size")}
    if isinstance(location := tool.get("user_location"), dict):
        place = {key: value for key, value in location.items() if key != "type" and value is not None}
        options["user_location"] = {"type": "approximate", "approximate": place}
    return body.drop_nulls(options)


def _tool(offer: Offer) -> JSON:
    tool = offer.tool
    match tool.get("type"):
        case "function":
            return {"type": "function", "function": {**_without(tool, "type"), "name": offer.name}}
        case "custom":  # it takes text instead of JSON: for the model a function with one string
            schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
            texts = [tool.get("description"), _grammar(tool.get("format") or {})]
            description = "\n".join(filter(None, texts))
            return {
                "type": "function",
                "function": {"name": offer.name, "description": description, "parameters": schema},
            }
        case kind:
            raise errors.BadRequest(
                f"A tool of type {kind!r} runs on OpenAI's servers and has no counterpart here. "
                "Function tools, custom tools and web_search are supported.",
                param=offer.param,
                code="unsupported_value",
            )


def _grammar(input_format: JSON) -> str | None:
    if definition := input_format.get("definition"):
        return f"The input follows this {input_format.get('syntax')} grammar:\n{definition}"
    return None


def _choice(choice: str | JSON) -> str | JSON:
    match choice:
        case {"type": "function" | "custom", "name": name}:
            return {"type": "function", "function": {"name": name}}
        case {"type": "allowed_tools", "tools": [*tools], **rest}:
            named = [{"type": "function", "function": {"name": tool.get("name")}} for tool in tools]
            return {
                "type": "allowed_tools",
                "allowed_tools": {"mode": rest.get("mode", "auto"), "tools": named},
            }
        case {"type": kind} if kind in SEARCHES:
            return "auto"
    return choice


def _messages(params: JSON) -> Iterator[JSON]:
    if instructions := params.get("instructions"):
        yield {"role": "developer", "content": instructions}
    items = params["input"]
    if isinstance(items, str):
        yield {"role": "user", "content": items}
        return
    turn: JSON = {}  # the assistant message that is being assembled
    for number, item in enumerate(items):
        message = _item(body.drop_nulls(item), f"input[{number}]", turn)
        if message is not None:
            if turn:
                yield {"role": "assistant", **turn}
                turn.clear()
            yield message
    if turn:
        yield {"role": "assistant", **turn}


def _item(item: JSON, param: str, turn: JSON) -> JSON | None:
    """The message of an item; None if the item was added to the assistant's `turn`."""
    match item.get("type", "message"):
        case "message" if item.get("role") == "assistant":
            text = item.get("content", "")
            parts = [{"type": "text", "text": text}] if isinstance(text, str) else _parts(text, param)
            turn["content"] = [*turn.get("content", []), *parts]
        case "message":
            return {"role": item.get("role"), "content": _text_or_parts(item.get("content", ""), param)}
        case "reasoning":
            for key, value in decode_state(item.get("encrypted_content")).items():
                turn[key] = turn[key] + value if isinstance(value, list) and key in turn else value
        case "function_call" | "custom_tool_call" as kind:
            arguments = item.get("arguments", "")
            if kind == "custom_tool_call":
                arguments = msgspec.json.encode({"input": item.get("input", "")}).decode()
            function = {"name": in_namespace(item.get("namespace"), item.get("name")), "arguments": arguments}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            turn.setdefault("tool_calls", []).append(call)
        case "function_call_output" | "custom_tool_call_output":
            output = _text_or_parts(item.get("output", ""), param)
            return {"role": "tool", "tool_call_id": item.get("call_id"), "content": output}
        case "web_search_call":
            pass  # its results are in the text of the message
        case "item_reference":
            reason = "Items are not stored: send the item itself instead of a reference to it."
            raise errors.BadRequest(reason, param=param, code="unsupported_value")
        case kind:
            reason = f"An input item of type {kind!r} has no counterpart here."
            raise errors.BadRequest(reason, param=param, code="unsupported_value")
    return None


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
                url = {"url": part.get("image_url") or part.get("file_id"), "detail": part.get("detail")}
                yield {"type": "image_url", "image_url": body.drop_nulls(url)}
            case "input_file":
                source = part.get("file_url") or part.get("file_id")
                file = {
                    "file_data": part.get("file_data"),
                    "file_id": source,
                    "filename": part.get("filename"),
                }
                yield {"type": "file", "file": body.drop_nulls(file)}
            case "input_audio":
                yield {"type": "input_audio", "input_audio": part.get("input_audio")}
            case kind:
                reason = f"Content of type {kind!r} has no counterpart here."
                raise errors.BadRequest(reason, param=f"{param}.content[{number}]", code="unsupported_value")


def _without(params: JSON, key: str) -> JSON:
    return {name: value for name, value in params.items() if name != key}
