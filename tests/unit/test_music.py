"""Music by `/audio/speech`."""

import base64
import json

import pytest
from helpers.fixtures import post

from vertex_compat.emulator.google_models.speech import SOUNDS


def compose(app, model="lyria-002", **params):
    return post(app, {"model": model, "input": "A calm melody", **params}, "/v1/audio/speech")


def test_openai_s_client_gets_music(plain, emulator):
    music = plain.audio.speech.create(
        model="lyria-002",
        input="A calm melody",
        voice="alloy",
        instructions="Piano only.",
        extra_body={"negative_prompt": "drums", "seed": 7},
    )
    assert music.read() == SOUNDS["LINEAR16"]
    assert music.response.headers["content-type"] == "audio/wav"
    assert music.response.headers["x-vertex-compat-ignored"] == "voice"
    instance = {"prompt": "Piano only.\nA calm melody", "negative_prompt": "drums", "seed": 7}
    assert emulator.calls[-1].json == {"instances": [instance]}


def test_a_later_model_makes_mp3(app, emulator):
    answer = compose(app, "lyria-3-clip-preview", response_format="mp3", seed=1)
    assert (answer.data, answer.content_type) == (SOUNDS["MP3"], "audio/mpeg")
    assert answer.headers["x-vertex-compat-ignored"] == "seed"
    assert emulator.calls[-1].path.endswith("lyria-3-clip-preview:generateContent")


def test_music_can_come_as_events(app):
    answer = compose(app, stream_format="sse")
    delta, done = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert base64.b64decode(delta["audio"]) == SOUNDS["LINEAR16"]
    assert done["type"] == "speech.audio.done"


@pytest.mark.parametrize("model", ["lyria-002", "lyria-3-clip-preview"])
def test_a_refused_prompt_is_the_client_s(app, model):
    error = compose(app, model, input="Something unsafe").json["error"]
    assert error["type"] == "invalid_request_error"


def test_a_format_that_the_model_does_not_make_is_refused(app):
    assert compose(app, response_format="opus").json["error"]["param"] == "response_format"


def test_a_dry_run_shows_the_call(app):
    body = {"model": "lyria-002", "input": "A melody"}
    answer = app.post("/v1/audio/speech", json=body, headers={"x-vertex-compat-debug": "request"})
    assert answer.json["url"].endswith("lyria-002:predict")
