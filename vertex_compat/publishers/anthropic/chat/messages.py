"""A conversation as Claude reads it: `system`, and alternating messages, the user's first.

https://platform.claude.com/docs/en/api/messages. A system message in mid-conversation, which most Claude
models do not have, stays in its place as the user's text in `<system>` tags.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeGuard, cast

from vertex_compat.json_values import items, member, text
from vertex_compat.publishers import json_schema, tools
from vertex_compat.publishers.anthropic.chat import documents, thinking
from vertex_compat.publishers.anthropic.chat.context import CallContext
from vertex_compat.publishers.chat_messages import Call, Media, Part, Result, ServerTool, Text, Thinking, Turn
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.publishers.anthropic import request_types as wire

THINKING_FEATURE: Final = "messages.thinking_blocks"
"""Thinking blocks of the history: Claude may refuse them if the conversation before them has changed."""

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
_MAX_TOOL_NAME: Final = 64
_MAX_MODEL_NAME: Final = 200
_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SYSTEM: Final = "<system>\n{}\n</system>"
_FIRST_USER_TEXT: Final = "."  # a text must not be blank
_LAST_USER_TEXT: Final = "Go on."
_THINKING: Final = frozenset({"thinking", "redacted_thinking"})


def write(turns: list[Turn], context: CallContext) -> tuple[list[wire.TextBlock], list[wire.Message]]:
    """Return the blocks of `system`, and the messages."""
    first = next((index for index, turn in enumerate(turns) if turn.role != "system"), len(turns))
    system = [_text(part) for turn in turns[:first] for part in turn.parts if _is_text(part)]
    messages: list[wire.Message] = []
    for turn in turns[first:]:
        _append(messages, "assistant" if turn.role == "assistant" else "user", list(_blocks(turn, context)))
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, _user_message(_FIRST_USER_TEXT))
    return system, messages


def _append(messages: list[wire.Message], role: wire.Role, blocks: list[wire.Block]) -> None:
    """Append blocks to a last message of the same role, or as a new one."""
    while role == "assistant" and blocks and blocks[-1]["type"] in _THINKING:
        blocks.pop()  # a message must not end with thinking
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"] += blocks
    elif blocks:
        messages.append({"role": role, "content": blocks})


def ensure_user_last(messages: list[wire.Message], *, prefill: bool) -> None:
    """End with a message of the user or, if `prefill` is possible, with the text to continue."""
    last = cast("JSON", messages[-1]["content"][-1])
    if messages[-1]["role"] == "user":
        return
    if prefill and last["type"] == "text":
        last["text"] = last["text"].rstrip()  # must not end with a space
    else:
        messages.append(_user_message(_LAST_USER_TEXT))


def lacks_thinking(messages: list[wire.Message]) -> bool:
    """Return whether the last assistant message has calls without thinking blocks before them."""
    contents = [message["content"] for message in messages if message["role"] == "assistant"]
    types = [block["type"] for block in contents[-1]] if contents else []
    return "tool_use" in types and types[0] not in _THINKING


def _user_message(content: str) -> wire.Message:
    return {"role": "user", "content": [{"type": "text", "text": content}]}


def _blocks(turn: Turn, context: CallContext) -> Iterator[wire.Block]:
    parts: Iterable[Part] = turn.parts
    if stored := _stored_blocks(turn):
        for block in stored:
            yield from _thinking(block, context) if block.get("type") in _THINKING else _earlier_block(block)
        parts = [part for part in parts if isinstance(part, Call)]
    for part in parts:
        match part:
            case Text() if turn.role == "system":
                if _is_text(part):
                    yield {**_text(part), "text": _SYSTEM.format(part.text)}
            case Thinking():
                yield from _thinking(part.raw, context)
            case ServerTool():
                yield from _earlier_block(part.raw)
            case Call():
                yield _call(part)
            case Result():
                yield _result(part)
            case _:
                yield from _content_blocks(part)


def _stored_blocks(turn: Turn) -> list[JSON]:
    """Return the stored blocks of an answer with server tools, if its text is still the same."""
    if turn.role != "assistant" or "extra_content" not in turn.raw:
        return []
    stored = items(member(member(turn.raw, "extra_content"), "anthropic").get("content"))
    if not all(isinstance(block.get("type"), str) for block in stored):
        return []
    blocks = [block for block in stored if block["type"] != "tool_use"]
    stored_text = "".join(text(block.get("text")) for block in blocks)
    return (
        blocks if stored_text == "".join(part.text for part in turn.parts if isinstance(part, Text)) else []
    )


def _earlier_block(block: JSON) -> Iterator[JSON]:
    """Yield a block of an earlier answer unchanged; a blank text may not be sent."""
    if block.get("type") != "text" or text(block.get("text")).strip():
        yield {name: value for name, value in block.items() if value is not None}


def _thinking(block: JSON, context: CallContext) -> Iterator[JSON]:
    """Yield a thinking block unchanged, if the model can read it."""
    if not thinking.is_complete(block):
        return
    producer = text(block.get("model"))[:_MAX_MODEL_NAME]
    if _can_read(context, producer) and context.use(THINKING_FEATURE):
        yield {name: block[name] for name in _THINKING_FIELDS if name in block}
    else:
        context.ignore(THINKING_FEATURE)


def _can_read(context: CallContext, producer: str) -> bool:
    """Return whether the model reads thinking of `producer`, which may be the model itself.

    https://platform.claude.com/docs/en/build-with-claude/preserved-thinking#switching-models
    """
    if _without_date(producer) == _without_date(context.model.name):
        return True
    return not any(fnmatchcase(producer, pattern) for pattern in context.profile.unreadable_thinking)


def _without_date(name: str) -> str:
    """Return the name without its date, which follows `@` or `-`."""
    name = name.partition("@")[0]
    base, _, date = name.rpartition("-")
    return base if len(date) == len("20251101") and date.isdigit() else name


_THINKING_FIELDS: Final = ("type", "thinking", "signature", "data")


def _is_text(part: Part) -> TypeGuard[Text]:
    return isinstance(part, Text) and bool(part.text.strip())


def _content_blocks(part: Text | Media) -> Iterator[wire.Block]:
    """Yield the block of a text or a file, in a message or in a result; a blank text has none."""
    if isinstance(part, Media):
        block = documents.block(part)
        if part.raw.get("cache_control"):
            block["cache_control"] = part.raw["cache_control"]
        yield block
    elif part.raw.get("type") in {"document", "search_result"}:
        yield {name: value for name, value in part.raw.items() if value is not None}
    elif part.text.strip():
        yield _text(part)


def _text(part: Text) -> wire.TextBlock:
    block: wire.TextBlock = {"type": "text", "text": part.text}
    if part.raw.get("cache_control"):
        block["cache_control"] = part.raw["cache_control"]
    return block


def _call(call: Call) -> wire.ToolUseBlock:
    block: wire.ToolUseBlock = {
        "type": "tool_use",
        "id": call_id(call.id),
        "name": legal_name(call.name),
        "input": call.arguments,
    }
    if name := _toolset_name(call):
        block["toolset_name"] = name
    if call.raw.get("cache_control"):
        block["cache_control"] = call.raw["cache_control"]
    return block


def _toolset_name(call: Call) -> str:
    """Return the toolset of a member tool, which its call and its result name; else ""."""
    return text(member(member(call.raw, "extra_content"), "anthropic").get("toolset_name"))


def _result(result: Result) -> wire.ToolResultBlock:
    block: wire.ToolResultBlock = {"type": "tool_result", "tool_use_id": call_id(result.call.id)}
    if name := _toolset_name(result.call):
        block["toolset_name"] = name
    content = [inner for part in result.parts for inner in _content_blocks(part)]
    if content:
        block["content"] = content
    if result.failed:
        block["is_error"] = True
    if result.raw.get("cache_control") and not any("cache_control" in inner for inner in content):
        block["cache_control"] = result.raw["cache_control"]
    return block


def legal_name(name: str) -> str:
    """Return the name of a tool as Claude takes it."""
    return tools.sanitize_name(name, _TOOL_NAME, _MAX_TOOL_NAME)


def client_names(names: Iterable[str]) -> Mapping[str, str]:
    """Return the name that Claude takes → the client's, for those that differ."""
    return tools.name_map(names, _TOOL_NAME, _MAX_TOOL_NAME)


def call_id(id_: str) -> str:
    """Return the id of a call for Claude: the same if it is allowed, else one derived from it."""
    if _CALL_ID.fullmatch(id_):
        return id_
    return f"toolu_{hashlib.sha256(id_.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def called_names(turns: Iterable[Turn]) -> list[str]:
    """Return the names of the tools that have been called, each once."""
    return list(dict.fromkeys(part.name for turn in turns for part in turn.parts if isinstance(part, Call)))


def has_citations(messages: list[wire.Message]) -> bool:
    """Return whether a document of the user's is to be cited."""
    return any(
        member(block, "citations").get("enabled") is True
        for message in messages
        if message["role"] == "user"
        for block in message["content"]
    )


def rename_arguments(messages: list[wire.Message], names: Mapping[str, Mapping[str, str]]) -> None:
    """Give the arguments of earlier calls the property names that the tools are sent with."""
    sent_names = {tool: {name: new for new, name in renamed.items()} for tool, renamed in names.items()}
    for message in messages if sent_names else ():
        for block in cast("list[JSON]", message["content"]):
            if block["type"] == "tool_use" and block["name"] in sent_names:
                block["input"] = json_schema.rename_keys(block["input"], sent_names[block["name"]])
