"""`POST /audio/speech`: a text becomes a file that plays."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Final

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.audio import speech_schema
from vertex_compat.operations.context import FileBody, RequestContext, Response
from vertex_compat.operations.request import body
from vertex_compat.routing import model_names
from vertex_compat.types import Audio, Usage

PCM: Final = 1
"""WAVE_FORMAT_PCM."""


def create(context: RequestContext) -> Response:
    """Answer one request for speech, as a file or as events that hold it."""
    given = body.without_nulls(body.decode(context.body, speech_schema.Speech))
    given["model"] = _known(given["model"], context)
    (sound,), headers = model_calls.call_unary(
        context, given, lambda publisher: publisher.speech, "speak", lambda made: made
    )
    if sound.usage:
        context.log.usages["speech"] = sound.usage
    if sound.rate and given.get("response_format") != "pcm":
        sound = Audio(_wav(sound.data, sound.rate), "audio/wav", sound.usage)
    if given.get("stream_format") == "sse":
        return Response(_events(sound), headers)
    return Response(FileBody(sound.data, sound.mime), headers)


def _known(asked: str, context: RequestContext) -> str:
    """The name. `vertex_ai/` with what is no model's is Cloud Text-to-Speech, which has no models."""
    if asked.startswith(model_names.TEXT_TO_SPEECH):
        try:
            context.router.candidates(asked)
        except errors.NotFound:
            return model_names.TEXT_TO_SPEECH
    return asked


def _wav(samples: bytes, rate: int) -> bytes:
    """A RIFF file of 16-bit samples of one channel."""
    form = struct.pack("<HHIIHH", PCM, 1, rate, 2 * rate, 2, 16)
    size = 4 + 8 + len(form) + 8 + len(samples)
    riff = struct.pack("<4sI4s4sI", b"RIFF", size, b"WAVE", b"fmt ", len(form))
    return riff + form + struct.pack("<4sI", b"data", len(samples)) + samples


def _events(sound: Audio) -> Iterator[bytes]:
    usage = sound.usage or Usage(0, 0)
    counted = {
        "input_tokens": usage.prompt,
        "output_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
    yield sse.encode({"type": "speech.audio.delta", "audio": base64.b64encode(sound.data).decode()})
    yield sse.encode({"type": "speech.audio.done", "usage": counted})
