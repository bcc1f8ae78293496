"""Counting tokens: which call is made for which model, and what the Responses API answers."""

import pytest
from msgspec.structs import replace

from vertex_compat.publishers.anthropic import token_counts
from vertex_compat.routing import model_names

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("locations", "regions"),
    [
        (("global",), token_counts.REGIONS),
        (("eu",), ("europe-west1", "europe-west4")),
        (("us-east5", "europe-west1"), ("us-east5", "europe-west1")),
        (("asia-south1",), ("asia-south1",)),
    ],
)
def test_claude_is_counted_in_a_region_of_its_location(locations, regions):
    model = replace(model_names.resolve("claude-opus-5-5"), locations=locations)
    assert token_counts.locate(model).locations == regions


def test_the_responses_api_counts_its_input(app, emulator):
    body = {"model": "gemini-3.8-flash", "input": "Hello", "instructions": "Be brief."}
    response = app.post("/v1/responses/input_tokens", json=body)
    assert response.json["object"] == "response.input_tokens"
    assert response.json["input_tokens"] > 0
    assert emulator.calls[0].path.endswith(":countTokens")


def test_a_dry_run_shows_the_count(app, emulator):
    body = {"model": "claude-opus-5-5", "messages": HELLO}
    answer = app.post("/v1/messages/count_tokens", json=body, headers={"x-vertex-compat-debug": "request"})
    assert answer.json["url"].endswith("count-tokens:rawPredict")
    assert emulator.calls == []
