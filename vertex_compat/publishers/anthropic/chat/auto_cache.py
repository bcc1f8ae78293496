"""Prompt caching for clients that cannot ask for it: breakpoints set by this function.

https://platform.claude.com/docs/en/build-with-claude/prompt-caching. Chat has no `cache_control`. With
`auto_cache`, the tools, the system prompt and the conversation up to the last but one turn of the user get a
breakpoint each, so that the next request of the conversation reads them from the cache. Writing costs a
quarter more than plain input and reading a tenth of it, so it pays from the second request on.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON

PARAMETER: Final = "auto_cache"

MIN_BYTES: Final = 4096 * 4
"""Of a prompt that is cached: no current Claude needs more than 4096 tokens, of about four bytes each."""

BREAKPOINT: Final[JSON] = {"cache_control": {"type": "ephemeral"}}

_CLIENTS_OWN: Final = b'"cache_control":'


def requested(body: JSON) -> bool:
    """Return whether the client or the settings ask for caching; raises `BadRequest`."""
    value = body.get(PARAMETER, False)
    if not isinstance(value, bool):
        raise errors.BadRequest("'auto_cache' must be true or false.", param=PARAMETER, code="invalid_type")
    return value


def with_breakpoints(call: JSON) -> JSON:
    """Return the body with breakpoints; as it is if it is short or the client has set its own."""
    prompt = msgspec.json.encode(
        {name: call[name] for name in ("tools", "system", "messages") if name in call}
    )
    if len(prompt) < MIN_BYTES or _CLIENTS_OWN in prompt or "cache_control" in call:
        return call
    cached = dict(call)
    for name in ("tools", "system"):
        if call.get(name):
            cached[name] = _marked(call[name])
    users = [index for index, message in enumerate(call["messages"]) if message["role"] == "user"]
    if len(users) > 1:
        index = users[-2]
        message = call["messages"][index]
        messages = list(call["messages"])
        messages[index] = message | {"content": _marked(message["content"])}
        cached["messages"] = messages
    return cached


def _marked(blocks: list[JSON]) -> list[JSON]:
    return [*blocks[:-1], blocks[-1] | BREAKPOINT]
