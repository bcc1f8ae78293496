"""`x-vertex-compat-debug: request`: the call to Vertex, shown instead of made."""

import pytest
from helpers.fixtures import question

DRY = {"x-vertex-compat-debug": "request"}


@pytest.mark.parametrize("stream", [False, True])
def test_the_translated_call_is_shown_and_not_made(app, emulator, stream):
    answer = app.post(
        "/v1/chat/completions", json=question("google", stream=stream, max_tokens=9), headers=DRY
    )
    body = answer.json
    assert body["method"] == "POST"
    assert body["url"].startswith(f"{emulator.url}/v1beta1/projects/{emulator.project}/locations/global/")
    assert body["body"]["generationConfig"] == {"maxOutputTokens": 9}
    assert "authorization" not in {name.lower() for name in body["headers"]}
    assert emulator.calls == []


def test_dry_run_of_responses_shows_the_upstream_call(app, emulator):
    answer = app.post("/v1/responses", json={"model": "claude-sonnet-5-5", "input": "Hello"}, headers=DRY)
    assert answer.json["body"]["anthropic_version"] == "vertex-2023-10-16"
    assert emulator.calls == []


def test_several_calls_at_once_show_one(app, emulator):
    answer = app.post("/v1/chat/completions", json=question("anthropic", n=3), headers=DRY)
    assert answer.json["url"].endswith(":rawPredict")
    assert emulator.calls == []


def test_invalid_request_is_an_error_in_a_dry_run(app):
    answer = app.post("/v1/chat/completions", json=question("google", temperature=9), headers=DRY)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "temperature")
