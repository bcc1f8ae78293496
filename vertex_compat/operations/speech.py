"""`POST /audio/speech`: a text becomes a file that plays."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

from vertex_compat import errors, names, sse
from vertex_compat.operations import Ask, Content, Reply, body, speech_schema, upstream
from vertex_compat.wire import Model, Sound, Unary, Usage


def create(ask: Ask) -> Reply:
    """Answer one request for speech, as a file or as events that hold it."""
    given = body.without_nulls(body.decode(ask.body, speech_schema.Speech))
    model, speech = _able(ask, given["model"])
    calls = speech.request(given, model)
    (sound,) = upstream.fetch(calls, speech.response, model, ask)
    if sound.rate and given.get("response_format") != "pcm":
        sound = Sound(_wav(sound.data, sound.rate), "audio/wav", sound.usage)
    headers = upstream.ignored(name for call in calls for name in call.ignored)
    if given.get("stream_format") == "sse":
        return Reply(_events(sound), headers)
    return Reply(Content(sound.data, sound.mime), headers)


def _able(ask: Ask, asked: str) -> tuple[Model, Unary[Sound]]:
    """A model that speaks. `vertex_ai/` with anything else is Cloud Text-to-Speech, which has no models."""
    try:
        return upstream.able(ask, asked, lambda publisher: publisher.speech, "speak")
    except errors.NotFound:
        if asked == names.TEXT_TO_SPEECH or not asked.startswith(names.TEXT_TO_SPEECH):
            raise
        return _able(ask, names.TEXT_TO_SPEECH)


def _wav(samples: bytes, rate: int) -> bytes:
    """A RIFF file of 16-bit samples of one channel."""
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(samples),
    )
    return header + samples


def _events(sound: Sound) -> Iterator[bytes]:
    usage = sound.usage or Usage(0, 0)
    counted = {
        "input_tokens": usage.prompt,
        "output_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
    yield sse.encode({"type": "speech.audio.delta", "audio": base64.b64encode(sound.data).decode()})
    yield sse.encode({"type": "speech.audio.done", "usage": counted})
