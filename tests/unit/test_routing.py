"""A client's model name → the models to try, in order."""

import tomllib
import tracemalloc
from collections import Counter

import pytest

from vertex_compat import errors
from vertex_compat.routing import rules
from vertex_compat.routing.router import MAX_CACHED_NAMES, Router


def router(text="", project=None, location=None):
    return Router(rules.parse(tomllib.loads(text)), project, location)


def for_key(routes, key):
    """The router for a key with the rule that the file has for it."""
    return routes.for_key(key, routes.config.keys.get(key))


def names(plan):
    return [model.name for model in plan]


def test_with_no_settings_a_model_is_called_where_it_is_offered():
    (model,) = router().candidates("claude-sonnet-5-5")
    assert (model.locations[0], model.location_pinned, model.project) == ("global", False, None)


def test_a_location_that_is_set_replaces_those_of_the_model():
    (model,) = router(location="europe-west1").candidates("gemini-3.8-flash")
    assert (model.locations, model.location_pinned) == (("europe-west1",), True)


def test_the_environment_overrules_the_file():
    (model,) = router("project = 'in-the-file'\nlocation = 'us'", "in-the-env", "eu").candidates(
        "gemini-3.8-flash"
    )
    assert (model.project, model.locations) == ("in-the-env", ("eu",))


def test_a_location_is_left_only_for_its_fallbacks():
    (model,) = router("location = 'eu'\nfallback_locations = ['europe-west4']").candidates("gemini-3.8-flash")
    assert model.locations == ("eu", "europe-west4")


def test_the_nearest_place_counts():
    text = """
    location = "us"
    [publishers.anthropic]
    location = "us-east5"
    [models."claude-opus-5-5"]
    location = "eu"
    """
    routes = router(text)
    assert routes.candidates("claude-opus-5-5")[0].locations == ("eu",)
    assert routes.candidates("claude-sonnet-5-5")[0].locations == ("us-east5",)
    assert routes.candidates("gemini-4-argon")[0].locations == ("us",)


def test_an_alias_answers_under_the_name_that_was_asked():
    (model,) = router("[models.gpt-4o]\ntarget = 'gemini-4-argon'").candidates("gpt-4o")
    assert (model.requested_name, model.name, model.publisher) == ("gpt-4o", "gemini-4-argon", "google")


def test_outer_alias_overrides_the_inner_one():
    text = """
    [models.a]
    target = "b"
    project = "project-of-a"
    defaults = { temperature = 0.1 }
    [models.b]
    target = "gemini-4-argon"
    project = "project-of-b"
    location = "eu"
    defaults = { temperature = 0.9, top_p = 0.5 }
    """
    (model,) = router(text).candidates("a")
    assert (model.requested_name, model.project, model.locations) == ("a", "project-of-a", ("eu",))
    assert model.defaults == {"temperature": 0.1, "top_p": 0.5}


def test_targets_are_used_by_weight():
    text = """
    [models.m]
    targets = [{ model = "gemini-4-argon", weight = 9 }, { model = "claude-sonnet-5-5" }]
    """
    routes = router(text)
    first = Counter(names(routes.candidates("m"))[0] for _ in range(2000))
    assert set(first) == {"gemini-4-argon", "claude-sonnet-5-5"}
    assert 1600 < first["gemini-4-argon"] < 1960


def test_fallbacks_come_after_all_targets():
    text = """
    [models.m]
    targets = [{ model = "gemini-4-argon" }, { model = "claude-sonnet-5-5" }]
    fallbacks = ["gemini-3.8-flash"]
    """
    for _ in range(20):
        plan = names(router(text).candidates("m"))
        assert len(plan) == 3
        assert plan[2] == "gemini-3.8-flash"


def test_failed_target_is_the_last_candidate():
    text = (
        "[models.m]\ntargets = [{ model = 'gemini-4-argon', weight = 1000 }, { model = 'gemini-3.8-flash' }]"
    )
    routes = router(text)
    failing = next(model for model in routes.candidates("m") if model.name == "gemini-4-argon")
    routes.mark_failed(failing)
    assert names(routes.candidates("m")) == ["gemini-3.8-flash", "gemini-4-argon"]


def test_one_model_in_two_projects_is_two_targets():
    text = """
    [models.m]
    targets = [
        { model = "gemini-4-argon", project = "project-one" },
        { model = "gemini-4-argon", project = "project-two", impersonate = "a@b.iam.gserviceaccount.com" },
    ]
    """
    plan = router(text).candidates("m")
    assert {(model.project, model.impersonate_account) for model in plan} == {
        ("project-one", None),
        ("project-two", "a@b.iam.gserviceaccount.com"),
    }


def test_safety_settings_and_labels_hold_for_google_alone():
    text = """
    labels = { team = "search" }
    safety_settings = [{ category = "HARM_CATEGORY_HARASSMENT", threshold = "OFF" }]
    """
    routes = router(text)
    assert routes.candidates("gemini-4-argon")[0].defaults["labels"] == {"team": "search"}
    assert routes.candidates("claude-sonnet-5-5")[0].defaults == {}


def test_a_name_that_is_not_allowed_is_refused():
    with pytest.raises(errors.Forbidden) as refused:
        router("allow = ['gemini-*']").candidates("claude-sonnet-5-5")
    assert refused.value.param == "model"


def test_a_key_may_be_allowed_fewer_models():
    routes = router("[keys.search]\nmodels = ['gemini-*-flash']", None, None)
    assert for_key(routes, "search").candidates("gemini-3.8-flash")
    assert for_key(routes, "other").candidates("gemini-4-argon")
    with pytest.raises(errors.Forbidden):
        for_key(routes, "search").candidates("gemini-4-argon")


def test_failed_target_is_shared_by_all_keys():
    text = """
    [keys.search]
    models = ["m"]
    [models.m]
    targets = [{ model = "gemini-4-argon", weight = 1000 }, { model = "gemini-3.8-flash" }]
    """
    routes = router(text)
    seen = for_key(routes, "search")
    seen.mark_failed(next(model for model in seen.candidates("m") if model.name == "gemini-4-argon"))
    assert names(routes.candidates("m"))[0] == "gemini-3.8-flash"


@pytest.mark.parametrize("key", [None, "search"])
def test_names_without_end_take_no_memory_without_end(key):
    routes = router("[keys.search]\nmodels = ['publisher/*']")

    def ask(numbers):
        for number in numbers:
            for_key(routes, key).candidates(f"publisher/{'model' * 10}-{number}")
            with pytest.raises(errors.ApiError):
                for_key(routes, key).candidates(f"nothing-{number}")

    ask(range(MAX_CACHED_NAMES + 500))
    tracemalloc.start()
    try:
        ask(range(10_000, 10_000 + 3 * MAX_CACHED_NAMES))
        grown, _ = tracemalloc.get_traced_memory()
        ask(range(20_000, 20_000 + 3 * MAX_CACHED_NAMES))
        assert tracemalloc.get_traced_memory()[0] < grown * 1.1 + 50_000
    finally:
        tracemalloc.stop()


def test_targets_are_cached_per_key():
    routes = router("[keys.search]\nmodels = ['gemini-*-flash']")
    assert routes.candidates("gemini-4-argon")
    with pytest.raises(errors.Forbidden):
        for_key(routes, "search").candidates("gemini-4-argon")
    assert for_key(routes, "other").candidates("gemini-4-argon")
