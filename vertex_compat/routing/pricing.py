"""The cost of a request, from the counts of tokens or other units and the model's prices.

Amounts are whole nano-dollars (a billionth of a US dollar), so that sums are exact. Tokens of a kind without
a price of its own have the price of plain tokens. An unknown cost is None, never 0. A model with prices for
tokens is paid by tokens, and by the other units that it has prices for. Every other model is paid by units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from typing import Final

from vertex_compat.model_profile import LongContext, Price
from vertex_compat.types import Units, Usage

NANO: Final = 1_000_000_000
"""Nano-dollars in a dollar."""

_PER_MILLION: Final = NANO / 1_000_000


def cost(
    price: Price | None,
    usages: Iterable[Usage],
    units: Units | None = None,
    *,
    location: str,
    tier: str | None,
    day: date,
) -> int | None:
    """Return the nano-dollars of all answers to a request; None if the price is not known.

    `tier` is `flex`, `priority` or `batch`; other values stand for the standard price.
    """
    if price is None:
        return None
    price = on(price, day)
    parts = _units(price, units)
    if _is_by_tokens(price):
        priced_tokens = [_tokens(price, usage) for usage in usages]
        parts = priced_tokens and [*priced_tokens, *(part for part in parts if part is not None)]
    factor = _tier(price, tier) * (1.0 if location == "global" else price.regional)
    return _total(parts, factor)


def on(price: Price, day: date) -> Price:
    """Return the price that holds on a day."""
    while price.until and price.later and day >= price.until:
        price = price.later
    return price


def max_cost(
    price: Price, prompt: int, completion: int, units: Units | None = None, *, day: date
) -> int | None:
    """Return the nano-dollars to reserve for these tokens, at the highest rates.

    None if the cost is unknown: the units of a model that is not paid by tokens, or their price.
    """
    price = on(price, day)
    parts = _units(price, units)
    if _is_by_tokens(price):
        rates = _rates(price, prompt)
        output_rates = (rates.output, price.reasoning, price.audio_output, price.image_output)
        tokens = prompt * (rates.input or price.audio_input or 0) + completion * max(
            map(_or_zero, output_rates)
        )
        parts = [tokens, *(part for part in parts if part is not None)]
    return _total(parts, max(price.priority or 1.0, 1.0) * price.regional)


def _or_zero(rate: float | None) -> float:
    return rate or 0.0


def _is_by_tokens(price: Price) -> bool:
    return price.input is not None or price.output is not None


def _units(price: Price, units: Units | None) -> list[float | None]:
    """Return the price of each quantity in millionths of a dollar; None where there is no rate."""
    if units is None:
        return []
    price = price.variants.get(units.variant, price)
    parts = (
        (units.characters, price.characters),
        (units.images * 1_000_000, price.image),
        (units.image_inputs * 1_000_000, price.image_input),
        (units.seconds * 1_000_000, price.second),
        (units.pages * 1_000_000, price.page),
        (units.items * 1_000_000, price.item),
    )
    return [None if rate is None else count * rate for count, rate in parts if count]


def _total(parts: list[float | None], factor: float) -> int | None:
    """Return the nano-dollars of prices in millionths of a dollar.

    None if one of them is None, or none.
    """
    prices = [part for part in parts if part is not None]
    if not parts or len(prices) < len(parts):
        return None
    return math.ceil(round(sum(prices) * factor * _PER_MILLION, 3))


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
    cached, cache_written = prompt.get("cached_tokens", 0), prompt.get("cache_write_tokens", 0)
    hour = min(usage.extra.get("ephemeral_1h_input_tokens", 0), cache_written)
    input_parts = (
        (cached, rates.cached_input),
        (cache_written - hour, rates.cache_write),
        (hour, rates.cache_write_hour),
        (prompt.get("audio_tokens", 0), price.audio_input),
    )
    audio, images = completion.get("audio_tokens", 0), completion.get("image_tokens", 0)
    reasoning = completion.get("reasoning_tokens", 0) if price.reasoning is not None else 0
    output_parts = ((audio, price.audio_output), (images, price.image_output), (reasoning, price.reasoning))
    input_cost = _sum(usage.prompt, rates.input, input_parts)
    output_cost = _sum(usage.completion, rates.output, output_parts)
    if input_cost is None or output_cost is None:
        return None
    return (
        input_cost + output_cost + usage.extra.get("web_search_requests", 0) * (price.search or 0) * 1_000_000
    )


def _rates(price: Price, prompt: int) -> Price | LongContext:
    long = price.long_context
    return long if long and prompt > long.above else price


def _sum(total: int, rate: float | None, parts: Iterable[tuple[int, float | None]]) -> float | None:
    """Return the price of `total` tokens; those in `parts` have rates of their own, if known."""
    special = [(count, own) for count, own in parts if count and own is not None]
    plain = max(0, total - sum(count for count, _ in special))
    if plain and rate is None:
        return None
    return plain * (rate or 0) + sum(count * own for count, own in special)
