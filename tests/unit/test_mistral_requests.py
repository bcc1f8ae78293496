"""Requests to Mistral have nothing that it refuses."""

import re

import pytest
from helpers.fixtures import RecordingTransport, function, post, question, upstream_call


def translated(**more):
    return upstream_call(question("mistralai", **more))


@pytest.mark.parametrize("identity", ["call_1", "toolu_vrtx_01A", "null", "é", "x" * 2000, "123456789"])
def test_call_ids_become_nine_alphanumerics_consistently(identity):
    call = {"id": identity, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": identity, "content": "Yes"},
    ]
    _, called, result = translated(messages=messages).body["messages"]
    call_id = called["tool_calls"][0]["id"]
    assert re.fullmatch("[a-zA-Z0-9]{9}", call_id)
    assert result["tool_call_id"] == call_id
    assert call_id == identity or not re.fullmatch("[a-zA-Z0-9]{9}", identity)


def test_mistral_s_own_parameters_are_sent():
    call = translated(safe_prompt=True, prompt_mode="reasoning")
    assert call.body["safe_prompt"] is True
    assert call.body["prompt_mode"] == "reasoning"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "any"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_the_choice_of_tools_in_mistral_s_words(choice, expected):
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]
    assert translated(tools=tools, tool_choice=choice).body["tool_choice"] == expected


def test_a_choice_among_some_of_the_tools_leaves_the_others_out():
    tools = [{"type": "function", "function": {"name": name}} for name in "fgh"]
    some = {"mode": "required", "tools": [{"type": "function", "function": {"name": name}} for name in "fh"]}
    body = translated(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": some}).body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f", "h"]
    assert body["tool_choice"] == "any"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "gs://bucket/cat.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ],
)
def test_a_file_that_mistral_does_not_take_is_named(part):
    notes = RecordingTransport()
    answer = post(function(notes), question("mistralai", messages=[{"role": "user", "content": [part]}]))
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == "messages[0].content[0]"
    assert not notes.calls


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("mistral-medium-3-5", "high", "high"),
        ("mistral-medium-3-5", "none", "none"),
        ("mistral-small-2603", "minimal", "none"),
        ("mistral-small-2603@001", "low", "high"),
        ("mistral-small-2603", "max", "high"),
        ("mistral-large-4-0", "medium", "medium"),
        ("mistral-large-4", "minimal", "low"),
        ("mistral-large-4", "xhigh", "high"),
        ("mistral-medium-3", "high", None),
        ("mistral-large-2411", "high", None),
        ("magistral-medium-2509", "high", None),
        ("codestral-2", "none", None),
    ],
)
def test_effort_becomes_nearest_level_and_is_named_as_ignored(model, effort, expected):
    call = translated(model=model, reasoning_effort=effort)
    assert call.body.get("reasoning_effort") == expected
    assert ("reasoning_effort" in call.ignored) == (expected != effort)


def test_a_model_that_reasons_at_will_does(app):
    body = question("mistralai", model="mistral-medium-3-5", reasoning_effort="high")
    message = post(app, body).json["choices"][0]["message"]
    assert message["reasoning_content"]
    assert message["content"]
