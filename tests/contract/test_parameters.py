"""Every parameter of OpenAI's, and what each publisher makes of it: none is lost silently."""

import pytest
from helpers.fixtures import MODELS, RecordingTransport, function, post, question
from helpers.parameter_tables import OPENAI_PARAMETERS, TABLES

from vertex_compat.publishers import parameters

FUNCTION = {"name": "lookup", "description": "Looks up.", "parameters": {"type": "object", "properties": {}}}

PLAUSIBLE = {
    "audio": {"format": "wav", "voice": "alloy"},
    "frequency_penalty": 0.5,
    "function_call": "auto",
    "functions": [FUNCTION],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 17,
    "max_tokens": 17,
    "metadata": {"team": "a"},
    "modalities": ["text", "audio"],
    "moderation": {"model": "omni-moderation-latest"},
    "n": 2,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "Hello"},
    "presence_penalty": 0.5,
    "prompt_cache_key": "a",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "safety_identifier": "a",
    "seed": 7,
    "service_tier": "flex",
    "stop": ["END"],
    "store": True,
    "temperature": 0.5,
    "tool_choice": "none",
    "tools": [{"type": "function", "function": FUNCTION}],
    "top_logprobs": 3,
    "top_p": 0.5,
    "user": "ann",
    "verbosity": "low",
    "web_search_options": {},
}

ALONE = sorted(OPENAI_PARAMETERS - {"model", "messages", "stream", "stream_options"})

each_publisher = pytest.mark.parametrize("publisher", MODELS)


def upstream_calls(body):
    """The calls that a body leads to, or the error."""
    notes = RecordingTransport()
    answer = post(function(notes), body)
    return notes.calls, None if notes.calls else answer.json["error"]


@each_publisher
def test_every_parameter_has_one_place(publisher):
    table = TABLES[publisher]
    places = [
        set(table.renamed),
        table.handled,
        table.ignored,
        table.refused,
        parameters.HANDLED_BY_OPERATION,
    ]
    assert set().union(*places) >= OPENAI_PARAMETERS
    assert sum(map(len, places)) == len(set().union(*places))


def test_a_plausible_value_is_known_for_every_parameter():
    assert set(ALONE) == set(PLAUSIBLE)


@pytest.mark.parametrize("name", ALONE)
@each_publisher
def test_a_parameter_sent_alone_reaches_the_wire_or_is_named(publisher, name):
    bare, _ = upstream_calls(question(publisher))
    calls, error = upstream_calls(question(publisher, **{name: PLAUSIBLE[name]}))
    if error:
        assert error["param"] == name
        assert error["type"] == "invalid_request_error"
        return
    ignored = {param for call in calls for param in call.ignored}
    assert ignored <= {name}
    reached = len(calls) != len(bare) or wire(calls[0]) != wire(bare[0])
    assert reached != (name in ignored)


def wire(call):
    """Return the parts of a call that reach the publisher."""
    return call.path, call.body, dict(call.headers)


@pytest.mark.parametrize("name", ALONE)
@each_publisher
def test_parameter_is_in_the_set_that_its_table_names(publisher, name):
    table = TABLES[publisher]
    calls, error = upstream_calls(question(publisher, **{name: PLAUSIBLE[name]}))
    if name in table.refused:
        assert error
    elif name in table.ignored:
        assert calls[0].ignored == (name,)
    elif name in table.renamed and calls and name not in calls[0].ignored:
        assert table.renamed[name] in strings(calls[0].body)


NEUTRAL = [
    {"frequency_penalty": 0, "presence_penalty": 0},
    {"logprobs": False, "modalities": ["text"]},
    {"service_tier": "auto"},
    {"service_tier": "default"},
]
"""Parameters with values that change nothing, whether a model has the parameter or not."""


@pytest.mark.parametrize("params", NEUTRAL)
@each_publisher
def test_neutral_value_is_not_named_as_ignored(publisher, params):
    calls, _ = upstream_calls(question(publisher, **params))
    assert calls[0].ignored == ()


@pytest.mark.parametrize("choice", ["none", "auto"])
@pytest.mark.parametrize("model", ["gemini-3.8-flash", "claude-sonnet-5-5"])
def test_the_choice_of_a_search_is_obeyed(model, choice):
    calls, _ = upstream_calls(
        question("google", web_search_options={}, tool_choice=choice) | {"model": model}
    )
    has_tools = "tools" in calls[0].body and calls[0].body.get("tool_choice") != {"type": "none"}
    assert has_tools == (choice == "auto")
    assert calls[0].ignored == ()


def strings(value):
    """The names of all fields, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(strings, value.values()))
    return set().union(*map(strings, value)) if isinstance(value, list) else set()


SAMPLING = [
    "frequency_penalty",
    "logit_bias",
    "max_completion_tokens",
    "max_tokens",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "temperature",
    "top_p",
    "user",
    "metadata",
    "store",
    "service_tier",
    "verbosity",
    "safety_identifier",
]


@pytest.mark.parametrize("name", SAMPLING)
@each_publisher
def test_sent_parameters_are_accepted_by_publisher(app, publisher, name):
    answer = post(app, question(publisher, **{name: PLAUSIBLE[name]}))
    assert answer.status_code == 200, answer.json


@each_publisher
def test_zero_is_a_value(publisher):
    bare, _ = upstream_calls(question(publisher))
    for name in ("temperature", "seed"):
        calls, _ = upstream_calls(question(publisher, **{name: 0}))
        assert calls[0].ignored == (name,) or 0 in values(calls[0].body)
        assert 0 not in values(bare[0].body)


def values(value):
    """All numbers in a piece of JSON."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for item in inner for leaf in values(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


@each_publisher
def test_ignored_names_of_clients_are_a_safe_header(app, publisher):
    hostile = {"a\r\nSet-Cookie: x": 1, "é": 1, "x" * 5000: 1, "fine_name": 1, "store": True}
    answer = post(app, question(publisher, **hostile))
    if answer.status_code == 200:  # some publishers are sent what is not known, and may refuse it
        named = answer.headers["x-vertex-compat-ignored"]
        assert "store" in named
        assert "Set-Cookie" not in named
        assert len(named) < 5000


def test_unknown_parameters_are_sent_or_named():
    for publisher, table in TABLES.items():
        calls, _ = upstream_calls(question(publisher, of_tomorrow=1))
        if table.pass_unknown:
            assert calls[0].body["of_tomorrow"] == 1
        else:
            assert calls[0].ignored == ("of_tomorrow",)
