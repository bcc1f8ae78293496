"""Claude's counts, and what batches read."""

import json

import pytest
from helpers.fixtures import CannedTransport, events_of, folded, function, post, upstream_call

from vertex_compat.operations.batches.row_operations import OPERATIONS
from vertex_compat.routing.catalog import CATALOG
from vertex_compat.types import Model

MESSAGES = [{"role": "user", "content": "Hi"}]


def usage_of(*events):
    begin = {"type": "message_start", "message": {"content": [], "usage": events[0]}}
    ends = [{"type": "message_delta", "delta": {}, "usage": usage} for usage in events[1:]]
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    stream = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in [begin, *ends, last])
    options = {"stream": True, "stream_options": {"include_usage": True}}
    body = {"model": "claude-sonnet-5-5", "messages": MESSAGES} | options
    data = post(function(CannedTransport([stream], "text/event-stream")), body).get_data()
    return next(chunk["usage"] for chunk in events_of(data) if chunk != "[DONE]" and chunk["usage"])


def test_null_count_does_not_erase_an_earlier_one():
    usage = usage_of(
        {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1},
        {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 9},
        {"output_tokens": None},
    )
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (10, 9)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 3


def test_thinking_is_never_more_than_the_output():
    usage = usage_of(
        {"input_tokens": 1}, {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 50}}
    )
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 5


def test_hour_of_a_cache_and_searches_are_counted():
    usage = usage_of(
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 4,
            "cache_creation": {"ephemeral_1h_input_tokens": 4},
            "server_tool_use": {"web_search_requests": 2},
        }
    )
    assert (usage["ephemeral_1h_input_tokens"], usage["web_search_requests"]) == (4, 2)


@pytest.mark.parametrize("name", ["claude-opus-4-8", "claude-sonnet-5-5"])
def test_row_of_a_batch_has_no_feature_that_may_be_refused(name):
    schema = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
    resource = f"publishers/anthropic/models/{name}"
    model = Model(name, "anthropic", name, resource, ("global",), profile=CATALOG.profile("anthropic", name))
    shape = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    body = {"model": name, "messages": MESSAGES, "response_format": shape, "speed": "fast"}
    call = OPERATIONS["/v1/chat/completions"].request(body, model)
    assert call.optional_features == ()
    assert "output_config" not in call.body
    assert call.json_answer.tool
    assert "speed" in call.ignored


@pytest.mark.parametrize("stream", [False, True])
def test_compaction_makes_a_round_trip(stream):
    block = {"type": "compaction", "content": "So far: nothing."}
    text = {"type": "text", "text": "Hello"}
    if stream:
        events = [
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "compaction", "content": ""},
            },
            {"type": "content_block_delta", "index": 0, "delta": block | {"type": "compaction_delta"}},
            {"type": "content_block_start", "index": 1, "content_block": text},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        ]
        reply = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    else:
        reply = json.dumps({"content": [block, text], "stop_reason": "end_turn"}).encode()
    transport = CannedTransport([reply], "text/event-stream" if stream else "application/json")
    body = {"model": "claude-sonnet-5-5", "messages": MESSAGES}
    answer = post(function(transport), body | {"stream": stream})
    if stream:
        message = folded([chunk for chunk in events_of(answer.get_data()) if chunk != "[DONE]"])
    else:
        message = answer.json
    message = message["choices"][0]["message"]
    assert message["content"] == "Hello"
    call = upstream_call(body | {"messages": [*MESSAGES, message, *MESSAGES]})
    assert call.body["messages"][1]["content"] == [block, text]
