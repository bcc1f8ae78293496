"""Features of Claude that Vertex AI may refuse, and turns that it pauses."""

import json

import pytest
from helpers.fixtures import post

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
MESSAGES = [{"role": "user", "content": "Which city? Use the tool json_tool_call"}]


def chat(app, model, headers=None, **params):
    body = {"model": model, "messages": MESSAGES} | params
    return app.post("/v1/chat/completions", json=body, headers=headers)


def formatted(schema):
    return {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}


def text_of(stream):
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas), [reason for reason in finishes if reason]


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5", "claude-opus-5", "claude-sonnet-5-5", "claude-opus-5-5"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_structured_output_denied_by_policy_is_answered(app, emulator, model, stream):
    name = f"{model}-emulator-policy"
    calls = []
    for _ in range(2):
        emulator.forget_calls()
        answer = chat(app, name, response_format=formatted(SCHEMA), stream=stream)
        assert answer.status_code == 200, answer.json
        content = text_of(answer.text)[0] if stream else answer.json["choices"][0]["message"]["content"]
        assert json.loads(content).keys() == {"city"}
        calls.append(len(emulator.calls))
    assert calls[1] == 1  # the refusal is remembered


def test_array_is_wrapped_and_unwrapped(app, emulator):
    schema = {"type": "array", "items": {"type": "string"}}
    answer = chat(app, "claude-sonnet-5-5", response_format=formatted(schema))
    assert isinstance(json.loads(answer.json["choices"][0]["message"]["content"]), list)
    assert emulator.calls[-1].json["output_config"]["format"]["schema"]["type"] == "object"


def test_unknown_beta_in_the_header_is_tried_once(app, emulator):
    betas = {"anthropic-beta": "context-1m-2025-08-07,of-tomorrow-2027-01-01"}
    first = chat(app, "claude-haiku-5-5", betas)
    assert first.status_code == 200
    assert first.headers["x-vertex-compat-ignored"] == "anthropic_beta"
    assert [call.json["anthropic_beta"] for call in emulator.calls] == [
        ["context-1m-2025-08-07", "of-tomorrow-2027-01-01"],
        ["context-1m-2025-08-07"],
    ]
    emulator.forget_calls()
    second = chat(app, "claude-haiku-5-5", betas)
    assert second.headers["x-vertex-compat-ignored"] == "anthropic_beta"
    assert len(emulator.calls) == 1


@pytest.mark.parametrize("name", ["speed", "fallbacks", "inference_geo", "cache_control"])
def test_refused_parameter_is_left_out_and_named(app, emulator, name):
    values = {
        "speed": "fast",
        "fallbacks": "default",
        "inference_geo": "us",
        "cache_control": {"type": "ephemeral"},
    }
    answer = chat(app, "claude-opus-4-7", **{name: values[name]})
    assert answer.status_code == 200
    assert name in answer.headers["x-vertex-compat-ignored"]
    assert name in emulator.calls[0].json
    assert name not in emulator.calls[-1].json


def test_other_refusals_are_passed_on(app, emulator):
    answer = chat(app, "claude-opus-4-8-emulator-status-400", speed="fast")
    assert answer.status_code == 400
    assert len(emulator.calls) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("pauses", [1, 3])
def test_paused_turn_is_continued(app, emulator, pauses, stream):
    name = f"claude-opus-4-8-emulator-paused-{pauses}"
    answer = chat(app, name, web_search_options={}, stream=stream)
    searches = "".join(f"Search {number}. " for number in range(pauses, 0, -1))
    if stream:
        content, finishes = text_of(answer.text)
        assert finishes == ["stop"]
    else:
        content = answer.json["choices"][0]["message"]["content"]
        assert answer.json["choices"][0]["finish_reason"] == "stop"
        assert answer.json["usage"]["prompt_tokens"] > 2 * pauses
    assert content.startswith(f"{searches} You said")
    assert len(emulator.calls) == pauses + 1
    last = emulator.calls[-1].json["messages"][-1]
    assert last["role"] == "assistant"
    assert [block["type"] for block in last["content"]] == [
        "text",
        "server_tool_use",
        "web_search_tool_result",
    ] * pauses


def test_turn_that_pauses_for_ever_ends_as_too_long(app, emulator):
    answer = chat(app, "claude-opus-4-8-emulator-paused-99", web_search_options={})
    assert answer.json["choices"][0]["finish_reason"] == "length"
    assert len(emulator.calls) == 11


def test_searches_go_back_as_they_were(app, emulator):
    name = "claude-opus-4-8-emulator-paused-1"
    message = chat(app, name, web_search_options={}).json["choices"][0]["message"]
    emulator.forget_calls()
    history = [*MESSAGES, message, {"role": "user", "content": "Go on."}]
    answer = post(app, {"model": "claude-opus-4-8", "messages": history, "web_search_options": {}})
    assert answer.status_code == 200
    upstream_body = emulator.calls[-1].json["messages"][1]["content"]
    assert [block["type"] for block in upstream_body] == [
        "text",
        "server_tool_use",
        "web_search_tool_result",
        "text",
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_paused_turn_is_continued_for_responses(app, emulator, stream):
    body = {
        "model": "claude-opus-4-8-emulator-paused-2",
        "tools": [{"type": "web_search"}],
        "input": "find",
    }
    answer = app.post("/v1/responses", json=body | {"stream": stream})
    if stream:
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        response = events[-1]["response"]
    else:
        response = answer.json
    assert response["status"] == "completed"
    response_events = "".join(
        part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]
    )
    assert response_events.startswith("Search 2. Search 1. ")
    assert len(emulator.calls) == 3


def test_search_denied_by_policy_is_dropped_and_named(app, emulator):
    answer = chat(app, "claude-haiku-5-5-emulator-policy", web_search_options={})
    assert answer.status_code == 200
    assert answer.headers["x-vertex-compat-ignored"] == "web_search_options"
    assert "tools" not in emulator.calls[-1].json


def test_schema_refused_for_itself_is_not_remembered(app, emulator):
    schema = {"type": "object", "properties": {"too complex": {}}, "additionalProperties": False}
    for _ in range(2):
        emulator.forget_calls()
        assert chat(app, "claude-opus-4-5", response_format=formatted(schema)).status_code == 200
        assert ["output_config" in call.json for call in emulator.calls] == [True, False]
