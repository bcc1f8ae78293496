"""Laws for each stream of events that is no chat: speech, transcripts, images, completions.

Each event fits the class of OpenAI's SDK. The last one ends the stream once, and has the usage. Where the
upstream breaks, at any event, the stream ends with an error.
"""

import base64
import io
import json
import struct
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import openai.types as sdk
import pytest
from helpers.fake_upstream import emulator_response
from helpers.server import app_with_emulator
from openai.types import audio
from pydantic import BaseModel, TypeAdapter

RATE = 16_000
WAV = b"".join(
    [
        b"RIFF",
        struct.pack("<I", 36 + 2 * RATE),
        b"WAVEfmt ",
        struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16),
        b"data",
        struct.pack("<I", 2 * RATE),
        bytes(2 * RATE),
    ]
)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class SpeechUsage(BaseModel):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechDelta(BaseModel):
    """`speech.audio.delta`, of which the SDK has no class.

    https://platform.openai.com/docs/api-reference/audio/speech-audio-delta-event
    """

    type: Literal["speech.audio.delta"]
    audio: str


class SpeechDone(BaseModel):
    """`speech.audio.done`, of which the SDK has no class.

    https://platform.openai.com/docs/api-reference/audio/speech-audio-done-event
    """

    type: Literal["speech.audio.done"]
    usage: SpeechUsage


class Stream(NamedTuple):
    """The request for a stream of a model, the class of its events, and its last event's type."""

    send: Callable[..., Any]
    event: Any
    done: str
    models: tuple[str, ...]
    ends_with_done: bool = False
    counts_tokens: bool = True


def speech(app, model, **more):
    body = {"model": model, "input": "Hello there", "response_format": "wav", "stream_format": "sse", **more}
    return app.post("/v1/audio/speech", json=body)


def form(path, name, data, **fields):
    def send(app, model, **more):
        files = {name: (io.BytesIO(data), f"a.{'wav' if name == 'file' else 'png'}")}
        body = {"model": model, "stream": "true", **fields, **more, **files}
        return app.post(path, data=body, content_type="multipart/form-data")

    return send


def images(app, model, **more):
    body = {"model": model, "prompt": "A cat", "stream": True, "partial_images": 2, **more}
    return app.post("/v1/images/generations", json=body)


def completions(app, model, **more):
    options = {"include_usage": True}
    body = {"model": model, "prompt": "Once", "stream": True, "stream_options": options, "max_tokens": 40}
    return app.post("/v1/completions", json={**body, **more})


TRANSCRIBERS = ("gemini-3.5-transcribe", "gemini-3.8-flash")
DRAWERS = (
    "gemini-3-pro-image",
    "gemini-3.1-flash-image",
    "gemini-2.5-flash-image",
    "gemini-nano-banana-2.1",
    "imagen-3.0-generate-001",
)
COMPLETERS = (
    "gemini-3.8-flash",
    "claude-sonnet-5-5",
    "codestral-2",
    "mistral-medium-3",
    "meta/llama-4-maverick-17b-128e-instruct-maas",
    "jamba-1.5-large",
    "openai/1234567890",
    "1234567890",
)

STREAMS = {
    "speech": Stream(
        speech,
        TypeAdapter(SpeechDelta | SpeechDone),
        "speech.audio.done",
        ("gemini-3.8-flash-tts", "gemini-2.5-flash-preview-tts", "lyria-3-clip-preview"),
    ),
    "speech that comes whole": Stream(
        speech,
        TypeAdapter(SpeechDelta | SpeechDone),
        "speech.audio.done",
        ("vertex_ai/", "lyria-002"),
        counts_tokens=False,
    ),
    "transcript": Stream(
        form("/v1/audio/transcriptions", "file", WAV),
        TypeAdapter(audio.TranscriptionStreamEvent),
        "transcript.text.done",
        TRANSCRIBERS,
        ends_with_done=True,
    ),
    "transcript that comes whole": Stream(
        form("/v1/audio/transcriptions", "file", WAV),
        TypeAdapter(audio.TranscriptionStreamEvent),
        "transcript.text.done",
        ("chirp_3",),
        ends_with_done=True,
        counts_tokens=False,
    ),
    "speakers": Stream(
        form("/v1/audio/transcriptions", "file", WAV, response_format="diarized_json"),
        TypeAdapter(audio.TranscriptionStreamEvent),
        "transcript.text.done",
        TRANSCRIBERS,
        ends_with_done=True,
    ),
    "translation": Stream(
        form("/v1/audio/translations", "file", WAV),
        TypeAdapter(audio.TranscriptionStreamEvent),
        "transcript.text.done",
        ("gemini-3.8-flash",),
        ends_with_done=True,
    ),
    "image": Stream(images, TypeAdapter(sdk.ImageGenStreamEvent), "image_generation.completed", DRAWERS),
    "edit": Stream(
        form("/v1/images/edits", "image", PNG, prompt="A hat", partial_images="2"),
        TypeAdapter(sdk.ImageEditStreamEvent),
        "image_edit.completed",
        DRAWERS[:-1],
    ),
    "completion": Stream(completions, TypeAdapter(sdk.Completion), "", COMPLETERS, ends_with_done=True),
}
EACH = [(name, model) for name, stream in STREAMS.items() for model in stream.models]
each_stream = pytest.mark.parametrize(("name", "model"), EACH)


def events_of(answer):
    """The data of each event; comments are left out, and the name of an event is its type."""
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.text.endswith("\n\n")
    for block in answer.text.split("\n\n")[:-1]:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if not lines:
            continue
        *named, data = lines
        assert data.startswith("data: ")
        value = data.removeprefix("data: ")
        if value != "[DONE]":
            value = json.loads(value)
            assert named in ([], [f"event: {value.get('type')}"])
        yield value


def is_done(stream, event):
    """Return whether an event says that the stream is complete."""
    return event["type"] == stream.done if stream.done else bool(event["choices"] == [])


def usage_of(event):
    return event["usage"]["total_tokens"]


@each_stream
def test_events_fit_openai_s_classes_and_end_once(app, emulator, name, model):  # noqa: ARG001
    stream = STREAMS[name]
    events = list(events_of(stream.send(app, model)))
    if stream.ends_with_done:
        assert events.pop() == "[DONE]"
    assert len(events) > 1 or model in {"gemini-2.5-flash-image", "imagen-3.0-generate-001"}
    for event in events:
        assert "error" not in event
        for choice in event.get("choices", ()):  # OpenAI sends null, too, which its class does not have
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        stream.event.validate_python(event, strict=True)
    assert [is_done(stream, event) for event in events] == [False] * (len(events) - 1) + [True]
    if model == "chirp_3":  # it is paid by seconds, which the SDK's class of the event does not have
        assert "usage" not in events[-1]
        return
    is_counted = stream.counts_tokens and model not in {"imagen-3.0-generate-001", "1234567890"}
    assert (usage_of(events[-1]) > 0) == is_counted


FAULTS = [
    f"{kind}-{count}" for kind in ("cut", "half", "end", "error-event", "garbage") for count in (0, 1, 3)
]
UNNAMED = {"vertex_ai/", "chirp_3", "1234567890", "openai/1234567890"}  # these names cannot hold a fault
WHOLE = {
    "vertex_ai/",
    "1234567890",
    "chirp_3",
    "imagen-3.0-generate-001",
    "lyria-002",
    "lyria-3-clip-preview",
}


def with_fault(model, fault):
    stem, maas, _ = model.partition("-maas")
    return f"{stem}-emulator-{fault}{maas}"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("name", "model"), [(name, model) for name, model in EACH if model not in UNNAMED])
def test_a_broken_stream_ends_with_an_error(app, name, model, fault):
    stream = STREAMS[name]
    answer = stream.send(app, with_fault(model, fault))
    if answer.status_code != 200:
        assert is_error(answer.json)
        assert answer.status_code >= 500
        return
    events = list(events_of(answer))
    complete = [
        event for event in events if event != "[DONE]" and "error" not in event and is_done(stream, event)
    ]
    errors = [event for event in events if event != "[DONE]" and "error" in event]
    assert len(complete) + len(errors) == 1
    if errors:
        assert events[-1] is errors[0]
        assert is_error(errors[0])


def is_error(body):
    """Return whether an object is an error in OpenAI's form."""
    error = body["error"]
    return (
        body.keys() == {"error"} and error.keys() == {"message", "type", "param", "code"} and error["message"]
    )


TRANSCRIPTS = [
    pair for pair in EACH if STREAMS[pair[0]].done == "transcript.text.done" and pair[1] in TRANSCRIBERS
]


@pytest.mark.parametrize(("name", "model"), TRANSCRIPTS)
def test_the_deltas_of_a_transcript_are_its_text(app, emulator, name, model):
    stream = STREAMS[name]
    texts = [" Good", " morning.\n", "\n", "And you?", " \n"]
    segments = [{"content": {"parts": [{"text": text}]}} for text in texts]
    if name != "speakers":
        end = {"content": {"parts": []}, "finishReason": "STOP"}
        chunks = [{"candidates": [candidate]} for candidate in (*segments, end)]
        emulator.script([b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks])
    events = [event for event in events_of(stream.send(app, model)) if event != "[DONE]"]
    deltas = [event["delta"] for event in events if event["type"] == "transcript.text.delta"]
    assert "".join(deltas) == events[-1]["text"] != ""
    assert name == "speakers" or events[-1]["text"] == "Good morning.\n\nAnd you?"


STREAMED = [(name, model) for name, model in EACH if model not in WHOLE]


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize(("name", "model"), STREAMED)
def test_a_stream_that_ends_after_one_event_is_an_error(app, emulator, name, model, cut):
    stream = STREAMS[name]
    assert '"error"' not in stream.send(app, model).text
    honest = emulator_response(emulator.calls[-1], emulator.url)
    emulator.script(honest.blocks[:1], cut=cut)
    answer = stream.send(app, model)
    error = answer.json if answer.status_code != 200 else [*events_of(answer)][-1]
    assert is_error(error)


def content_of(stream, answer):
    """The content of a stream's events: samples, text, or images."""
    events = [event for event in events_of(answer) if event != "[DONE]"]
    match stream.done:
        case "speech.audio.done":
            return b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
        case "transcript.text.done":
            return events[-1]["text"]
        case "":
            return "".join(choice["text"] for event in events for choice in event["choices"])
    return [event["b64_json"] for event in events]


OVERLOADED = b'data: {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}\n\n'


MP3 = {"response_format": "mp3"}
RETRIED = [(*pair, {}) for pair in STREAMED] + [(*pair, MP3) for pair in STREAMED if pair[0] == "speech"]


@pytest.mark.parametrize(("name", "model", "more"), RETRIED)
def test_a_retried_stream_brings_nothing_twice(emulator, name, model, more):
    stream, app = STREAMS[name], app_with_emulator(emulator, VERTEX_COMPAT_RETRIES="1")
    expected = content_of(stream, stream.send(app, model, **more))
    honest = emulator_response(emulator.calls[-1], emulator.url)
    for count in (1, 2):
        emulator.script([*honest.blocks[:count], OVERLOADED], pause=0.02)
        answer = stream.send(app, model, **more)
        if answer.status_code == 200 and '"error"' not in answer.text:
            assert content_of(stream, answer) == expected
    emulator.app.scripts.clear()
