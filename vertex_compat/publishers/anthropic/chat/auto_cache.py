"""Prompt caching for clients that cannot ask for it: breakpoints set by this function.

https://platform.claude.com/docs/en/build-with-claude/prompt-caching (October 2026). Chat has no
`cache_control`. A breakpoint after the tools and one after the system prompt serve all requests that share
them. In a longer conversation, the last two turns of the user get one each. The last one writes to the cache;
the next request reads that as its last but one. Claude itself looks only some 20 blocks back, less than a
step of an agent may have.

Writing costs a quarter more than plain input, and reading a tenth of it or less. So a prompt pays from its
second use within five minutes on. `.github/docs/prompt-caching.md` has the savings, and the reason why it is
off by default. A model caches no prompt below its minimum (512 tokens for Claude 5.5, 4,096 for Haiku 4.5).
Such a prompt is charged as plain input, with or without breakpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from vertex_compat import errors
from vertex_compat.types import JSON

PARAMETER: Final = "auto_cache"

MIN_CHARACTERS: Final = 1024
"""Fewer are no 512 tokens, the least that any Claude caches."""

BREAKPOINT: Final[JSON] = {"cache_control": {"type": "ephemeral"}}


def is_requested(body: JSON) -> bool:
    """Return whether the client or the settings ask for caching; raises `BadRequest`."""
    value = body.get(PARAMETER, False)
    if not isinstance(value, bool):
        raise errors.BadRequest("'auto_cache' must be true or false.", param=PARAMETER, code="invalid_type")
    return value


def with_breakpoints(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body with breakpoints; as it is if it is short or the client has set its own."""
    messages: list[JSON] = call["messages"]
    prompt = [
        *call.get("tools", ()),
        *call.get("system", ()),
        *chain(*(message["content"] for message in messages)),
    ]
    if "cache_control" in call or _is_cached(prompt) or not _is_long(prompt):
        return call
    cached: JSON = {**call}
    cached |= {name: _add_breakpoint(call[name]) for name in ("tools", "system") if call.get(name)}
    if any(message["role"] == "assistant" for message in messages):
        users = [index for index, message in enumerate(messages) if message["role"] == "user"]
        cached["messages"] = list(messages)
        for index in users[-2:]:
            cached["messages"][index] = messages[index] | {
                "content": _add_breakpoint(messages[index]["content"])
            }
    return cached


def _is_cached(blocks: Iterable[JSON]) -> bool:
    """Return whether a block, or one in a tool's result, has a breakpoint of the client's."""
    return any("cache_control" in block or _is_cached(_inner(block)) for block in blocks)


def _inner(block: JSON) -> list[JSON]:
    content = block.get("content") if block.get("type") == "tool_result" else None
    return content if isinstance(content, list) else []


def _is_long(blocks: Iterable[JSON]) -> bool:
    missing = MIN_CHARACTERS
    for size in _sizes(blocks):
        missing -= size
        if missing <= 0:
            return True
    return False


def _sizes(value: object) -> Iterator[int]:
    """Yield the lengths of the texts in a value, keys and all."""
    if isinstance(value, str):
        yield len(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield len(key)
            yield from _sizes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _sizes(inner)


def _add_breakpoint(blocks: list[JSON]) -> list[JSON]:
    """Return blocks with a breakpoint at the last; tools that are loaded later cannot have one."""
    if blocks[-1].get("defer_loading"):
        return blocks
    return [*blocks[:-1], blocks[-1] | BREAKPOINT]
