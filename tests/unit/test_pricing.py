"""The cost of a request: every part of a price, its tiers, and exact sums."""

from __future__ import annotations

from datetime import date

import pytest

from vertex_compat.model_profile import LongContext, Price
from vertex_compat.routing import pricing
from vertex_compat.routing.catalog import Catalog
from vertex_compat.types import Units, Usage

DAY = date(2026, 11, 26)
FLASH = Price(
    input=0.75, cached_input=0.075, output=3.75, audio_input=1.0, flex=0.5, priority=1.8, regional=1.1
)


def cost(price, usage, *, location="global", tier=None, day=DAY):
    return pricing.cost(price, [usage], location=location, tier=tier, day=day)


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (Usage(1_000_000, 0), 750_000_000),
        (Usage(0, 1_000_000), 3_750_000_000),
        (Usage(1000, 100), 750_000 + 375_000),
        (Usage(1000, 0, {"cached_tokens": 400}), 600 * 750 + 400 * 75),
        (Usage(1000, 0, {"audio_tokens": 200}), 800 * 750 + 200 * 1000),
        (Usage(10, 500, {}, {"reasoning_tokens": 400}), 7500 + 500 * 3750),
        (Usage(1, 0), 750),
    ],
)
def test_parts_of_a_request_have_their_own_rates(usage, nano):
    assert cost(FLASH, usage) == nano


@pytest.mark.parametrize(
    ("location", "tier", "factor"),
    [
        ("global", None, 1),
        ("europe-west4", None, 1.1),
        ("global", "flex", 0.5),
        ("us", "priority", 1.8 * 1.1),
        ("global", "default", 1),
    ],
)
def test_tier_and_location_multiply_the_price(location, tier, factor):
    assert cost(FLASH, Usage(1_000_000, 0), location=location, tier=tier) == round(750_000_000 * factor)


def test_long_prompt_has_its_rates_for_all_tokens():
    price = Price(
        input=1,
        output=2,
        cached_input=0.1,
        long_context=LongContext(above=200_000, input=2, output=3, cached_input=0.2),
    )

    assert cost(price, Usage(200_000, 10)) == 200_000 * 1000 + 10 * 2000
    assert cost(price, Usage(200_001, 10, {"cached_tokens": 1})) == 200_000 * 2000 + 200 + 10 * 3000


def test_cache_writes_of_claude_have_two_rates():
    price = Price(input=2, output=10, cached_input=0.1, cache_write=2.5, cache_write_hour=4)
    usage = Usage(
        100, 0, {"cached_tokens": 10, "cache_write_tokens": 50}, extra={"ephemeral_1h_input_tokens": 20}
    )

    assert cost(price, usage) == 40 * 2000 + 10 * 100 + 30 * 2500 + 20 * 4000


def test_part_without_a_price_is_taken_at_the_plain_rate():
    assert cost(Price(input=1, output=2), Usage(10, 10, {"cached_tokens": 5}, {"audio_tokens": 5})) == 30_000


@pytest.mark.parametrize("price", [None, Price(), Price(input=1)])
def test_unknown_price_is_no_cost(price):
    assert cost(price, Usage(10, 10)) is None


def test_request_without_counts_has_no_cost():
    assert pricing.cost(FLASH, [], location="global", tier=None, day=DAY) is None


def test_web_searches_are_paid_each():
    usage = Usage(0, 0, extra={"web_search_requests": 3})

    assert cost(Price(input=1, output=1, search=0.014), usage) == 42_000_000


def test_announced_price_holds_from_its_day():
    price = Catalog().profile("google", "gemini-4-argon").price

    assert cost(price, Usage(1_000_000, 0), day=date(2026, 11, 30)) == 2_000_000_000
    assert cost(price, Usage(1_000_000, 0), day=date(2026, 12, 1)) == 4_000_000_000


# Units


@pytest.mark.parametrize(
    ("price", "units", "nano"),
    [
        (Price(characters=30), Units(characters=1000), 30_000_000),
        (Price(image=0.04), Units(images=3), 120_000_000),
        (Price(image_input=0.0001, characters=0.2), Units(characters=500, image_inputs=2), 300_000),
        (Price(second=0.4), Units(seconds=4.5), 1_800_000_000),
        (Price(page=0.0005), Units(pages=7), 3_500_000),
        (Price(item=0.001), Units(items=2), 2_000_000),
        (Price(second=0.4, variants={"4k": Price(second=0.6)}), Units(seconds=1, variant="4k"), 600_000_000),
        (Price(second=0.4, variants={"4k": Price()}), Units(seconds=1, variant="720p"), 400_000_000),
        (Price(second=0.4, variants={"4k": Price()}), Units(seconds=1, variant="4k"), None),
        (Price(characters=0.2), Units(characters=500, seconds=3), None),
        (Price(characters=0.2), Units(), None),
        (Price(input=1, output=2), Units(images=1), None),
    ],
)
def test_units_have_their_rates(price, units, nano):
    assert pricing.cost(price, [], units, location="global", tier=None, day=DAY) == nano


@pytest.mark.parametrize(
    ("price", "nano"),
    [
        (Price(image=0.04), 40_000_000),  # tokens without a price are not what is paid
        (Price(input=1, output=2), 30_000),
        (Price(input=1, output=2, image=0.04), 40_030_000),
    ],
)
def test_price_selects_tokens_or_units(price, nano):
    usages, units = [Usage(10, 10)], Units(images=1)

    assert pricing.cost(price, usages, units, location="global", tier=None, day=DAY) == nano


def test_tokens_without_any_rate_cost_nothing_known():
    price = Catalog().profile("google", "multimodalembedding@001").price

    assert cost(price, Usage(0, 0)) is None


@pytest.mark.parametrize(
    ("price", "units", "nano"),
    [
        (Price(item=0.06), Units(items=1), 60_000_000),
        (Price(item=0.06), None, None),
        (Price(input=1, output=2), None, 100 * 1000 + 10 * 2000),
        (Price(input=1, output=2, image_output=60), None, 100 * 1000 + 10 * 60_000),
        (Price(output=12, audio_input=2), None, 100 * 2000 + 10 * 12_000),
        (Price(input=1, output=2, priority=1.8, regional=1.1), None, 237_600),
    ],
)
def test_reservation_is_at_the_dearest_rates(price, units, nano):
    assert pricing.max_cost(price, 100, 10, units, day=DAY) == nano
