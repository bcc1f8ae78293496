"""Tools and schemas as Claude takes them, and the client's own names in the answer."""

import json
import time

import pytest
from helpers.fixtures import CannedTransport, events_of, folded, function, post, upstream_call

from vertex_compat.publishers.anthropic.chat.chat import CHAT
from vertex_compat.routing.catalog import CATALOG
from vertex_compat.types import Model

SONNET = "claude-sonnet-5-5"
MESSAGES = [{"role": "user", "content": "Hi"}]


def tool(parameters, name="t", **more):
    return {"type": "function", "function": {"name": name, "parameters": parameters} | more}


def call(*tools, model=SONNET, **params):
    return upstream_call({"model": model, "messages": MESSAGES, "tools": [*tools]} | params)


def request(tools, refused, model=SONNET, **params):
    """The call for a model that has refused optional features."""
    resource = f"publishers/anthropic/models/{model}"
    profile = CATALOG.profile("anthropic", model)
    refused = frozenset(refused)
    target = Model(model, "anthropic", model, resource, ("us",), profile=profile, refused_features=refused)
    return CHAT.request({"model": model, "messages": MESSAGES, "tools": tools} | params, target)


def sent_schema(parameters):
    return call(tool(parameters)).body["tools"][0]["input_schema"]


def answer(tools, blocks, *, stream=False, **params):
    body = {"model": SONNET, "messages": MESSAGES, "tools": tools, "stream": stream} | params
    message = {"type": "message", "role": "assistant", "content": blocks, "stop_reason": "tool_use"}
    if not stream:
        reply = json.dumps(message | {"usage": {"input_tokens": 1, "output_tokens": 1}}).encode()
        return post(function(CannedTransport([reply], "application/json")), body).json
    events = [{"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 1}}}]
    for index, block in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block | {"input": {}}})
        data = json.dumps(block["input"])
        for piece in (data[:7], data[7:]):
            delta = {"type": "input_json_delta", "partial_json": piece}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    events.append(
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}
    )
    sse = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    data = post(function(CannedTransport([sse], "text/event-stream")), body).get_data()
    return folded([chunk for chunk in events_of(data) if chunk != "[DONE]"])


# Schemas


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"type": "object"}),
        (
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
            {"properties": {"a": {"type": "string"}}},
        ),
        ({"type": ["object", "null"], "properties": None}, {"type": "object"}),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "properties": {"a": {"items": [{"type": "string"}]}},
            },
            {"properties": {"a": {"prefixItems": [{"type": "string"}]}}},
        ),
        (
            {"properties": {"a": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}}},
            {"properties": {"a": {"type": "integer", "exclusiveMinimum": 0}}},
        ),
        (
            {"properties": {"a": {"type": "integer", "minimum": 0, "exclusiveMinimum": False}}},
            {"properties": {"a": {"type": "integer", "minimum": 0}}},
        ),
        (
            {"properties": {"a": {"type": "string", "required": True}, "b": {"required": False}}},
            {"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]},
        ),
        (
            {"properties": {"a": {"type": "string", "nullable": True}}},
            {"properties": {"a": {"type": ["string", "null"]}}},
        ),
        (
            {
                "allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"$ref": "#/$defs/b"}],
                "$defs": {"b": {"properties": {"b": {}}}},
            },
            {"properties": {"a": {}, "b": {}}, "required": ["a"], "$defs": {"b": {"properties": {"b": {}}}}},
        ),
    ],
)
def test_schema_becomes_an_object_of_draft_2020_12(parameters, expected):
    assert sent_schema(parameters) == {"type": "object"} | expected


def test_alternatives_at_the_root_are_merged_and_named():
    first = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "x": {"type": "string"}},
        "required": ["id", "x"],
    }
    other = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    upstream_call = call(tool({"anyOf": [first, other]}))
    assert upstream_call.body["tools"][0]["input_schema"] == {
        "type": "object",
        "properties": {"id": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "x": {"type": "string"}},
        "required": ["id"],
    }
    assert upstream_call.ignored == ("tools.function.parameters",)


def test_schema_that_refers_to_itself_is_bounded():
    parameters = {"anyOf": [{"$ref": "#"}] * 50, "properties": {"a": {}}}
    assert sent_schema(parameters)["properties"] == {"a": {}}


@pytest.mark.parametrize("stream", [False, True])
def test_property_names_are_sanitized_and_restored(stream):
    parameters = {
        "type": "object",
        "properties": {
            "filter[bundleId]": {"type": "string"},
            "$.xgafv": {"type": "object", "properties": {"a b": {}, "a/b": {}, "a_b": {}}},
        },
        "required": ["filter[bundleId]"],
    }
    schema = sent_schema(parameters)
    filter_name, xgafv = schema["properties"]
    assert filter_name == "filter_bundleId"
    assert schema["required"] == [filter_name]
    inner = [*schema["properties"][xgafv]["properties"]]
    assert len({*inner}) == 3
    assert "a_b" in inner
    block = {
        "type": "tool_use",
        "id": "1",
        "name": "t",
        "input": {filter_name: "x", xgafv: dict.fromkeys(inner, 1)},
    }
    message = answer([tool(parameters)], [block], stream=stream)["choices"][0]["message"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {
        "filter[bundleId]": "x",
        "$.xgafv": {"a b": 1, "a/b": 1, "a_b": 1},
    }


def test_arguments_of_earlier_calls_have_the_legal_names():
    arguments = json.dumps({"a b": 1})
    function_call = {"id": "1", "type": "function", "function": {"name": "t", "arguments": arguments}}
    history = [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": [function_call]}]
    upstream_call = call(tool({"properties": {"a b": {}}}), messages=history)
    assert upstream_call.body["messages"][1]["content"][0]["input"] == {"a_b": 1}


# Properties of Anthropic's tools


def test_properties_of_anthropic_s_tools_reach_claude():
    more = {
        "defer_loading": True,
        "input_examples": [{}],
        "eager_input_streaming": True,
        "allowed_callers": ["direct"],
    }
    for params in (tool({}) | more, tool({}, **more)):
        upstream_call = call(params)
        assert upstream_call.body["tools"][0].items() >= more.items()
        assert upstream_call.body["anthropic_beta"] == [
            "tool-search-tool-2025-10-19",
            "tool-examples-2025-10-29",
        ]
        assert upstream_call.ignored == ()


def test_tools_beyond_the_limit_are_not_strict_and_named():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    upstream_call = call(*(tool(schema, f"t{number}", strict=True) for number in range(22)))
    assert sum("strict" in sent_tool for sent_tool in upstream_call.body["tools"]) == 20
    assert upstream_call.ignored == ("tools.function.strict",)


def test_toolset_without_a_name_is_sent():
    upstream_call = call({"type": "computer_toolset_20260801"}, model="claude-sonnet-5-5")
    assert upstream_call.body["tools"] == [{"type": "computer_toolset_20260801"}]


def test_toolset_of_a_call_makes_a_round_trip():
    block = {"type": "tool_use", "id": "1", "name": "screenshot", "toolset_name": "computer", "input": {}}
    message = answer([{"type": "computer_toolset_20260801"}], [block])["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": "1", "content": "done"}
    body = call({"type": "computer_toolset_20260801"}, messages=[*MESSAGES, message, result]).body
    assert body["messages"][1]["content"][0]["toolset_name"] == "computer"
    assert body["messages"][2]["content"][0]["toolset_name"] == "computer"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"type": {}, "name": "x"}, "tools[0].type"),
        ({"type": "web_search_20250305", "name": "web_search", "user_location": 5}, "tools[0].user_location"),
        ({"type": "computer_20251124", "name": "computer"}, "tools[0].type"),
    ],
)
def test_malformed_or_rejected_tool_is_refused_with_its_param(params, param):
    body = {"model": "claude-sonnet-5-5", "messages": MESSAGES, "tools": [params]}
    answer = post(function(CannedTransport([b"{}"], "application/json")), body)
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == param


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"user_location": 5}, "web_search_options.user_location"),
        ({"user_location": {"approximate": 5}}, "web_search_options.user_location.approximate"),
        ({"filters": 5}, "web_search_options.filters"),
    ],
)
def test_malformed_search_options_are_refused_with_their_param(options, param):
    body = {"model": SONNET, "messages": MESSAGES, "web_search_options": options}
    answer = post(function(CannedTransport([b"{}"], "application/json")), body)
    assert answer.json["error"]["param"] == param


def test_domains_of_a_web_search_are_those_of_the_tool():
    options = {"filters": {"allowed_domains": ["a.com"], "blocked_domains": ["b.com"]}}
    upstream_call = call(tool({}), web_search_options=options)
    assert upstream_call.body["tools"][1]["allowed_domains"] == ["a.com"]
    assert upstream_call.ignored == ("web_search_options.filters.blocked_domains",)


def test_server_tool_that_vertex_may_lack_is_an_optional_feature():
    params = [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"}, tool({})]
    upstream_call = call(*params, model="claude-sonnet-5-5")
    assert upstream_call.body["tools"][1] == params[0]
    assert upstream_call.optional_features == (
        "tools.advisor_20260301",
        "anthropic_beta.advisor-tool-2026-03-01",
    )
    upstream_call = request(params, refused=upstream_call.optional_features)
    assert [sent_tool["name"] for sent_tool in upstream_call.body["tools"]] == ["t"]
    assert upstream_call.ignored == ("tools.advisor_20260301",)


def test_newer_web_search_falls_back_to_the_one_of_vertex():
    params = [{"type": "web_search_20260318", "name": "web_search", "max_uses": 2}]
    assert call(*params).body["tools"] == params
    upstream_call = request(params, refused=["tools.web_search_20260318"])
    assert upstream_call.body["tools"] == [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    ]
    assert upstream_call.body["anthropic_beta"] == ["web-search-2025-03-05"]
    assert upstream_call.ignored == ("tools.web_search_20260318",)
    upstream_call = request(params, refused=["tools.web_search_20260318", "policy.web_search"])
    assert "tools" not in upstream_call.body


def test_web_search_denied_by_policy_is_dropped_and_named():
    upstream_call = request([tool({})], refused=["policy.web_search"], web_search_options={})
    assert [sent_tool["name"] for sent_tool in upstream_call.body["tools"]] == ["t"]
    assert upstream_call.ignored == ("web_search_options",)


# Choice


def test_anthropic_s_way_to_disable_parallel_calls_is_read():
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert call(tool({}), tool_choice=choice).body["tool_choice"] == choice


NAMED = {"type": "function", "function": {"name": "a"}}


def test_forced_function_leaves_the_others_defined():
    upstream_call = call(tool({}, "a"), tool({}, "b"), tool_choice=NAMED, model="claude-opus-4-8")
    assert [sent_tool["name"] for sent_tool in upstream_call.body["tools"]] == ["a", "b"]
    assert upstream_call.body["tool_choice"] == {"type": "tool", "name": "a"}


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-1"])
def test_unforced_tool_choice_gets_an_instruction(model):
    upstream_call = call(tool({}, "a"), tool({}, "b"), tool_choice=NAMED, model=model)
    assert upstream_call.body["tool_choice"] == {"type": "auto"}
    assert upstream_call.body["system"][-1]["text"] == "You must call the tool a now."
    assert upstream_call.ignored == ("tool_choice",)


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-opus-4-7"])
def test_forced_call_comes_before_adaptive_thinking(model):
    upstream_call = call(tool({}), tool_choice="required", reasoning_effort="high", model=model)
    assert upstream_call.body["tool_choice"] == {"type": "tool", "name": "t"}
    assert "thinking" not in upstream_call.body
    assert upstream_call.body["output_config"] == {"effort": "high"}
    assert upstream_call.ignored == ("reasoning_effort",)


# Answers in JSON


def formatted(schema):
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


OPEN = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "tags": {"type": "array"}},
    "required": ["city"],
}


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        ({"city": "Rome"}, {"city": "Rome"}),
        ({"parameters": {"city": "Rome"}}, {"city": "Rome"}),
        ({"answer": '{"city": "Rome"}'}, {"city": "Rome"}),
        ({"city": "Rome", "tags": '["a"]'}, {"city": "Rome", "tags": ["a"]}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_arguments_of_the_answer_are_unwrapped(arguments, content, stream):
    block = {"type": "tool_use", "id": "1", "name": "json_tool_call", "input": arguments}
    params = {"model": "claude-sonnet-4", "response_format": formatted(OPEN)}
    choice = answer([], [block], stream=stream, **params)["choices"][0]
    assert json.loads(choice["message"]["content"]) == content
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("key", ["value", "items"])
def test_array_is_unwrapped_whatever_its_key(key):
    schema = {"type": "array", "items": {"type": "string"}}
    block = {"type": "tool_use", "id": "1", "name": "json_tool_call", "input": {key: ["red"]}}
    params = {"model": "claude-sonnet-4", "response_format": formatted(schema)}
    assert answer([], [block], **params)["choices"][0]["message"]["content"] == '["red"]'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("schema", [OPEN, {"type": "array"}])
def test_answer_in_unrequested_arguments_is_read(schema, stream):
    arguments = {"value": ["a"]} if schema != OPEN else {"city": "Rome"}
    block = {"type": "tool_use", "id": "1", "name": "json_tool_call", "input": arguments}
    choice = answer([], [block], stream=stream, response_format=formatted(schema))["choices"][0]
    assert json.loads(choice["message"]["content"]) == (["a"] if schema != OPEN else arguments)
    assert choice["finish_reason"] == "stop"


def test_answer_without_required_properties_is_retried():
    message = {"content": [{"type": "tool_use", "id": "1", "name": "json_tool_call", "input": {}}]}
    reply = json.dumps(message | {"stop_reason": "tool_use"}).encode()
    transport = CannedTransport([reply], "application/json")
    body = {"model": "claude-sonnet-4", "messages": MESSAGES, "response_format": formatted(OPEN)}
    answer = post(function(transport), body)
    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "json_schema_validation_error"
    assert len(transport.answers) == 2


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('Here it is:\n```\n{"a": 1}\n```\nBye.', '{"a": 1}'),
        ('Sure: {"a": 1}', '{"a": 1}'),
        ("I cannot.", "I cannot."),
        ("```\n", "```\n"),
        ("```json {} ```", "{}"),
    ],
)
def test_json_mode_takes_the_json_out_of_the_text(text, content):
    reply = json.dumps({"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}).encode()
    body = {"model": SONNET, "messages": MESSAGES, "response_format": {"type": "json_object"}}
    completion = post(function(CannedTransport([reply], "application/json")), body).json
    assert completion["choices"][0]["message"]["content"] == content


# Costs


@pytest.mark.parametrize(
    "parameters",
    [
        {
            "allOf": [
                {"properties": {f"p{a}-{b}": {} for b in range(20)}, "required": [f"p{a}-1"]}
                for a in range(400)
            ]
        },
        {
            "anyOf": [
                {"properties": {"same": {"const": number}}, "required": ["same"]} for number in range(8_000)
            ]
        },
        {"properties": {f"a {number}": {"items": [{}]} for number in range(8_000)}},
        {
            "$ref": "#/$defs/0",
            "$defs": {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(60)},
        },
        {"required": ["same"] * 50_000},
    ],
    ids=["allOf", "anyOf", "names", "references", "required"],
)
def test_large_schema_costs_linear_time(parameters):
    begin = time.process_time()
    call(tool(parameters, strict=True), response_format=formatted(parameters))
    assert time.process_time() - begin < 2


def test_many_tools_cost_linear_time():
    begin = time.process_time()
    call(*(tool({"properties": {f"p{number}": {}}}, f"tool {number}") for number in range(2_000)))
    assert time.process_time() - begin < 2


def test_text_of_fences_costs_linear_time():
    reply = json.dumps({"content": [{"type": "text", "text": "```\n" * 100_000}]}).encode()
    body = {"model": SONNET, "messages": MESSAGES, "response_format": {"type": "json_object"}}
    begin = time.process_time()
    assert post(function(CannedTransport([reply], "application/json")), body).status_code == 200
    assert time.process_time() - begin < 1
