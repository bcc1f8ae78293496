"""Count the tokens of a `usageMetadata` as OpenAI does.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/GenerateContentResponse#UsageMetadata
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from vertex_compat.json_values import count, enum, integer, items, text
from vertex_compat.types import JSON, Usage

MODALITIES: Final = ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT")
"""The enum by its numbers."""

TOTALS: Final = frozenset({"promptTokenCount", "totalTokenCount"})
"""One of them is in every final count; the chunks of a stream may have other counts, or none."""

TIERS: Final = {
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
    "PROVISIONED_THROUGHPUT": "scale",
}
"""`trafficType` → OpenAI's `service_tier`."""


def usage(counts: JSON) -> Usage:
    """Return OpenAI's counts: thoughts belong to the completion, tokens of tools to the prompt.

    Where the prompt's count or the completion's is unreadable, it is what the total leaves.
    """
    thoughts, tools = count(counts.get("thoughtsTokenCount")), count(counts.get("toolUsePromptTokenCount"))
    prompt = count(counts.get("promptTokenCount")) + tools
    completion = count(counts.get("candidatesTokenCount")) + thoughts
    total = count(counts.get("totalTokenCount"))
    if integer(counts.get("promptTokenCount")) is None:
        prompt = max(total - completion, prompt)
    elif integer(counts.get("candidatesTokenCount")) is None:
        completion = max(total - prompt, completion)
    details = [*items(counts.get("promptTokensDetails")), *items(counts.get("toolUsePromptTokensDetails"))]
    return Usage(
        prompt=prompt,
        completion=completion,
        prompt_details={
            "cached_tokens": min(count(counts.get("cachedContentTokenCount")), prompt),
            **_by_modality(details, prompt),
        },
        completion_details={
            "reasoning_tokens": min(thoughts, completion),
            **_by_modality(items(counts.get("candidatesTokensDetails")), completion),
        },
        service_tier=TIERS.get(text(counts.get("trafficType"))),
    )


def _by_modality(details: Iterable[JSON], total: int) -> dict[str, int]:
    """Return the tokens of each modality but text, none of them more than all together."""
    tokens: dict[str, int] = {}
    for detail in details:
        modality = enum(detail.get("modality"), MODALITIES) or "TEXT"
        if (token_count := count(detail.get("tokenCount"))) and modality != "TEXT":
            name = f"{modality.lower()[:64]}_tokens"
            tokens[name] = min(tokens.get(name, 0) + token_count, total)
    return tokens


def total(usages: Sequence[Usage]) -> Usage:
    """Return the sum; each call of an answer is billed with its prompt and the text so far."""
    if len(usages) == 1:
        return usages[0]
    return Usage(
        sum(usage.prompt for usage in usages),
        sum(usage.completion for usage in usages),
        _sums([usage.prompt_details for usage in usages]),
        _sums([usage.completion_details for usage in usages]),
    )


def _sums(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for count in counts for name in count)
    return {name: sum(count.get(name, 0) for count in counts) for name in names}
