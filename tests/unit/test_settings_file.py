"""The settings file: what it takes, and the one sentence with which it stops the start."""

import tomllib

import pytest

from vertex_compat.config.settings import InvalidSetting, Settings
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import rules

EXAMPLE = """
project = "my-project"
location = "europe-west4"
fallback_locations = ["europe-west1"]
allow = ["gemini-*", "gpt-4o", "fast"]
labels = { team = "search" }

[publishers.anthropic]
location = "us-east5"

[models."gpt-4o"]
targets = [
    { model = "claude-sonnet-5-5", weight = 3 },
    { model = "gemini-4-argon", location = "global" },
]
fallbacks = ["fast"]

[models.fast]
target = "gemini-3.8-flash"
defaults = { temperature = 0.2 }
safety_settings = [{ category = "HARM_CATEGORY_HARASSMENT", threshold = "BLOCK_NONE" }]

[keys.search]
models = ["fast"]
"""


def parse(text):
    return rules.parse(tomllib.loads(text))


def test_a_whole_file_is_read():
    parsed = parse(EXAMPLE)
    assert parsed.file.project == "my-project"
    assert parsed.publishers["anthropic"].location == "us-east5"
    assert [target.weight for target in parsed.models["gpt-4o"].targets] == [3, 1]
    assert parsed.models["fast"].defaults == {"temperature": 0.2}
    assert parsed.keys["search"].models == ("fast",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lcoation = 'us'", "the file: object contains unknown field `lcoation`"),
        ("location = 'nowhere'", "the file: 'nowhere' is not a location"),
        ("location = 'us-central1.evil.example/'", "is not a location"),
        ("project = '../x'", "the file: '../x' is not a project id"),
        ("fallback_locations = ['us']", "the file: fallback_locations needs a location"),
        (
            "[publishers.antropic]\nlocation = 'us'",
            "[publishers.antropic] is not a publisher; they are ai21, anthropic",
        ),
        ("[publishers.google]\nwieght = 1", "[publishers.google]: object contains unknown field `wieght`"),
        ("[models.a]\ntarget = 3", '[models."a"], target: expected `str | null`, got `int`'),
        (
            "[models.a]\ntarget = 'no-such-model'",
            "[models.\"a\"] leads to 'no-such-model', which is not a model name",
        ),
        (
            "[models.a]\ntargets = [{ model = 'gemini-4-argon', weight = 0 }]",
            "weight: expected `float` > 0.0",
        ),
        (
            "[models.a]\ntarget = 'gemini-4-argon'\ntargets = [{ model = 'gemini-4-argon' }]",
            "both target and targets",
        ),
        ("[models.a]\ntarget = 'b'\n[models.b]\ntarget = 'a'", "[models] lead in a circle: a → b → a"),
        (
            "[models.a]\ntarget = 'gemini-4-argon'\nfallbacks = ['b']\n[models.b]\ntarget = 'a'",
            "lead in a circle",
        ),
        ("[models.'gemini-4-argon']\nfallbacks = ['gemini-4-argon']", "falls back to itself"),
        ("[catalog.nothing]\nsampling = 'all'", '[catalog."nothing"] is not a model name'),
        ("[catalog.'gemini-*']\nsampling = 'some'", '[catalog."gemini-*"], sampling: invalid enum value'),
        ("[catalog.'claude-opus-9']\nprice = { inputs = 1 }", "unknown field `inputs`"),
        ("[keys.team]\nmodel = ['x']", "[keys.team]: object contains unknown field `model`"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(text, says):
    with pytest.raises(rules.ConfigError) as wrong:
        parse(text)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_file_that_is_not_toml_stops_the_start_with_its_name(tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text("location = ")
    with pytest.raises(InvalidSetting, match=r"^vertex_compat\.toml is not valid TOML: .*\.$"):
        Settings.from_env({"VERTEX_COMPAT_CONFIG": str(path)})


def test_missing_named_settings_file_stops_start(tmp_path):
    with pytest.raises(InvalidSetting, match=r"VERTEX_COMPAT_CONFIG names .*No such file"):
        Settings.from_env({"VERTEX_COMPAT_CONFIG": str(tmp_path / "missing.toml")})


def test_the_publishers_of_the_file_are_those_of_the_function():
    assert PUBLISHERS.keys() == rules.PUBLISHERS
