"""Answers without a finish reason, in chat, Responses and completions, whole and streamed."""

import json

import pytest
from helpers.fixtures import MODELS, CannedTransport, function, post

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
REQUESTS = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": {"input": "Hello"},
    "/v1/completions": {"prompt": "Hello"},
}
GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Paris"}]}}]}
CLAUDE = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Paris"}]}
OPENAI = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}]}
ANSWERS = {
    "google": GEMINI,
    "anthropic": CLAUDE,
    "mistralai": OPENAI,
    "ai21": OPENAI,
    "openapi": OPENAI,
    "endpoints": OPENAI,
}


def text_and_reason(path, body):
    if path == "/v1/responses":
        return body["output"][0]["content"][0]["text"], body["status"]
    (choice,) = body["choices"]
    return choice.get("text") or choice["message"]["content"], choice["finish_reason"]


@pytest.mark.parametrize("path", REQUESTS)
@pytest.mark.parametrize("publisher", ANSWERS)
def test_whole_answer_without_a_reason_has_finished(publisher, path):
    transport = CannedTransport([json.dumps(ANSWERS[publisher]).encode()], "application/json")
    answer = post(function(transport), {"model": MODELS[publisher], **REQUESTS[path]}, path)
    assert answer.status_code == 200, answer.json
    reason = "completed" if path == "/v1/responses" else "stop"
    assert text_and_reason(path, answer.json) == ("Paris", reason)


CHUNKS = {
    "google": GEMINI,
    "mistralai": {"choices": [{"index": 0, "delta": {"content": "Paris"}}]},
    "openapi": {"choices": [{"index": 0, "delta": {"content": "Paris"}}]},
}


@pytest.mark.parametrize("path", REQUESTS)
@pytest.mark.parametrize("publisher", CHUNKS)
def test_stream_without_a_reason_ends_in_an_error(publisher, path):
    block = f"data: {json.dumps(CHUNKS[publisher])}\n\n".encode()
    transport = CannedTransport([block], "text/event-stream")
    body = {"model": MODELS[publisher], "stream": True, **REQUESTS[path]}
    stream = post(function(transport), body, path).get_data()
    assert b"Paris" in stream
    assert b"ended the stream before the model had finished" in stream
    assert b"[DONE]" not in stream
