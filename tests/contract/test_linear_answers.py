"""The CPU of a streamed answer grows in proportion to its length, through each API."""

import json

import pytest
from helpers.fixtures import CannedTransport, function, post
from helpers.linear import TIMES, assert_linear, cpu_seconds

from vertex_compat import sse

EVENTS = 2000
PIECE = "word " * 50  # long enough for the copies of a growing string to show

MAAS = "deepseek-ai/deepseek-v4.1-flash-maas"
CLAUDE = "claude-sonnet-5-5"
QUESTION = [{"role": "user", "content": "Go on."}]
TOOL = {"name": "write", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}

APIS = {
    "chat": (
        "/v1/chat/completions",
        {"messages": QUESTION, "stream": True, "tools": [{"type": "function", "function": TOOL}]},
    ),
    "responses": (
        "/v1/responses",
        {"input": "Go on.", "stream": True, "tools": [{"type": "function", **TOOL}]},
    ),
    "messages": (
        "/v1/messages",
        {
            "messages": QUESTION,
            "stream": True,
            "max_tokens": 9000,
            "tools": [{"name": "write", "input_schema": TOOL["parameters"]}],
            "thinking": {"type": "adaptive"},
        },
    ),
    "generate_content": (
        "/v1beta/models/{model}:streamGenerateContent?alt=sse",
        {
            "contents": [{"parts": [{"text": "Go on."}]}],
            "tools": [{"functionDeclarations": [TOOL]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        },
    ),
    "completions": ("/v1/completions", {"prompt": "Go on.", "stream": True}),
}


def maas(*deltas):
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return MAAS, [*map(sse.encode, chunks), sse.DONE]


def maas_text(count):
    return maas(*[{"content": PIECE}] * count)


def maas_thoughts(count):
    return maas(*[{"reasoning_content": PIECE}] * count, {"content": "Yes."})


def maas_arguments(count):
    first = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "write", "arguments": '{"text":"'},
    }
    more = {"index": 0, "function": {"arguments": PIECE}}
    last = {"index": 0, "function": {"arguments": '"}'}}
    return maas(*[{"tool_calls": [call]} for call in (first, *[more] * count, last)])


def claude(block, delta, count):
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": CLAUDE,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *[{"type": "content_block_delta", "index": 0, "delta": delta}] * count,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": count}},
        {"type": "message_stop"},
    ]
    return CLAUDE, [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def claude_text(count):
    return claude({"type": "text", "text": ""}, {"type": "text_delta", "text": PIECE}, count)


def claude_thoughts(count):
    block = {"type": "thinking", "thinking": "", "signature": ""}
    return claude(block, {"type": "thinking_delta", "thinking": PIECE}, count)


def claude_arguments(count):
    block = {"type": "tool_use", "id": "toolu_1", "name": "write", "input": {}}
    return claude(block, {"type": "input_json_delta", "partial_json": PIECE}, count)


ANSWERS = [maas_text, maas_thoughts, maas_arguments, claude_text, claude_thoughts, claude_arguments]


def seconds(api, answer):
    """CPU of a stream that ended as it should."""
    path, body = APIS[api]
    model, events = answer
    app = function(CannedTransport(events, "text/event-stream"))
    content = json.dumps(body if "{model}" in path else body | {"model": model}).encode()

    def read():
        response = post(app, content, path.format(model=model))
        return response, response.get_data()

    took, (response, data) = cpu_seconds(read)
    assert response.status_code == 200, data
    assert len(data) > len(events) // 2 * len(PIECE) or api == "completions", data[-500:]
    return took


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_cpu_grows_in_proportion_to_the_answer(answer, api):
    small, large = answer(EVENTS), answer(TIMES * EVENTS)
    assert_linear(lambda: seconds(api, small), lambda: seconds(api, large))
