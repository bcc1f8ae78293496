"""Music by `/audio/speech`."""

import base64
import io
import json
import sys
import wave

import av
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


def stereo_wav():
    """One second of silence in two channels, as Lyria 2 makes it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(48_000)
        writer.writeframes(bytes(2 * 2 * 48_000))
    return file.getvalue()


def script_clip(emulator, data):
    clip = {"audioContent": base64.b64encode(data).decode(), "mimeType": "audio/wav"}
    emulator.script(json.dumps({"predictions": [clip]}).encode())


def sound(data):
    """The codec, channels and seconds of a file, by FFmpeg."""
    with av.open(io.BytesIO(data)) as file:
        stream = file.streams.audio[0]
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(stream))
        return stream.codec_context.name, stream.layout.nb_channels, seconds


@pytest.mark.parametrize(
    ("form", "mime", "codec"),
    [
        ("mp3", "audio/mpeg", "mp3float"),
        ("opus", "audio/opus", "opus"),
        ("aac", "audio/aac", "aac"),
        ("flac", "audio/flac", "flac"),
        ("wav", "audio/wav", "pcm_s16le"),
    ],
)
def test_music_comes_in_each_format_in_stereo(plain, emulator, tmp_path, form, mime, codec):
    script_clip(emulator, stereo_wav())
    with plain.audio.speech.with_streaming_response.create(
        model="lyria-002", input="A calm melody", voice="alloy", response_format=form
    ) as answer:
        assert answer.headers["content-type"] == mime
        answer.stream_to_file(tmp_path / "music")
    assert sound((tmp_path / "music").read_bytes()) == (codec, 2, pytest.approx(1, abs=0.05))


def test_pcm_of_music_is_openai_s_pcm(app, emulator):
    script_clip(emulator, stereo_wav())
    answer = compose(app, response_format="pcm")
    assert (answer.content_type, len(answer.data)) == ("audio/pcm", 2 * 24_000)


def test_mp3_of_a_later_model_becomes_wav(app):
    answer = compose(app, "lyria-3-clip-preview", response_format="wav")
    assert answer.content_type == "audio/wav"
    assert sound(answer.data)[0] == "pcm_s16le"


def test_converted_music_can_come_as_events(app, emulator):
    script_clip(emulator, stereo_wav())
    answer = compose(app, response_format="flac", stream_format="sse")
    delta, done = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert base64.b64decode(delta["audio"]).startswith(b"fLaC")
    assert done["type"] == "speech.audio.done"


def test_without_an_encoder_the_model_s_own_format_remains(app, emulator, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    error = compose(app, response_format="opus").json["error"]
    assert error["param"] == "response_format"
    assert "package 'av'" in error["message"]
    assert not emulator.calls
    assert compose(app, response_format="wav").data == SOUNDS["LINEAR16"]


def test_music_that_cannot_be_decoded_is_a_bad_gateway(app, emulator):
    script_clip(emulator, b"no music")
    assert compose(app, response_format="mp3").status_code == 502


def test_a_dry_run_shows_the_call(app):
    body = {"model": "lyria-002", "input": "A melody"}
    answer = app.post("/v1/audio/speech", json=body, headers={"x-vertex-compat-debug": "request"})
    assert answer.json["url"].endswith("lyria-002:predict")
