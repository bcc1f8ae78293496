"""An answer that is passed on costs as much as one that is translated."""

import json
import re

import pytest
from helpers.client_apis import CHAT, GEMINI, MESSAGES
from helpers.fixtures import CannedTransport, function, post

CLAUDE = {
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "Paris."}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 1000,
        "output_tokens": 200,
        "cache_read_input_tokens": 5000,
        "cache_creation_input_tokens": 4000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 3000},
        "server_tool_use": {"web_search_requests": 2},
    },
}
CLAUDE_EVENTS = [
    {"type": "message_start", "message": CLAUDE | {"content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Paris."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 200}},
    {"type": "message_stop"},
]
PARIS = {"content": {"role": "model", "parts": [{"text": "Paris."}]}, "finishReason": "STOP"}
GOOGLE = {
    "candidates": [PARIS],
    "usageMetadata": {
        "promptTokenCount": 1000,
        "candidatesTokenCount": 100,
        "totalTokenCount": 1200,
        "thoughtsTokenCount": 100,
        "cachedContentTokenCount": 400,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 500}],
        "trafficType": "ON_DEMAND_FLEX",
    },
}
GOOGLE_EVENTS = [GOOGLE, {"candidates": [], "usageMetadata": {"trafficType": "ON_DEMAND_FLEX"}}]


def cost(api, model, capfd, content, *, stream):
    """The cost in the line of the log."""
    app = function(CannedTransport([content], "text/event-stream" if stream else "application/json"))
    path, body = api.request(model, stream=stream)
    with post(app, body, path) as answer:
        assert answer.status_code == 200
        answer.get_data()
    return float(re.search(r" cost_usd=(\S+)", capfd.readouterr().out)[1])


@pytest.mark.parametrize(
    ("api", "model", "answer", "events"),
    [
        (MESSAGES, "claude-sonnet-5-5", CLAUDE, CLAUDE_EVENTS),
        (GEMINI, "gemini-3.8-flash", GOOGLE, GOOGLE_EVENTS),
    ],
    ids=["messages", "gemini"],
)
def test_passed_on_answer_costs_as_much_as_a_translated_one(capfd, api, model, answer, events):
    stream = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    for content, streamed in ((json.dumps(answer).encode(), False), (stream, True)):
        translated = cost(CHAT, model, capfd, content, stream=streamed)
        assert translated
        assert cost(api, model, capfd, content, stream=streamed) == translated
