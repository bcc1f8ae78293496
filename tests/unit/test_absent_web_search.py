"""A web search that is offered to a model without one, in the three APIs."""

import pytest
from helpers.fixtures import RecordingTransport, function, post

MODELS = ["mistral-medium-3", "openai/1234567890", "jamba-1.5-large"]
REQUESTS = {
    "/v1/responses": {"input": "Hello", "tools": [{"type": "web_search"}]},
    "/v1/messages": {
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    },
}
CONTENTS = {
    "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
    "tools": [{"googleSearch": {}}],
}


def call_of(path, body):
    transport = RecordingTransport()
    answer = post(function(transport), body, path)
    assert transport.calls, answer.json
    return transport.calls[0]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", REQUESTS)
def test_offered_search_is_left_out_and_named(path, model):
    call = call_of(path, {"model": model, **REQUESTS[path]})
    assert "tools" not in call.body
    assert f"tools.{REQUESTS[path]['tools'][0]['type']}" in call.ignored


@pytest.mark.parametrize("model", MODELS[::2])
def test_offered_google_search_is_left_out_and_named(model):
    call = call_of(f"/v1beta/models/{model}:generateContent", CONTENTS)
    assert "tools" not in call.body
    assert "tools.googleSearch" in call.ignored


@pytest.mark.parametrize("model", MODELS)
def test_search_that_chat_asks_for_is_refused(model):
    transport = RecordingTransport()
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "web_search_options": {}}
    answer = post(function(transport), body)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "web_search_options")
