"""`POST /audio/speech`: text becomes an audio file, whole or as it is spoken."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls, unary_calls
from vertex_compat.operations.audio import encoder, speech_schema
from vertex_compat.operations.context import EventStream, FileBody, RequestContext, Response, StreamingBody
from vertex_compat.operations.guardrails.guard import check_params
from vertex_compat.operations.request import body
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import model_names
from vertex_compat.types import (
    JSON,
    Audio,
    ChatAdapter,
    Model,
    SpeechAdapter,
    StreamPart,
    UnaryAdapter,
    Units,
    UpstreamCall,
    Usage,
)

if TYPE_CHECKING:
    from vertex_compat.operations.audio import answer_types as wire

SPEECH: Final = model_calls.Operation(
    lambda publisher: publisher.speech, "speak", frozenset({"speech", "music"})
)

PROMPTS: Final = ("input", "instructions", "negative_prompt")
"""Parameters with texts of the client."""

DEFAULT_FORMAT: Final = "mp3"


def create(context: RequestContext) -> Response:
    """Return the text as speech: a file, or events with its parts."""
    params = body.drop_nulls(body.decode(context.body, speech_schema.Speech))
    params["model"] = _model_name(params["model"], context)

    def attempt(model: Model, adapter: SpeechAdapter) -> Response:
        check_params(params, PROMPTS, model, context)
        adapter = _music(model) or adapter
        if formats := adapter.formats(model):
            return _file(adapter, formats, params, model, context)
        form = _encodable_format({**model.defaults, **params})
        if "stream_format" in params and adapter.stream and not context.dry_run:
            return _stream(adapter.stream, params, form, model, context)
        return _whole(adapter.whole, params, model, context, partial(_encode, form=form))

    def units(model: Model, adapter: SpeechAdapter) -> Units | None:
        unary = (_music(model) or adapter).whole
        return unary.units({**model.defaults, **params}, model)

    return model_calls.with_fallback(context, params["model"], SPEECH, attempt, units)


def _music(model: Model) -> SpeechAdapter | None:
    """Return what makes music, if the model does."""
    return PUBLISHERS[model.publisher].music if "music" in model.profile.operations else None


def _file(
    adapter: SpeechAdapter, formats: Sequence[str], params: JSON, model: Model, context: RequestContext
) -> Response:
    """Return the model's file, or one that is converted to the format that the client requests."""
    form = {**model.defaults, **params}.get("response_format", formats[0])
    if form in formats or "audioEncoding" in params.get("audioConfig", ()):
        return _whole(adapter.whole, params, model, context)
    if not encoder.can_convert():
        raise errors.BadRequest(
            f"This model makes {', '.join(formats)}, and {form!r} needs an encoder: add the package 'av' to "
            "requirements.txt.",
            param="response_format",
            code="unsupported_value",
        )
    source = params | {"response_format": "wav" if "wav" in formats else formats[0]}
    return _whole(
        adapter.whole, source, model, context, lambda audio: (encoder.convert(audio.data, form), form)
    )


def _encodable_format(params: JSON) -> str:
    """Return the format of the samples: the requested one, else MP3 if available, else WAV."""
    if "response_format" not in params:
        return DEFAULT_FORMAT if encoder.is_available(DEFAULT_FORMAT) else "wav"
    form = str(params["response_format"])
    if not encoder.is_available(form):
        raise errors.BadRequest(
            f"This model returns samples, and {form!r} needs an encoder: add the package 'av' to "
            "requirements.txt, or use wav or pcm.",
            param="response_format",
            code="unsupported_value",
        )
    return form


def _model_name(name: str, context: RequestContext) -> str:
    """Return the name; for `vertex_ai/…` without a model, that of Cloud Text-to-Speech."""
    if name.startswith(model_names.TEXT_TO_SPEECH):
        try:
            first = context.router.candidates(name)[0]
        except errors.NotFound:
            return model_names.TEXT_TO_SPEECH
        if first.publisher == "speechtotext":  # LiteLLM calls the Chirp voices vertex_ai/chirp
            return model_names.TEXT_TO_SPEECH
    return name


def _whole(
    adapter: UnaryAdapter[Audio],
    params: JSON,
    model: Model,
    context: RequestContext,
    encode: Callable[[Audio], tuple[bytes, str]] | None = None,
) -> Response:
    """Return the audio of a response that is not streamed.

    `encode` returns it in another format, and the format's name.
    """
    if context.dry_run:
        call = adapter.request({**model.defaults, **params}, model)[0]
        return model_calls.describe(call, model, context)
    results, headers = unary_calls.collect_unary(context, params, model, adapter, lambda audio: audio)
    audio = _joined(results)
    if audio.usage:
        context.log.usages["speech"] = audio.usage
    if encode:
        data, form = encode(audio)
        audio = Audio(data, encoder.MIME_TYPES[form], audio.usage)
    if params.get("stream_format") == "sse":
        return Response(EventStream(_events(audio)), headers)
    return Response(FileBody(audio.data, audio.mime), headers)


def _joined(pieces: Sequence[Audio]) -> Audio:
    """Return the pieces of a recording as one."""
    if len(pieces) == 1:
        return pieces[0]
    data = [piece.data for piece in pieces]
    is_wav = pieces[0].mime == encoder.MIME_TYPES["wav"]
    return pieces[0]._replace(data=encoder.join_wav(data) if is_wav else b"".join(data))


def _encode(audio: Audio, form: str) -> tuple[bytes, str]:
    """Return samples as a file, and its format."""
    return encoder.encode(audio.data, form, audio.rate or encoder.PCM_RATE), form


def _events(audio: Audio) -> Iterator[bytes]:
    yield _delta(audio.data)
    yield _done(audio.usage or Usage(0, 0))


def _delta(data: bytes) -> bytes:
    event: wire.SpeechAudioDeltaEvent = {
        "type": "speech.audio.delta",
        "audio": base64.b64encode(data).decode(),
    }
    return sse.encode(event)


def _done(usage: Usage) -> bytes:
    counts: wire.SpeechUsage = {
        "input_tokens": usage.prompt,
        "output_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
    event: wire.SpeechAudioDoneEvent = {"type": "speech.audio.done", "usage": counts}
    return sse.encode(event)


def _stream(adapter: ChatAdapter, params: JSON, form: str, model: Model, context: RequestContext) -> Response:
    def prepare(model: Model) -> list[UpstreamCall]:
        return [adapter.request({**model.defaults, **params}, model)]

    stream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
    events = params["stream_format"] == "sse"
    encoded = stream.stream(SpeechEncoder(form, events=events))
    if events:
        return Response(EventStream(encoded), stream.headers)
    return Response(StreamingBody(encoded, encoder.MIME_TYPES[form]), stream.headers)


class SpeechEncoder:
    """Encodes samples as they come, as events or as the bytes of a file."""

    def __init__(self, form: str, *, events: bool) -> None:
        self.keepalive = sse.KEEPALIVE if events else b""
        self._form = form
        self._events = events
        self._encoder: encoder.Encoder | None = None
        self._usage = Usage(0, 0)
        self._finished = False

    def encode(self, _: int, part: StreamPart) -> bytes:
        """Return what the client gets for one part; may be empty."""
        if isinstance(part, Usage):
            self._usage = part
            return b""
        self._finished = self._finished or part.finish_reason is not None
        if "samples" not in part.fields:
            return b""
        self._encoder = self._encoder or encoder.encoder(self._form, part.fields["rate"])
        return self._write(self._encoder.write(part.fields["samples"]))

    def finish(self) -> bytes:
        """Return the end of the file; raises `UpstreamFault` if the model had not finished."""
        if not self._finished or self._encoder is None:
            raise errors.unfinished_response()
        audio = self._write(self._encoder.finish())
        return audio + _done(self._usage) if self._events else audio

    def _write(self, data: bytes) -> bytes:
        return _delta(data) if data and self._events else data
