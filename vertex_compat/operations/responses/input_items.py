"""A request of the Responses API, said in the words of the chat API.

So each publisher that chats answers it, with the one translator that it has. A model's turn comes back as
several items (reasoning, message, calls), which are one assistant message here. What a model needs back
unchanged and chat has no place for travels in the `encrypted_content` of reasoning items: `seal`, `unseal`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.operations.chat import chat_schema
from vertex_compat.operations.request import body
from vertex_compat.operations.responses import responses_schema
from vertex_compat.types import JSON

SAME: Final = frozenset(
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

HANDLED: Final = SAME | {
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
    "background": "Responses are not kept, so none can be fetched later: leave 'background' out.",
    "conversation": "Conversations are not kept: send the items of the conversation as 'input'.",
    "previous_response_id": (
        "Responses are not kept: send the items of the earlier input and output as 'input' instead of "
        "'previous_response_id'."
    ),
    "prompt": "Prompt templates are not kept: send the instructions and the input themselves.",
}
"""What needs a memory, and what to do without one."""

SEARCHES: Final = ("web_search", "web_search_preview")

_SEAL: Final = "vc1."


def read(content: bytes) -> tuple[JSON, JSON, list[str]]:
    """The request, the same as a chat request, and the names of what is ignored; raises `BadRequest`."""
    given = body.without_nulls(body.decode(content, responses_schema.CreateResponse))
    for name, said in STATEFUL.items():
        if given.get(name):
            raise errors.BadRequest(said, param=name, code="unsupported_parameter")
    chat: JSON = {"model": given["model"], "messages": list(_messages(given))}
    chat |= {name: given[name] for name in SAME & given.keys()}
    chat |= _limits(given) | _tools(given)
    if given.get("stream"):
        chat["stream"] = True
    try:
        body.check(chat, chat_schema.Chat)
    except errors.BadRequest as wrong:  # its place is one in the chat request
        wrong.param = "input" if (wrong.param or "").startswith("messages") else wrong.param
        raise
    known = HANDLED | STATEFUL.keys()
    ignored = [name for name in given if name not in known and given[name] is not False]
    if any(_offline(tool) for tool in given.get("tools", ())):
        ignored.append("tools.web_search")
    return given, chat, ignored


def _limits(given: JSON) -> JSON:
    """Length, effort, format and log probabilities."""
    text = given.get("text") or {}
    chat: JSON = {
        "max_completion_tokens": given.get("max_output_tokens"),
        "reasoning_effort": (given.get("reasoning") or {}).get("effort"),
        "verbosity": text.get("verbosity"),
        "response_format": _format(text.get("format") or {}),
        "logprobs": "message.output_text.logprobs" in given.get("include", ()) or None,
    }
    return body.without_nulls(chat)


def _format(form: JSON) -> JSON | None:
    match form.get("type"):
        case None | "text":
            return None
        case "json_schema":
            return {"type": "json_schema", "json_schema": {k: v for k, v in form.items() if k != "type"}}
        case other:
            return {"type": other}


def _tools(given: JSON) -> JSON:
    tools = [_tool(one) for one in offered(given) if one.tool.get("type") not in SEARCHES]
    chat: JSON = {"tools": tools} if tools else {}
    for one in offered(given):
        if one.tool.get("type") in SEARCHES:
            chat["web_search_options"] = _search(one.tool)
    if (choice := given.get("tool_choice")) is not None and tools:
        chat["tool_choice"] = _choice(choice)
    return chat


class Offer(NamedTuple):
    """A tool that the client offers. `name` is the one that the model sees: a namespace is part of it."""

    name: str | None
    tool: JSON
    place: str
    namespace: str | None = None


def offered(given: JSON) -> Iterator[Offer]:
    """The tools, those in namespaces too. A search that must not search the web is none."""
    for number, tool in enumerate(given.get("tools", ())):
        place = f"tools[{number}]"
        if tool.get("type") == "namespace":
            for inner, one in enumerate(tool.get("tools") or ()):
                name = in_namespace(tool.get("name"), one.get("name"))
                yield Offer(name, one, f"{place}.tools[{inner}]", tool.get("name"))
        elif not _offline(tool):
            yield Offer(tool.get("name"), tool, place)


def _offline(tool: JSON) -> bool:
    return tool.get("type") in SEARCHES and tool.get("external_web_access") is False


def in_namespace(namespace: str | None, name: str | None) -> str | None:
    """The name that the model sees of a tool in a namespace."""
    return f"{namespace}__{name}" if namespace else name


def _search(tool: JSON) -> JSON:
    """The search of the Responses API in chat's words."""
    options: JSON = {"search_context_size": tool.get("search_context_size")}
    if isinstance(where := tool.get("user_location"), dict):
        place = {key: value for key, value in where.items() if key != "type" and value is not None}
        options["user_location"] = {"type": "approximate", "approximate": place}
    return body.without_nulls(options)


def _tool(offer: Offer) -> JSON:
    tool = offer.tool
    match tool.get("type"):
        case "function":
            return {"type": "function", "function": {**_without(tool, "type"), "name": offer.name}}
        case "custom":  # a tool that takes a text, not JSON: a function with one text for the model
            schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
            said = "\n".join(filter(None, [tool.get("description"), _grammar(tool.get("format") or {})]))
            return {
                "type": "function",
                "function": {"name": offer.name, "description": said, "parameters": schema},
            }
        case kind:
            raise errors.BadRequest(
                f"A tool of type {kind!r} runs on OpenAI's servers and has no counterpart here. "
                "Function tools, custom tools and web_search are supported.",
                param=offer.place,
                code="unsupported_value",
            )


def _grammar(form: JSON) -> str | None:
    definition = form.get("definition")
    return f"The input follows this {form.get('syntax')} grammar:\n{definition}" if definition else None


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


def _messages(given: JSON) -> Iterator[JSON]:
    if instructions := given.get("instructions"):
        yield {"role": "developer", "content": instructions}
    items = given["input"]
    if isinstance(items, str):
        yield {"role": "user", "content": items}
        return
    turn: JSON = {}  # the assistant message that is being put together
    for number, item in enumerate(items):
        message = _item(body.without_nulls(item), f"input[{number}]", turn)
        if message is not None:
            if turn:
                yield {"role": "assistant", **turn}
                turn.clear()
            yield message
    if turn:
        yield {"role": "assistant", **turn}


def _item(item: JSON, place: str, turn: JSON) -> JSON | None:
    """The message that an item is; None if it went into the assistant's `turn`."""
    match item.get("type", "message"):
        case "message" if item.get("role") == "assistant":
            text = item.get("content", "")
            said = [{"type": "text", "text": text}] if isinstance(text, str) else _parts(text, place)
            turn["content"] = [*turn.get("content", []), *said]
        case "message":
            return {"role": item.get("role"), "content": _text_or_parts(item.get("content", ""), place)}
        case "reasoning":
            for key, value in unseal(item.get("encrypted_content")).items():
                turn[key] = turn[key] + value if isinstance(value, list) and key in turn else value
        case "function_call" | "custom_tool_call" as kind:
            written = item.get("arguments", "")
            if kind == "custom_tool_call":
                written = msgspec.json.encode({"input": item.get("input", "")}).decode()
            function = {"name": in_namespace(item.get("namespace"), item.get("name")), "arguments": written}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            turn.setdefault("tool_calls", []).append(call)
        case "function_call_output" | "custom_tool_call_output":
            output = _text_or_parts(item.get("output", ""), place)
            return {"role": "tool", "tool_call_id": item.get("call_id"), "content": output}
        case "web_search_call":
            pass  # the model has said what it found
        case "item_reference":
            why = "Items are not kept: send the item itself instead of a reference to it."
            raise errors.BadRequest(why, param=place, code="unsupported_value")
        case kind:
            why = f"An input item of type {kind!r} has no counterpart here."
            raise errors.BadRequest(why, param=place, code="unsupported_value")
    return None


def _text_or_parts(content: Any, place: str) -> str | list[JSON]:
    return content if isinstance(content, str) else list(_parts(content, place))


def _parts(content: Any, place: str) -> Iterator[JSON]:
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise errors.BadRequest(
            f"Invalid value for '{place}': expected a text or a list of parts.", param=place
        )
    for number, part in enumerate(content):
        match part.get("type"):
            case "input_text" | "output_text" | "text":
                yield {"type": "text", "text": part.get("text")}
            case "refusal":
                yield {"type": "refusal", "refusal": part.get("refusal")}
            case "input_image":
                url = {"url": part.get("image_url") or part.get("file_id"), "detail": part.get("detail")}
                yield {"type": "image_url", "image_url": body.without_nulls(url)}
            case "input_file":
                source = part.get("file_url") or part.get("file_id")
                file = {
                    "file_data": part.get("file_data"),
                    "file_id": source,
                    "filename": part.get("filename"),
                }
                yield {"type": "file", "file": body.without_nulls(file)}
            case "input_audio":
                yield {"type": "input_audio", "input_audio": part.get("input_audio")}
            case kind:
                said = f"Content of type {kind!r} has no counterpart here."
                raise errors.BadRequest(said, param=f"{place}.content[{number}]", code="unsupported_value")


def _without(given: JSON, key: str) -> JSON:
    return {name: value for name, value in given.items() if name != key}


def seal(kept: JSON) -> str:
    """`kept` as the `encrypted_content` of a reasoning item. It is no secret: it is only not for reading."""
    return _SEAL + base64.urlsafe_b64encode(msgspec.json.encode(kept)).decode()


def unseal(content: Any) -> JSON:
    """What `seal` has kept; nothing where the content is another's."""
    if not isinstance(content, str) or not content.startswith(_SEAL):
        return {}
    try:
        kept = msgspec.json.decode(base64.urlsafe_b64decode(content.removeprefix(_SEAL)))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {
        key: kept[key] for key in ("thinking_blocks", "extra_content", "reasoning_content") if key in kept
    }
