"""`POST /audio/transcriptions` and `/audio/translations`: a recording becomes text, plain or with times."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.audio import transcriptions_schema
from vertex_compat.operations.context import EventStream, FileBody, RequestContext, Response
from vertex_compat.operations.request import multipart
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.publishers import media_types
from vertex_compat.types import JSON, ChatAdapter, Model, StreamPart, UpstreamCall, Usage

MAX_FILE_BYTES: Final = 25 * 1024 * 1024
"""OpenAI's limit."""

TIMED_FORMATS: Final = frozenset({"srt", "verbose_json", "vtt"})
STREAMED_FORMATS: Final = frozenset({"json", "text"})

TRANSCRIPTION: Final = model_calls.Operation(lambda publisher: publisher.transcriptions, "transcribe")

MEDIA_TYPES: Final = ("audio/", "video/mp4", "video/mpeg", "video/quicktime", "video/webm")


class Segment(msgspec.Struct):
    """About one sentence, with its start and end in seconds."""

    start: float
    end: float
    text: str


class TimedTranscript(msgspec.Struct):
    """The JSON that a model returns when it is asked for times."""

    language: str
    segments: list[Segment]


_decode_timed = msgspec.json.Decoder(TimedTranscript).decode


def transcribe(context: RequestContext) -> Response:
    """Return the text in the language that is spoken."""
    return _respond(context, translate=False)


def translate(context: RequestContext) -> Response:
    """Return the text in English."""
    return _respond(context, translate=True)


def _respond(context: RequestContext, *, translate: bool) -> Response:
    form = multipart.read(context)
    params = form.decode(transcriptions_schema.Transcription)
    response_format = params.get("response_format", "json")
    _check(params, response_format)
    params |= {
        "audio": _audio(form),
        "segments": response_format in TIMED_FORMATS,
        "translate": translate,
    }

    def attempt(model: Model, adapter: ChatAdapter) -> Response:
        def prepare(model: Model) -> list[UpstreamCall]:
            return [adapter.request({**model.defaults, **params}, model)]

        if context.dry_run:
            return model_calls.describe(prepare(model)[0], model, context)
        stream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
        encoder = _TranscriptEncoder()
        if params.get("stream"):
            return Response(EventStream(stream.stream(encoder)), stream.headers)
        for number, part in stream.collect():
            encoder.encode(number, part)
        return Response(_body(encoder, response_format, params), stream.headers)

    return model_calls.with_fallback(context, params["model"], TRANSCRIPTION, attempt)


def _body(transcript: _TranscriptEncoder, response_format: str, params: JSON) -> JSON | FileBody:
    """The whole response in the format that the client asks for."""
    if response_format == "json":
        return {"text": transcript.text(), "usage": transcript.usage()}
    if response_format == "text":
        return _plain_text(transcript.text() + "\n")
    timed = _timed(transcript.text())
    if response_format == "verbose_json":
        return _verbose(timed, params)
    return _plain_text(_srt(timed) if response_format == "srt" else _vtt(timed))


def _check(params: JSON, response_format: str) -> None:
    if params.get("stream") and response_format not in STREAMED_FORMATS:
        raise errors.BadRequest(
            f"A stream has no times: 'response_format' is {' or '.join(sorted(STREAMED_FORMATS))}.",
            param="response_format",
            code="unsupported_value",
        )
    if "word" in params.get("timestamp_granularities", ()):
        raise errors.BadRequest(
            "Gemini does not return the times of single words, only of segments.",
            param="timestamp_granularities",
            code="unsupported_value",
        )


def _audio(form: multipart.Form) -> JSON:
    """The recording as publishers take it: MIME type and base64."""
    if not (uploads := form.files.get("file")) or not uploads[0].data:
        raise errors.BadRequest(
            "Missing required parameter: 'file'.", param="file", code="missing_required_parameter"
        )
    upload = uploads[0]
    if len(upload.data) > MAX_FILE_BYTES:
        raise errors.PayloadTooLarge(
            f"The file has {len(upload.data)} bytes; the limit is {MAX_FILE_BYTES}.", param="file"
        )
    mime = media_types.of_name(upload.filename) or upload.content_type.partition(";")[0].strip().lower()
    if not mime.startswith(MEDIA_TYPES):
        raise errors.BadRequest(
            "The file is not a known kind of recording: its name should end in .flac, .m4a, .mp3, .mp4, "
            ".mpeg, .mpga, .ogg, .wav or .webm.",
            param="file",
            code="invalid_value",
        )
    return {"mime": mime, "data": base64.b64encode(upload.data).decode()}


class _TranscriptEncoder:
    """Encodes OpenAI's events, and keeps the text for the whole response."""

    keepalive = sse.KEEPALIVE

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._finish: str | None = None
        self._usage = Usage(0, 0)

    def encode(self, _: int, part: StreamPart) -> bytes:
        """Return the event for one part; may be none."""
        if isinstance(part, Usage):
            self._usage = part
            return b""
        self._finish = part.finish_reason or self._finish
        if text := part.fields.get("content"):
            self._texts.append(text)
            return sse.encode({"type": "transcript.text.delta", "delta": text})
        return b""

    def finish(self) -> bytes:
        """Return the last event."""
        done = {"type": "transcript.text.done", "text": self.text(), "usage": self.usage()}
        return sse.encode(done) + sse.DONE

    def text(self) -> str:
        """Return the whole text; raises an error if the model has not finished, or refused."""
        if self._finish is None:
            raise errors.UpstreamFault("Vertex AI ended its response before the model had finished.")
        if self._finish == "content_filter":
            raise errors.BadRequest(
                "The recording was refused by the model's safety filters.",
                param="file",
                code="content_policy_violation",
            )
        return "".join(self._texts).strip()

    def usage(self) -> JSON:
        """Return OpenAI's counts."""
        prompt, completion = self._usage.prompt, self._usage.completion
        audio = self._usage.prompt_details.get("audio_tokens", 0)
        return {
            "type": "tokens",
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": prompt + completion,
            "input_token_details": {"audio_tokens": audio, "text_tokens": prompt - audio},
        }


def _timed(text: str) -> TimedTranscript:
    try:
        return _decode_timed(text)
    except (ValueError, RecursionError):
        raise errors.UpstreamFault("The transcript is not the JSON that was asked for.") from None


def _verbose(timed: TimedTranscript, params: JSON) -> JSON:
    """OpenAI's `verbose_json`. Whisper's other figures have neutral values."""
    unknown: dict[str, Any] = {
        "seek": 0,
        "tokens": [],
        "temperature": params.get("temperature", 0.0),
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    duration = max((segment.end for segment in timed.segments), default=0.0)
    return {
        "task": "translate" if params["translate"] else "transcribe",
        "language": "english" if params["translate"] else timed.language,
        "duration": duration,
        "text": _join(timed.segments),
        "segments": [
            {"id": number, **msgspec.structs.asdict(segment), **unknown}
            for number, segment in enumerate(timed.segments)
        ],
        "usage": {"type": "duration", "seconds": duration},
    }


def _join(segments: Iterable[Segment]) -> str:
    return " ".join(segment.text.strip() for segment in segments)


def _plain_text(text: str) -> FileBody:
    return FileBody(text.encode("utf-8", "replace"), "text/plain; charset=utf-8")


def _srt(timed: TimedTranscript) -> str:
    """https://en.wikipedia.org/wiki/SubRip."""
    return "".join(
        f"{number}\n{_clock(one.start, ',')} --> {_clock(one.end, ',')}\n{one.text.strip()}\n\n"
        for number, one in enumerate(timed.segments, 1)
    )


def _vtt(timed: TimedTranscript) -> str:
    """https://www.w3.org/TR/webvtt1/."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(one.start, '.')} --> {_clock(one.end, '.')}\n{one.text.strip()}\n\n"
        for one in timed.segments
    )


def _clock(seconds: float, separator: str) -> str:
    milliseconds = round(max(seconds, 0) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{separator}{rest % 1000:03}"
