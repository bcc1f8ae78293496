"""`/audio/transcriptions` and `/audio/translations`."""

import io
import json

import openai
import pytest

from vertex_compat.operations.audio.transcriptions import MAX_FILE_BYTES

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
MODEL = "gemini-2.5-flash"
SAID = {
    "language": "german",
    "segments": [
        {"start": 0.0, "end": 2.5, "text": " Hallo. "},
        {"start": 2.5, "end": 3725.0625, "text": "Und du?"},
    ],
}


def gemini_says(emulator, text, **counts):
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
    details = [{"modality": "TEXT", "tokenCount": 20}, {"modality": "AUDIO", "tokenCount": 80}]
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 10, "promptTokensDetails": details, **counts}
    emulator.script(json.dumps({"candidates": [candidate], "usageMetadata": usage}).encode())


def upload(app, path="transcriptions", name="a.wav", data=WAV, **fields):
    files = {"file": (io.BytesIO(data), name)} if data is not None else {}
    form = {"model": MODEL, **fields, **files}
    return app.post(f"/v1/audio/{path}", data=form, content_type="multipart/form-data")


def test_a_recording_becomes_text(client, emulator):
    gemini_says(emulator, "Hallo.\n")
    answer = client.audio.transcriptions.create(
        model=MODEL, file=("a.wav", WAV), language="de", prompt="Vertex AI", temperature=0.5
    )
    assert answer.text == "Hallo."
    assert answer.usage.model_dump() == {
        "type": "tokens",
        "input_tokens": 100,
        "output_tokens": 10,
        "total_tokens": 110,
        "input_token_details": {"audio_tokens": 80, "text_tokens": 20},
    }
    (call,) = emulator.calls
    audio, task = call.json["contents"][0]["parts"]
    assert audio == {"inlineData": {"mimeType": "audio/wav", "data": "UklGRiQAAABXQVZFZm10IA=="}}
    assert task["text"].startswith("Transcribe")
    assert "language is de" in task["text"]
    assert "Vertex AI" in task["text"]
    assert call.json["generationConfig"] == {"temperature": 0.5}


def test_a_translation_is_english(client, emulator):
    gemini_says(emulator, "Good day.")
    with pytest.deprecated_call():  # so says OpenAI's client
        answer = client.audio.translations.create(model=MODEL, file=("a.mp3", b"ID3"))
    assert answer.text == "Good day."
    assert "into English" in emulator.calls[-1].json["contents"][0]["parts"][1]["text"]


def test_with_times_the_answer_is_json_of_a_schema(client, emulator):
    gemini_says(emulator, json.dumps(SAID))
    answer = client.audio.transcriptions.create(
        model=MODEL,
        file=("a.wav", WAV),
        response_format="verbose_json",
        timestamp_granularities=["segment"],
    )
    assert (answer.language, answer.duration, answer.text) == ("german", 3725.0625, "Hallo. Und du?")
    assert [(one.id, one.start, one.end) for one in answer.segments] == [(0, 0, 2.5), (1, 2.5, 3725.0625)]
    config = emulator.calls[-1].json["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["audioTimestamp"] is True


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("text", "Hallo.\n"),
        (
            "srt",
            "1\n00:00:00,000 --> 00:00:02,500\nHallo.\n\n2\n00:00:02,500 --> 01:02:05,062\nUnd du?\n\n",
        ),
        (
            "vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nHallo.\n\n00:00:02.500 --> 01:02:05.062\nUnd du?\n\n",
        ),
    ],
)
@pytest.mark.parametrize("path", ["transcriptions", "translations"])
def test_a_text_is_plain(app, emulator, path, wanted, text):
    gemini_says(emulator, "Hallo." if wanted == "text" else json.dumps(SAID))
    answer = upload(app, path, response_format=wanted)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == text


def test_a_stream_gives_the_text_as_it_comes(client, emulator):
    with client.audio.transcriptions.create(model=MODEL, file=("a.wav", WAV), stream=True) as stream:
        *deltas, done = list(stream)
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert len(deltas) > 3
    assert done.type == "transcript.text.done"
    assert done.text == "".join(event.delta for event in deltas).strip()
    assert done.usage.total_tokens > 0
    assert emulator.calls[-1].path.endswith(":streamGenerateContent")


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("a.flac", "audio/flac"),
        ("a.m4a", "audio/m4a"),
        ("a.mp3", "audio/mp3"),
        ("a.mp4", "video/mp4"),
        ("a.mpeg", "video/mpeg"),
        ("a.mpga", "audio/mpeg"),
        ("a.ogg", "audio/ogg"),
        ("a.WAV", "audio/wav"),
        ("a.webm", "video/webm"),
    ],
)
def test_the_name_of_a_file_says_what_it_is(app, emulator, name, mime):
    assert upload(app, name=name).status_code == 200
    assert emulator.calls[-1].json["contents"][0]["parts"][0]["inlineData"]["mimeType"] == mime


def test_else_its_content_type_does(app, emulator):
    form = {"model": MODEL, "file": (io.BytesIO(WAV), "recording", "audio/ogg; codecs=opus")}
    answer = app.post("/v1/audio/transcriptions", data=form, content_type="multipart/form-data")
    assert answer.status_code == 200
    assert emulator.calls[-1].json["contents"][0]["parts"][0]["inlineData"]["mimeType"] == "audio/ogg"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"data": None}, "file"),
        ({"data": b""}, "file"),
        ({"name": "a.txt"}, "file"),
        ({"name": "a.png"}, "file"),
        ({"temperature": "warm"}, "temperature"),
        ({"temperature": "2"}, "temperature"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "srt", "stream": "true"}, "response_format"),
        ({"stream": "perhaps"}, "stream"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities"),
    ],
)
def test_what_is_wrong_is_said(app, emulator, given, param):
    answer = upload(app, **given)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, param), answer.text
    assert not emulator.calls


@pytest.mark.parametrize("model", ["whisper-1", "claude-sonnet-4-5", "vertex_ai/"])
def test_a_model_that_does_not_hear_is_a_404(app, model):
    answer = upload(app, model=model)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "model_not_found")


def test_a_file_may_not_be_too_large(app, emulator):
    head = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n'
    model = head % (b"model", b"") + MODEL.encode() + b"\r\n"
    file = head % (b"file", b'; filename="a.wav"') + bytes(MAX_FILE_BYTES + 1) + b"\r\n--x--\r\n"
    content_type = "multipart/form-data; boundary=x"
    answer = app.post("/v1/audio/transcriptions", data=model + file, content_type=content_type)
    assert (answer.status_code, answer.json["error"]["param"]) == (413, "file")
    assert not emulator.calls


def test_json_is_no_form(app):
    answer = app.post("/v1/audio/transcriptions", json={"model": MODEL})
    assert answer.status_code == 400
    assert "multipart/form-data" in answer.json["error"]["message"]


def test_a_refusal_is_an_error(client, emulator):
    emulator.script(b'{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}')
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(model=MODEL, file=("a.wav", WAV))
    assert refused.value.code == "content_policy_violation"


@pytest.mark.parametrize("said", ["", "not JSON", '{"language":"german"}', '{"language":1,"segments":[]}'])
def test_times_that_cannot_be_read_are_a_bad_gateway(app, emulator, said):
    gemini_says(emulator, said)
    assert upload(app, response_format="srt").status_code == 502


def test_what_is_not_heeded_is_listed(app):
    answer = upload(app, chunking_strategy="auto", **{"include[]": "logprobs"})
    assert answer.headers["x-vertex-compat-ignored"] == "chunking_strategy, include"


def test_a_stream_that_breaks_off_says_so(app):
    answer = upload(app, model="gemini-emulator-cut-3", stream="true")
    assert "transcript.text.done" not in answer.text
    assert '"error"' in answer.text
