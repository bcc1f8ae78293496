"""Claude's token counts as OpenAI's usage, of one message or several in a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vertex_compat.json_values import count, mapping, member
from vertex_compat.types import JSON, Usage


def merge(counts: JSON, usage: Any) -> None:
    """Add the counts of a later event. Those that it does not have, or has as null, stay."""
    for name, value in mapping(usage).items():
        if isinstance(value, dict):
            earlier = mapping(counts.get(name))
            counts[name] = earlier | {key: inner for key, inner in value.items() if inner is not None}
        elif value is not None:
            counts[name] = value


def total(messages: Iterable[JSON]) -> Usage:
    """Return the sum of the counts of messages.

    Claude counts cached tokens besides `input_tokens`; OpenAI includes them in `prompt_tokens`.
    """
    prompt = completion = cache_reads = cache_writes = reasoning = hour = searches = 0
    for counts in messages:
        from_cache = count(counts.get("cache_read_input_tokens"))
        to_cache = count(counts.get("cache_creation_input_tokens"))
        output = count(counts.get("output_tokens"))
        cache_reads += from_cache
        cache_writes += to_cache
        prompt += count(counts.get("input_tokens")) + from_cache + to_cache
        completion += output
        reasoning += min(count(member(counts, "output_tokens_details").get("thinking_tokens")), output)
        hour += count(member(counts, "cache_creation").get("ephemeral_1h_input_tokens"))
        searches += count(member(counts, "server_tool_use").get("web_search_requests"))
    extra = {
        "cache_read_input_tokens": cache_reads,
        "cache_creation_input_tokens": cache_writes,
        "ephemeral_1h_input_tokens": hour,
        "web_search_requests": searches,
    }
    return Usage(
        prompt=prompt,
        completion=completion,
        prompt_details={"cached_tokens": cache_reads, "cache_write_tokens": cache_writes},
        completion_details={"reasoning_tokens": reasoning},
        extra={name: tokens for name, tokens in extra.items() if tokens},
    )
