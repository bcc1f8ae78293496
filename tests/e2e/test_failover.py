"""Several targets and locations: what one cannot answer another does, and nobody notices."""

import openai
import pytest

HELLO = [{"role": "user", "content": "Hello"}]

FILE = """
[models.first-fails]
targets = [
    { model = "gemini-emulator-status-503", weight = 1000000 },
    { model = "claude-sonnet-5-5" },
]

[models.all-fail]
target = "gemini-emulator-status-503"
fallbacks = ["mistral-emulator-status-429"]

[models.fails-then-falls-back]
target = "gemini-emulator-status-429"
fallbacks = ["mistral-medium-3"]

[models.wrong-everywhere]
target = "gemini-emulator-status-400"
fallbacks = ["mistral-medium-3"]

[models.warm]
target = "gemini-3.8-flash"
defaults = { seed = 25, max_tokens = 7 }

[models.two-places]
target = "gemini-emulator-only-europe-west4"
location = "us-east5"
fallback_locations = ["europe-west4"]

[models.one-place]
target = "gemini-emulator-only-europe-west4"
location = "us-east5"
"""


@pytest.fixture
def client(servers, emulator, tmp_path_factory):  # noqa: ARG001  (a fresh journal)
    path = tmp_path_factory.getbasetemp() / "vertex_compat.toml"
    path.write_text(FILE)
    with servers(VERTEX_COMPAT_CONFIG=str(path)).client() as opened:
        yield opened


def ask(client, model, **more):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO, **more)
    return raw.parse(), raw.headers.get("x-vertex-compat-target")


def test_a_target_that_fails_is_replaced_by_another(client, emulator):
    answer, target = ask(client, "first-fails")
    assert answer.model == "first-fails"
    assert target == "anthropic/claude-sonnet-5-5; location=global"
    assert [call.status for call in emulator.calls] == [503, 200]


def test_failed_target_is_not_called_again_soon(client, emulator):
    ask(client, "first-fails")
    emulator.forget_calls()
    ask(client, "first-fails")
    assert [call.status for call in emulator.calls] == [200]


def test_failed_stream_uses_the_fallback(client):
    stream = client.chat.completions.create(model="fails-then-falls-back", messages=HELLO, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text.startswith("You said: Hello")


def test_fallbacks_answer_the_responses_api_too(client):
    assert client.responses.create(model="fails-then-falls-back", input="Hello").output_text


def test_when_all_targets_fail_the_last_error_is_returned(client):
    with pytest.raises(openai.RateLimitError):
        ask(client, "all-fail")


def test_invalid_request_is_not_tried_elsewhere(client, emulator):
    with pytest.raises(openai.BadRequestError):
        ask(client, "wrong-everywhere")
    assert len(emulator.calls) == 1


def test_defaults_apply_to_missing_parameters(client, emulator):
    ask(client, "warm", seed=75)
    config = emulator.calls[0].json["generationConfig"]
    assert (config["seed"], config["maxOutputTokens"]) == (75, 7)


def test_a_location_is_left_for_its_fallback(client, emulator):
    _, target = ask(client, "two-places")
    assert target.endswith("; location=europe-west4")
    assert [call.status for call in emulator.calls] == [404, 200]


def test_a_location_without_fallback_is_not_left(client, emulator):
    with pytest.raises(openai.NotFoundError):
        ask(client, "one-place")
    assert ["/locations/us-east5/" in call.path for call in emulator.calls] == [True]


def test_next_location_answers_and_is_remembered(front_door, emulator):
    with front_door.client() as client:
        model = "gemini-emulator-only-us-central1"
        _, target = ask(client, model)
        assert target.endswith("; location=us-central1")
        ask(client, model)
    assert [call.status for call in emulator.calls] == [404, 200, 200]
