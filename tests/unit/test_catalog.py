"""The catalog: its rows, unknown names, replacements, corrections of the settings file."""

from __future__ import annotations

from datetime import date

import pytest

from vertex_compat import errors
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import catalog, model_names
from vertex_compat.routing.catalog import Catalog

ROWS = sorted(catalog.data().models)
CHECKED = catalog.data().checked


def replacements() -> list[tuple[str, str]]:
    rows = ((name, row["successor"]) for name, row in catalog.data().models.items() if "successor" in row)
    return sorted([*rows, *catalog.data().retired.items()])


@pytest.mark.parametrize("qualified", ROWS)
def test_every_row_is_a_profile_with_a_source(qualified):
    profile = Catalog().profile(*catalog.address(qualified))

    assert profile.source
    assert profile.source.startswith("https://")
    assert profile.locations


@pytest.mark.parametrize("qualified", ROWS)
def test_every_row_is_reached_by_its_client_name(qualified):
    name = catalog.client_name(qualified)
    try:
        model = model_names.resolve(name)
    except errors.NotFound:
        assert catalog.data().models[qualified].get("listed") is False
        return

    assert catalog.qualify(model.publisher, model.name.partition("@")[0]) == qualified.partition("@")[0]


@pytest.mark.parametrize(("old", "new"), replacements())
def test_every_replacement_is_a_current_model(old, new):
    model = model_names.resolve(new)
    profile = Catalog().profile(model.publisher, model.name)

    assert old != new
    assert profile.price is not None
    assert profile.retires is None or profile.retires > CHECKED
    assert Catalog().replacement(new) is None


@pytest.mark.parametrize(
    ("publisher", "unknown", "newest"),
    [
        ("anthropic", "claude-opus-9", "claude-opus-5-5"),
        ("anthropic", "claude-novel-7-1", "claude-opus-5-5"),
        ("google", "gemini-5-xenon", "gemini-4-argon"),
        ("google", "gemini-3.9-flash", "gemini-3.8-flash"),
    ],
)
def test_unknown_model_of_a_family_has_its_newest_rules(publisher, unknown, newest):
    profile, newest_profile = (Catalog().profile(publisher, name) for name in (unknown, newest))

    assert profile.price is None
    for field in (
        "sampling",
        "must_end_with_user",
        "thinking",
        "supports_forced_tools",
        "takes_penalties",
        "requires_signatures",
    ):
        assert getattr(profile, field) == getattr(newest_profile, field), field


@pytest.mark.parametrize(
    ("publisher", "name"),
    [("google", "8791234567"), ("google", "gemini-flash-latest"), ("anthropic", "claude-opus")],
)
def test_name_without_a_version_has_rules_that_all_accept(publisher, name):
    profile = Catalog().profile(publisher, name)

    assert profile.generation is None
    assert not profile.must_end_with_user
    assert not profile.requires_signatures


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("claude-opus-5-5@default", "claude-opus-5-5"),
    ],
)
def test_dated_version_has_the_row_of_its_model(name, same_as):
    assert Catalog().profile("anthropic", name) == Catalog().profile("anthropic", same_as)


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("claude-3-5-sonnet-20241022", "claude-sonnet-5-5"),
        ("google/gemini-2.5-pro", "gemini-3.5-flash"),
        ("vertex_ai/claude-haiku-4-5@20251001", "claude-haiku-5-5"),
        ("meta/llama-3.1-8b-instruct-maas", "meta/llama-4-maverick-17b-128e-instruct-maas"),
        ("codestral-2@001", None),
        ("claude-opus-4-8", None),
        ("gemini-3.8-flash-001", None),
        ("nobody/knows-this", None),
    ],
)
def test_replacement_of_a_client_name(name, replacement):
    assert Catalog().replacement(name) == replacement


def test_listed_models_are_current_and_resolve():
    names = list(Catalog().names())

    assert names[0] == "gemini-3.8-flash"
    for name in names:
        assert Catalog().replacement(name) is None
        assert model_names.resolve(name).publisher in PUBLISHERS


def test_correction_adds_a_model_and_changes_one():
    corrected = Catalog(
        {
            "claude-opus-9": {"supports_forced_tools": True, "locations": ["us-east5"]},
            "gemini-3.8-*": {"price": {"input": 1.0, "output": 2.0}},
        }
    )

    assert corrected.profile("anthropic", "claude-opus-9").supports_forced_tools
    assert corrected.profile("anthropic", "claude-opus-9").locations == ("us-east5",)
    price = corrected.profile("google", "gemini-3.8-flash").price
    assert price
    assert (price.input, price.output, price.cached_input) == (1.0, 2.0, None)
    assert not Catalog().profile("anthropic", "claude-opus-9").supports_forced_tools


def test_retirement_is_a_date():
    assert Catalog().profile("google", "gemini-3.7-flash").retires == date(2027, 1, 28)


def test_model_of_the_settings_file_is_listed():
    names = list(
        Catalog(
            {"claude-opus-9": {}, "gemini-*": {}, "gemini-3.8-flash": {}, "x/y": {"listed": False}}
        ).names()
    )

    assert names.count("claude-opus-9") == 1
    assert names.count("gemini-3.8-flash") == 1
    assert not {"gemini-*", "x/y"} & set(names)


def test_tuned_endpoint_is_corrected_by_its_client_name():
    corrected = Catalog({"gemini/8791234567": {"must_end_with_user": True}})

    assert corrected.profile("google", "8791234567").must_end_with_user


def test_tuned_endpoint_answers_schemas_beside_tools_with_a_tool():
    profile = Catalog().profile("google", "8791234567")

    assert not profile.supports_structured_outputs_with_tools
