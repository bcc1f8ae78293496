"""JSON answers of Gemini together with tools, which models before Gemini 3 refuse."""

import json

import pytest
from helpers.fixtures import ScriptedTransport, post
from helpers.fixtures import function as app_with
from helpers.gemini import HELLO, call, function

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
JSON_OBJECT = {"type": "json_object"}


def instruction(upstream_call):
    return upstream_call.body["systemInstruction"]["parts"][-1]["text"]


def test_gemini_3_gets_schema_and_tools_at_once():
    upstream_call = call("gemini-3.8-flash", tools=[function("f")], response_format=JSON_SCHEMA)
    assert upstream_call.body["generationConfig"]["responseJsonSchema"] == SCHEMA
    assert upstream_call.body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]


def test_schema_becomes_a_tool_before_gemini_3():
    upstream_call = call("gemini-2.5-flash", tools=[function("f")], response_format=JSON_SCHEMA)
    assert "generationConfig" not in upstream_call.body
    first, second = upstream_call.body["tools"][0]["functionDeclarations"]
    assert first["name"] == "f"
    assert (second["name"], second["parametersJsonSchema"]) == ("json_answer", SCHEMA)
    assert upstream_call.body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert upstream_call.ignored == ()


@pytest.mark.parametrize("stream", [False, True])
def test_call_of_the_answer_tool_is_the_answer_before_gemini_3(stream):
    part = {"functionCall": {"name": "json_answer", "args": {"city": "Paris"}}}
    body = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    transport = ScriptedTransport([body] if stream else body)
    request = {
        "model": "gemini-2.5-flash",
        "messages": HELLO,
        "tools": [function("f")],
        "response_format": JSON_SCHEMA,
        "stream": stream,
    }
    answer = post(app_with(transport), request)
    if stream:
        chunks = [json.loads(event[6:]) for event in answer.text.split("\n\n") if event.startswith("data: {")]
        content = "".join(
            choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
        )
        finish_reason = chunks[-1]["choices"][0]["finish_reason"]
    else:
        (choice,) = answer.json["choices"]
        assert "tool_calls" not in choice["message"]
        content, finish_reason = choice["message"]["content"], choice["finish_reason"]
    assert json.loads(content) == {"city": "Paris"}
    assert finish_reason == "stop"


LIST = {"type": "array", "items": {"type": "string"}}


def test_schema_of_a_list_is_wrapped_before_gemini_3():
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": LIST}}
    request = {"tools": [function("f")], "response_format": shape}
    upstream_call = call("gemini-2.5-flash", **request)
    _, declaration = upstream_call.body["tools"][0]["functionDeclarations"]
    assert declaration["parametersJsonSchema"]["properties"] == {"value": LIST}
    part = {"functionCall": {"name": "json_answer", "args": {"value": ["Paris"]}}}
    transport = ScriptedTransport({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})
    answer = post(app_with(transport), {"model": "gemini-2.5-flash", "messages": HELLO, **request})
    assert answer.json["choices"][0]["message"]["content"] == '["Paris"]'


def test_name_of_the_answer_tool_is_free_before_gemini_3():
    tools = [function("json_answer")]
    upstream_call = call("gemini-2.5-flash", tools=tools, response_format=JSON_SCHEMA)
    names = [
        function_declaration["name"]
        for function_declaration in upstream_call.body["tools"][0]["functionDeclarations"]
    ]
    assert names == ["json_answer", "json_answer_"]


def test_json_without_a_schema_is_an_instruction_before_gemini_3():
    upstream_call = call("gemini-2.5-flash", tools=[function("f")], response_format=JSON_OBJECT)
    assert "generationConfig" not in upstream_call.body
    assert "JSON object" in instruction(upstream_call)
    assert upstream_call.ignored == ("response_format",)


def test_schema_beside_search_is_an_instruction_before_gemini_3():
    upstream_call = call("gemini-2.5-flash", web_search_options={}, response_format=JSON_SCHEMA)
    assert upstream_call.body["tools"] == [{"googleSearch": {}}]
    assert '"required":["city"]' in instruction(upstream_call)


def test_schema_stays_where_no_tool_may_be_called_before_3():
    upstream_call = call(
        "gemini-2.5-flash", tools=[function("f")], tool_choice="none", response_format=JSON_SCHEMA
    )
    assert upstream_call.body["generationConfig"]["responseJsonSchema"] == SCHEMA
    assert "tools" not in upstream_call.body


def test_required_call_comes_without_a_schema_before_gemini_3():
    upstream_call = call(
        "gemini-2.5-flash", tools=[function("f")], tool_choice="required", response_format=JSON_SCHEMA
    )
    assert upstream_call.body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert "generationConfig" not in upstream_call.body
    assert upstream_call.ignored == ("response_format",)
