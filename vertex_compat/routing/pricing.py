"""The cost of a request, from the counts that Vertex answered and the model's prices.

Amounts are whole nano-dollars (a billionth of a US dollar), so that sums are exact. A part of the price that
is not known is taken at the price of the plain tokens; a model without a price costs None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from typing import Final

from vertex_compat.model_profile import LongContext, Price
from vertex_compat.types import Usage

NANO: Final = 1_000_000_000
"""Nano-dollars in a dollar."""

_PER_MILLION: Final = NANO / 1_000_000


def cost(
    price: Price | None, usages: Iterable[Usage], *, location: str, tier: str | None, day: date
) -> int | None:
    """Return the nano-dollars of all answers to a request; None if the price is not known.

    `tier` is `flex`, `priority` or `batch`; other values stand for the standard price.
    """
    if price is None:
        return None
    price = on(price, day)
    parts = [_tokens(price, usage) for usage in usages]
    if not parts or None in parts:
        return None
    factor = _tier(price, tier) * (1.0 if location == "global" else price.regional)
    total = sum(part for part in parts if part is not None)
    return math.ceil(round(total * factor * _PER_MILLION, 3))


def on(price: Price, day: date) -> Price:
    """Return the price that holds on a day."""
    while price.until and price.later and day >= price.until:
        price = price.later
    return price


def reserved(price: Price, prompt: int, completion: int, *, day: date) -> int | None:
    """Return the nano-dollars to reserve for a request of at most so many tokens, at the dearest tier.

    None for models that are not paid by tokens: what they cost cannot be counted.
    """
    price = on(price, day)
    rates = _rates(price, prompt)
    if rates.input is None:
        return None
    factor = max(price.priority or 1.0, 1.0) * price.regional
    return math.ceil((prompt * rates.input + completion * (rates.output or 0)) * factor * _PER_MILLION)


def _tier(price: Price, tier: str | None) -> float:
    factor = {"flex": price.flex, "priority": price.priority, "batch": price.batch}.get(tier or "")
    return factor if factor is not None else 1.0


def _tokens(price: Price, usage: Usage) -> float | None:
    """Return the price of one answer in millionths of a dollar.

    OpenAI counts cached, written and audio tokens inside the prompt, reasoning, audio and image tokens inside
    the completion.
    """
    prompt, completion = usage.prompt_details, usage.completion_details
    rates = _rates(price, usage.prompt)
    read, written = prompt.get("cached_tokens", 0), prompt.get("cache_write_tokens", 0)
    hour = min(usage.extra.get("ephemeral_1h_input_tokens", 0), written)
    parts = (
        (read, rates.cached_input),
        (written - hour, rates.cache_write),
        (hour, rates.cache_write_hour),
        (prompt.get("audio_tokens", 0), price.audio_input),
    )
    spoken, drawn = completion.get("audio_tokens", 0), completion.get("image_tokens", 0)
    thought = completion.get("reasoning_tokens", 0) if price.reasoning is not None else 0
    written_parts = ((spoken, price.audio_output), (drawn, price.image_output), (thought, price.reasoning))
    input_cost = _sum(usage.prompt, rates.input, parts)
    answered = _sum(usage.completion, rates.output, written_parts)
    if input_cost is None or answered is None:
        return None
    return input_cost + answered + usage.extra.get("web_search_requests", 0) * (price.search or 0) * 1_000_000


def _rates(price: Price, prompt: int) -> Price | LongContext:
    long = price.long_context
    return long if long and prompt > long.above else price


def _sum(total: int, rate: float | None, parts: Iterable[tuple[int, float | None]]) -> float | None:
    """Return the price of `total` tokens, of which each of `parts` has a rate of its own if it is known."""
    special = [(count, own) for count, own in parts if count and own is not None]
    plain = max(0, total - sum(count for count, _ in special))
    if plain and rate is None:
        return None
    return plain * (rate or 0) + sum(count * own for count, own in special)
