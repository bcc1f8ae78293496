"""`POST /responses/compact`: a summary by the model, which a later request carries back."""

import json

import pytest
from helpers.fixtures import CannedTransport, ScriptedTransport, function, post

MODEL = "mistral-medium-3"
ITEMS = [
    {"role": "user", "content": "Fix the bug."},
    {"type": "function_call", "call_id": "c1", "name": "read", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "x = 1"},
    {"role": "assistant", "content": "Done."},
    {"role": "user", "content": [{"type": "input_text", "text": "Thanks."}]},
]
TOOLS = [{"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}]


def answer(text):
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}


def test_summary_comes_back_as_a_message():
    transport = ScriptedTransport(answer("x is 1"), answer("Yes."))
    app = function(transport)
    body = {"model": MODEL, "input": ITEMS, "instructions": "Be brief.", "tools": TOOLS}
    compacted = post(app, body, "/v1/responses/compact").json
    summary_request = transport.calls[0].body
    assert summary_request["tool_choice"] == "none"
    assert "Summarize this conversation" in json.dumps(summary_request["messages"][-1])
    assert compacted["object"] == "response.compaction"
    assert compacted["usage"]["total_tokens"] == 12
    assert [item["type"] for item in compacted["output"]] == ["message", "message", "compaction"]
    assert [item["content"][0]["text"] for item in compacted["output"][:2]] == ["Fix the bug.", "Thanks."]

    more = [*compacted["output"], {"role": "user", "content": "Is it?"}]
    assert post(app, {"model": MODEL, "input": more}, "/v1/responses").status_code == 200
    upstream_body = json.dumps(transport.calls[1].body["messages"])
    assert "Summary of the conversation so far:\\nx is 1" in upstream_body
    assert "Fix the bug." in upstream_body


def test_text_alone_is_compacted():
    app = function(ScriptedTransport(answer("s")))
    compacted = post(app, {"model": MODEL, "input": "Hello"}, "/v1/responses/compact").json
    assert compacted["output"][0]["content"] == [{"type": "input_text", "text": "Hello"}]


@pytest.mark.parametrize("text", ["", " "])
def test_empty_summary_is_a_bad_gateway(text):
    transport = CannedTransport([json.dumps(answer(text)).encode()], "application/json")
    refused = post(function(transport), {"model": MODEL, "input": "Hello"}, "/v1/responses/compact")
    assert refused.status_code == 502


def test_missing_input_is_named():
    transport = CannedTransport([b"{}"], "application/json")
    refused = post(function(transport), {"model": MODEL}, "/v1/responses/compact")
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "input")
