"""`/audio/transcriptions` and `/audio/translations`."""

import io
import json

import openai
import pytest
from helpers.server import app_with_emulator

from vertex_compat.operations.audio.recording import MAX_BYTES, MAX_INLINE_BYTES
from vertex_compat.operations.audio.transcript import Transcript
from vertex_compat.types import Delta

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
MODEL = "gemini-3.8-flash"
TRANSCRIPT = {
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
    gemini_says(emulator, json.dumps(TRANSCRIPT))
    answer = client.audio.transcriptions.create(
        model=MODEL,
        file=("a.wav", WAV),
        response_format="verbose_json",
        timestamp_granularities=["segment"],
    )
    assert (answer.language, answer.duration, answer.text) == ("german", 3725.0625, "Hallo. Und du?")
    assert [(segment.id, segment.start, segment.end) for segment in answer.segments] == [
        (0, 0, 2.5),
        (1, 2.5, 3725.0625),
    ]
    config = emulator.calls[-1].json["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["audioTimestamp"] is True


@pytest.mark.parametrize(
    ("expected", "text"),
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
def test_a_text_is_plain(app, emulator, path, expected, text):
    gemini_says(emulator, "Hallo." if expected == "text" else json.dumps(TRANSCRIPT))
    answer = upload(app, path, response_format=expected)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == text


def test_stream_has_text_deltas(client, emulator):
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
def test_media_type_is_read_from_the_file_name(app, emulator, name, mime):
    assert upload(app, name=name).status_code == 200
    assert emulator.calls[-1].json["contents"][0]["parts"][0]["inlineData"]["mimeType"] == mime


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"ID3\x04", "audio/mp3"),
        (b"fLaC\x00", "audio/flac"),
        (b"OggS\x00", "audio/ogg"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
    ],
)
def test_else_its_first_bytes_do(client, emulator, data, mime):
    client.audio.transcriptions.create(model=MODEL, file=data)  # the SDK calls the file "upload"
    assert emulator.calls[-1].json["contents"][0]["parts"][0]["inlineData"]["mimeType"] == mime


def test_an_empty_file_is_called_empty(app):
    assert upload(app, data=b"").json["error"]["message"] == "The file is empty."


def test_empty_fields_of_a_form_say_nothing(app, emulator):
    assert upload(app, language="", prompt="").status_code == 200
    text = emulator.calls[-1].json["contents"][0]["parts"][1]["text"]
    assert "spoken language is" not in text
    assert "style and spelling" not in text


def test_media_type_without_extension_is_the_content_type(app, emulator):
    form = {"model": MODEL, "file": (io.BytesIO(WAV), "recording", "audio/ogg; codecs=opus")}
    answer = app.post("/v1/audio/transcriptions", data=form, content_type="multipart/form-data")
    assert answer.status_code == 200
    assert emulator.calls[-1].json["contents"][0]["parts"][0]["inlineData"]["mimeType"] == "audio/ogg"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"data": None}, "file"),
        ({"data": b""}, "file"),
        ({"name": "a.txt"}, "file"),
        ({"name": "a.png"}, "file"),
        ({"temperature": "warm"}, "temperature"),
        ({"temperature": "2"}, "temperature"),
        ({"path": "translations", "response_format": "diarized_json"}, "response_format"),
        ({"response_format": "srt", "stream": "true"}, "response_format"),
        ({"stream": "perhaps"}, "stream"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities"),
    ],
)
def test_invalid_parameter_is_named(app, emulator, params, param):
    answer = upload(app, **params)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, param), answer.text
    assert not emulator.calls


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "vertex_ai/"])
def test_a_model_that_does_not_hear_is_a_404(app, model):
    answer = upload(app, model=model)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "model_not_found")


def upload_bytes(app, data, **fields):
    """Upload `data` as a.wav, in a body that is one string of bytes."""
    head = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    form = "".join(head.format(name, "") + value + "\r\n" for name, value in fields.items())
    file = head.format("file", '; filename="a.wav"').encode() + data + b"\r\n--x--\r\n"
    content_type = "multipart/form-data; boundary=x"
    return app.post("/v1/audio/transcriptions", data=form.encode() + file, content_type=content_type)


def test_a_file_may_not_be_too_large(app, emulator):
    answer = upload_bytes(app, bytes(MAX_BYTES + 1), model=MODEL)
    assert (answer.status_code, answer.json["error"]["param"]) == (413, "file")
    assert not emulator.calls


def test_a_second_file_is_refused_and_any_other_named(app):
    wav = (io.BytesIO(WAV), "a.wav")
    answer = upload(app, file=[wav, (io.BytesIO(WAV), "b.wav")], data=None)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "file")
    answer = upload(app, cover=(io.BytesIO(b"x"), "a.png"))
    assert (answer.status_code, answer.headers["x-vertex-compat-ignored"]) == (200, "cover")
    answer = upload(app, prompt=(io.BytesIO(b"x"), "a.txt"))
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "prompt")


def test_json_is_no_form(app):
    answer = app.post("/v1/audio/transcriptions", json={"model": MODEL})
    assert answer.status_code == 400
    assert "multipart/form-data" in answer.json["error"]["message"]


def test_a_refusal_is_an_error(client, emulator):
    emulator.script(b'{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}')
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(model=MODEL, file=("a.wav", WAV))
    assert refused.value.code == "content_policy_violation"


@pytest.mark.parametrize("message", ["", "not JSON", '{"language":"german"}', '{"language":1,"segments":[]}'])
def test_times_that_cannot_be_read_are_a_bad_gateway(app, emulator, message):
    gemini_says(emulator, message)
    assert upload(app, response_format="srt").status_code == 502


def test_ignored_parameters_are_listed(app):
    answer = upload(app, **{"chunking_strategy[type]": "server_vad", "include[]": "logprobs"})
    assert answer.headers["x-vertex-compat-ignored"] == "chunking_strategy, include"
    assert "x-vertex-compat-ignored" not in upload(app, chunking_strategy="auto").headers


def test_broken_stream_ends_with_an_error(app):
    answer = upload(app, model="gemini-emulator-cut-3", stream="true")
    assert "transcript.text.done" not in answer.text
    assert '"error"' in answer.text


# Transcription models

TRANSCRIBER = "gemini-3.5-transcribe"
SENTENCES = "Good morning. Good morning, how are you? Fine, thanks."


def test_words_besides_segments_are_named_without_a_source(client):
    raw = client.audio.transcriptions.with_raw_response.create(
        model="gemini-3.8-flash",
        file=("a.wav", WAV),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert raw.headers["x-vertex-compat-ignored"] == "timestamp_granularities"
    assert raw.parse().segments


def test_words_have_times(client, emulator):
    answer = client.audio.transcriptions.create(
        model=TRANSCRIBER,
        file=("a.wav", WAV),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        extra_body={"languages": ["en", "de"], "keywords": ["Vertex"]},
    )
    assert answer.text == SENTENCES
    assert [(word.word, word.start, word.end) for word in answer.words[:2]] == [
        ("Good", 0.0, 0.5),
        ("morning.", 0.5, 1.0),
    ]
    assert [(segment.start, segment.end) for segment in answer.segments] == [(0, 1), (1, 3.5), (3.5, 4.5)]
    (part,) = emulator.calls[-1].json["contents"][0]["parts"]
    assert part["inlineData"]["mimeType"] == "audio/wav"
    assert emulator.calls[-1].json["generationConfig"] == {
        "audioTranscriptionConfig": {
            "languageCodes": ["en", "de"],
            "customVocabulary": ["Vertex"],
            "wordTimestamp": True,
        }
    }


def test_speakers_have_labels(client):
    answer = client.audio.transcriptions.create(
        model=TRANSCRIBER, file=("a.wav", WAV), response_format="diarized_json", chunking_strategy="auto"
    )
    assert [(segment.speaker, segment.text) for segment in answer.segments] == [
        ("A", "Good morning."),
        ("B", "Good morning, how are you?"),
        ("A", "Fine, thanks."),
    ]
    assert answer.duration == 4.5
    assert answer.text == SENTENCES


def test_segments_are_streamed_with_their_speakers(client):
    with client.audio.transcriptions.create(
        model=TRANSCRIBER, file=("a.wav", WAV), response_format="diarized_json", stream=True
    ) as stream:
        received = list(stream)
    segments = [event for event in received if event.type == "transcript.text.segment"]
    assert [event.speaker for event in segments] == ["A", "B", "A"]
    deltas = [event for event in received if event.type == "transcript.text.delta"]
    assert [event.segment_id for event in deltas] == [event.id for event in segments]
    assert received[-1].text == SENTENCES


def test_a_chat_model_separates_named_speakers(app, emulator):
    segments = [
        {"start": 0, "end": 1, "text": "Hello.", "speaker": "agent"},
        {"start": 1, "end": 2, "text": "Hi.", "speaker": "somebody"},
    ]
    gemini_says(emulator, json.dumps({"language": "english", "segments": segments}))
    answer = upload(app, response_format="diarized_json", **{"known_speaker_names[]": "agent"})
    assert [segment["speaker"] for segment in answer.json["segments"]] == ["agent", "A"]
    schema = emulator.calls[-1].json["generationConfig"]["responseSchema"]
    assert "speaker" in schema["properties"]["segments"]["items"]["required"]


def test_a_chat_model_streams_segments_at_the_end(app, emulator):
    segments = [{"start": 0, "end": 1, "text": "Hello.", "speaker": "x"}]
    text = json.dumps({"language": "english", "segments": segments})
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
    emulator.script([b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"])
    answer = upload(app, response_format="diarized_json", stream="true")
    kinds = [json.loads(line[6:])["type"] for line in answer.text.split("\n\n") if line.startswith("data: {")]
    assert kinds == ["transcript.text.delta", "transcript.text.segment", "transcript.text.done"]


@pytest.mark.parametrize(
    ("model", "path", "fields", "param"),
    [
        (TRANSCRIBER, "translations", {}, "model"),
        (
            MODEL,
            "transcriptions",
            {"timestamp_granularities[]": "word", "response_format": "verbose_json"},
            "timestamp_granularities",
        ),
    ],
)
def test_unsupported_request_of_a_model_is_a_400(app, emulator, model, path, fields, param):
    answer = upload(app, path, model=model, **fields)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, param), answer.text
    assert not emulator.calls


# Large recordings go by the bucket


def test_large_recording_is_in_the_bucket_during_the_call(emulator, storage):
    app = app_with_emulator(emulator, GCS_BUCKET_NAME="emulated-bucket")
    answer = upload_bytes(app, WAV + bytes(MAX_BYTES), model=TRANSCRIBER)
    assert answer.json["text"] == SENTENCES
    call = next(call for call in emulator.calls if call.path.endswith(":generateContent"))
    (part,) = call.json["contents"][0]["parts"]
    assert part["fileData"]["mimeType"] == "audio/wav"
    assert part["fileData"]["fileUri"].startswith("gs://emulated-bucket/vertex_compat/")
    assert part["fileData"]["fileUri"].endswith(".wav")
    assert storage.names("emulated-bucket") == []


@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_failed_transcription_leaves_nothing_in_the_bucket(emulator, storage, stream):
    app = app_with_emulator(emulator, GCS_BUCKET_NAME="emulated-bucket")
    model = "gemini-emulator-cut-3" if stream == "true" else "gemini-emulator-status-500"
    answer = upload_bytes(app, WAV + bytes(MAX_INLINE_BYTES), model=model, stream=stream)
    assert "error" in answer.text
    assert storage.names("emulated-bucket") == []


def test_a_plain_text_is_one_segment_where_times_are_optional():
    transcript = Transcript(as_json=True, times_optional=True)
    transcript.add(Delta(0, {"content": "Hello."}, "stop"))
    assert [segment.text for segment in transcript.complete()] == ["Hello."]
    assert transcript.text == "Hello."


@pytest.mark.parametrize(
    ("name", "declared", "expected"),
    [
        ("a.webm", "audio/webm", "audio/webm"),
        ("a.webm", "video/webm", "video/webm"),
        ("a.webm", "application/octet-stream", "video/webm"),
        ("a.mp4", "audio/mp4", "audio/mp4"),
    ],
)
def test_declared_type_separates_audio_from_video(app, emulator, name, declared, expected):
    form = {"model": "gemini-3.8-flash", "file": (io.BytesIO(b"x"), name, declared)}
    app.post("/v1/audio/transcriptions", data=form)
    parts = emulator.calls[-1].json["contents"][0]["parts"]
    assert [part["inlineData"]["mimeType"] for part in parts if "inlineData" in part] == [expected]


def test_a_file_of_the_bucket_can_be_transcribed(emulator, storage):
    env = {"GCS_BUCKET_NAME": "emulated-bucket", "STORAGE_EMULATOR_HOST": emulator.host}
    app = app_with_emulator(emulator, **env)
    form = {"purpose": "user_data", "file": (io.BytesIO(WAV), "a.wav")}
    file = app.post("/v1/files", data=form).json["id"]

    def transcribe(file):
        form = {"model": MODEL, "file": file}
        return app.post("/v1/audio/transcriptions", data=form, content_type="multipart/form-data")

    assert transcribe(file).status_code == 200
    parts = emulator.calls[-1].json["contents"][0]["parts"]
    (uri,) = [part["fileData"]["fileUri"] for part in parts if "fileData" in part]
    assert uri.removeprefix("gs://emulated-bucket/") in storage.names("emulated-bucket")
    unknown = transcribe("file-x")
    assert (unknown.status_code, unknown.json["error"]["param"]) == (400, "file")
