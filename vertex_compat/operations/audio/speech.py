"""`POST /audio/speech`: text becomes an audio file."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Iterator
from typing import Final

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.audio import speech_schema
from vertex_compat.operations.context import EventStream, FileBody, RequestContext, Response
from vertex_compat.operations.request import body
from vertex_compat.routing import model_names
from vertex_compat.types import JSON, Audio, Usage

SPEECH: Final = model_calls.Operation(lambda publisher: publisher.speech, "speak")


def create(context: RequestContext) -> Response:
    """Answer one request for speech, as a file or as events that hold it."""
    params = body.drop_nulls(body.decode(context.body, speech_schema.Speech))
    params["model"] = _model_name(params["model"], context)
    return model_calls.call_unary(
        context,
        params,
        SPEECH,
        lambda audio: audio,
        lambda results, headers: _respond(results[0], params, headers, context),
    )


def _respond(audio: Audio, params: JSON, headers: dict[str, str], context: RequestContext) -> Response:
    if audio.usage:
        context.log.usages["speech"] = audio.usage
    if audio.rate and params.get("response_format") != "pcm":
        audio = Audio(_wav(audio.data, audio.rate), "audio/wav", audio.usage)
    if params.get("stream_format") == "sse":
        return Response(EventStream(_events(audio)), headers)
    return Response(FileBody(audio.data, audio.mime), headers)


def _model_name(name: str, context: RequestContext) -> str:
    """The name; `vertex_ai/` for `vertex_ai/…` that names no model: Cloud Text-to-Speech has no models."""
    if name.startswith(model_names.TEXT_TO_SPEECH):
        try:
            context.router.candidates(name)
        except errors.NotFound:
            return model_names.TEXT_TO_SPEECH
    return name


def _wav(samples: bytes, rate: int) -> bytes:
    """A WAV file of 16-bit mono samples."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return buffer.getvalue()


def _events(audio: Audio) -> Iterator[bytes]:
    usage = audio.usage or Usage(0, 0)
    counts = {
        "input_tokens": usage.prompt,
        "output_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
    yield sse.encode({"type": "speech.audio.delta", "audio": base64.b64encode(audio.data).decode()})
    yield sse.encode({"type": "speech.audio.done", "usage": counts})
