"""Images and speech on the emulator: what they take, and files that are what they say."""

import base64
import io
import wave

import pytest

IMAGEN = "/publishers/google/models/imagen-3.0-generate-001:predict"
SPEECH = "/publishers/google/models/gemini-3.8-flash-tts:generateContent"
CONTENTS = [{"role": "user", "parts": [{"text": "Hello"}]}]


def refused(answer):
    assert answer.status_code == 400, answer.text
    assert answer.json["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "parameters",
    [
        {"sampleCount": 5},
        {"aspectRatio": "3:2"},
        {"seed": 1},
        {"imageSize": "2K"},
        {"outputOptions": {"quality": 3}},
    ],
)
def test_imagen_refuses(vertex, parameters):
    refused(vertex.post(IMAGEN, {"instances": [{"prompt": "A cat"}], "parameters": parameters}))


def test_imagen_returns_images_or_the_filter_s_reason(vertex):
    response = vertex.post(IMAGEN, {"instances": [{"prompt": "A cat"}], "parameters": {"sampleCount": 2}})
    assert [prediction["mimeType"] for prediction in response.json["predictions"]] == ["image/png"] * 2
    filtered = vertex.post(IMAGEN, {"instances": [{"prompt": "unsafe"}]})
    assert "raiFilteredReason" in filtered.json["predictions"][0]
    refused(vertex.post(IMAGEN, {"instances": [{"prompt": "a"}, {"prompt": "b"}]}))


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("gemini-3.8-flash", {"responseModalities": ["IMAGE"]}),
        ("gemini-3.8-flash", {"imageConfig": {"aspectRatio": "1:1"}}),
        ("gemini-3.1-flash-image", {"candidateCount": 2}),
        ("gemini-3.1-flash-image", {"imageConfig": {"aspectRatio": "7:3"}}),
        ("gemini-2.5-flash-image", {"imageConfig": {"imageSize": "2K"}}),
        ("gemini-3-pro-image", {"imageConfig": {"imageSize": "8K"}}),
        ("gemini-3-pro-image", {"imageConfig": {"imageOutputOptions": {"mimeType": "image/webp"}}}),
    ],
)
def test_gemini_refuses_images_that_it_does_not_make(vertex, model, config):
    refused(vertex.gemini(model, generationConfig=config))


def test_gemini_s_speech_is_pcm_samples(vertex):
    body = {"contents": CONTENTS, "generationConfig": {"responseModalities": ["AUDIO"]}}
    (candidate,) = vertex.post(SPEECH, body).json["candidates"]
    data = candidate["content"]["parts"][0]["inlineData"]
    assert data["mimeType"] == "audio/L16;codec=pcm;rate=24000"
    assert len(base64.b64decode(data["data"])) % 2 == 0
    refused(vertex.post(SPEECH, {"contents": CONTENTS}))
    refused(vertex.post(SPEECH, body | {"systemInstruction": {"parts": [{"text": "Be kind."}]}}))
    refused(vertex.post(SPEECH, body | {"contents": [{"role": "user", "parts": [{"text": ""}]}]}))


VOICE = {"languageCode": "en-US", "name": "en-US-Studio-O"}


def synthesize(vertex, text=None, voice=VOICE, **config):
    body = {
        "input": text or {"text": "Hello"},
        "voice": voice,
        "audioConfig": {"audioEncoding": "MP3"} | config,
    }
    allowed = {"Authorization": f"Bearer {vertex.token}"}
    return vertex.client.post("/v1/text:synthesize", json=body, headers=allowed)


@pytest.mark.parametrize(
    ("encoding", "begin"),
    [("MP3", b"\xff\xf3"), ("OGG_OPUS", b"OggS"), ("LINEAR16", b"RIFF"), ("PCM", b"\0\0")],
)
def test_audio_begins_with_the_bytes_of_its_encoding(vertex, encoding, begin):
    data = base64.b64decode(synthesize(vertex, audioEncoding=encoding).json["audioContent"])
    assert data.startswith(begin)
    if encoding == "LINEAR16":
        with wave.open(io.BytesIO(data)) as file:
            assert file.getframerate() == 24_000


@pytest.mark.parametrize(
    "body",
    [
        {"text": {"text": ""}},
        {"text": {"text": "a" * 5001}},
        {"text": {"text": "a", "ssml": "<speak>a</speak>"}},
        {"text": {"ssml": "Hello"}},
        {"voice": {"name": "en-US-Studio-O"}},
        {"voice": {"languageCode": "de-DE", "name": "en-US-Studio-O"}},
        {"speakingRate": 2.5},
        {"audioEncoding": "FLAC"},
        {"audioEncoding": "MULAW"},
        {"speed": 1},
    ],
)
def test_text_to_speech_refuses(vertex, body):
    refused(synthesize(vertex, **body))


def test_text_to_speech_needs_a_token(vertex):
    assert vertex.client.post("/v1/text:synthesize", json={}).status_code == 401
