"""`POST /audio/transcriptions` and `/audio/translations`: a recording becomes text, plain or with times."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.audio import transcriptions_schema
from vertex_compat.operations.context import FileBody, RequestContext, Response
from vertex_compat.operations.request import multipart
from vertex_compat.publishers import chat_messages
from vertex_compat.types import JSON, ChatAdapter, Model, StreamPart, Usage

MAX_BYTES: Final = 25 * 1024 * 1024
"""OpenAI's limit of a file."""

WITH_TIMES: Final = frozenset({"srt", "verbose_json", "vtt"})
STREAMED: Final = frozenset({"json", "text"})

TYPES: Final = ("audio/", "video/mp4", "video/mpeg", "video/quicktime", "video/webm")


class Segment(msgspec.Struct):
    """A sentence or so, and when it is said, in seconds."""

    start: float
    end: float
    text: str


class Timed(msgspec.Struct):
    """What a model answers when it is asked for times."""

    language: str
    segments: list[Segment]


_timed_of = msgspec.json.Decoder(Timed).decode


def transcribe(context: RequestContext) -> Response:
    """The text in the language that is spoken."""
    return _answer(context, translate=False)


def translate(context: RequestContext) -> Response:
    """The text in English."""
    return _answer(context, translate=True)


def _answer(context: RequestContext, *, translate: bool) -> Response:
    form = multipart.read(context)
    given = form.decode(transcriptions_schema.Transcription)
    wanted = given.get("response_format", "json")
    _check(given, wanted)
    given |= {"audio": _audio(form), "segments": wanted in WITH_TIMES, "translate": translate}

    def converse(model: Model, chat: ChatAdapter) -> model_calls.UpstreamChat:
        call = chat.request({**model.defaults, **given}, model)
        return model_calls.UpstreamChat(chat, [call], model, context)

    answers = model_calls.with_fallback(
        context, given["model"], lambda publisher: publisher.transcriptions, "transcribe", converse
    )
    transcript = _Transcript()
    if given.get("stream"):
        return Response(answers.stream(transcript), answers.headers)
    for number, piece in answers.collect():
        transcript.encode(number, piece)
    return Response(_shown(transcript, wanted, given), answers.headers)


def _shown(transcript: _Transcript, wanted: str, given: JSON) -> JSON | FileBody:
    """The transcript in the format that is wanted."""
    if wanted == "json":
        return {"text": transcript.text(), "usage": transcript.usage()}
    if wanted == "text":
        return _plain(transcript.text() + "\n")
    timed = _timed(transcript.text())
    if wanted == "verbose_json":
        return _verbose(timed, given)
    return _plain(_srt(timed) if wanted == "srt" else _vtt(timed))


def _check(given: JSON, wanted: str) -> None:
    if given.get("stream") and wanted not in STREAMED:
        raise errors.BadRequest(
            f"A stream has no times: 'response_format' is {' or '.join(sorted(STREAMED))}.",
            param="response_format",
            code="unsupported_value",
        )
    if "word" in given.get("timestamp_granularities", ()):
        raise errors.BadRequest(
            "Gemini does not tell the times of single words, only of segments.",
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
    if len(upload.data) > MAX_BYTES:
        raise errors.PayloadTooLarge(
            f"The file has {len(upload.data)} bytes; {MAX_BYTES} is the most that is taken.", param="file"
        )
    mime = chat_messages.guess(upload.filename) or upload.content_type.partition(";")[0].strip().lower()
    if not mime.startswith(TYPES):
        raise errors.BadRequest(
            "The file is no recording that is known: its name should end in .flac, .m4a, .mp3, .mp4, .mpeg, "
            ".mpga, .ogg, .wav or .webm.",
            param="file",
            code="invalid_value",
        )
    return {"mime": mime, "data": base64.b64encode(upload.data).decode()}


class _Transcript:
    """Writes OpenAI's events, and keeps what the whole answer is made of."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._finish: str | None = None
        self._usage = Usage(0, 0)

    def encode(self, _: int, piece: StreamPart) -> bytes:
        """The event for one piece; may be none."""
        if isinstance(piece, Usage):
            self._usage = piece
            return b""
        self._finish = piece.finish_reason or self._finish
        if text := piece.fields.get("content"):
            self._texts.append(text)
            return sse.encode({"type": "transcript.text.delta", "delta": text})
        return b""

    def finish(self) -> bytes:
        """The last event."""
        done = {"type": "transcript.text.done", "text": self.text(), "usage": self.usage()}
        return sse.encode(done) + sse.DONE

    def text(self) -> str:
        """All of it; raises what is wrong with it."""
        if self._finish is None:
            raise errors.UpstreamFault("Vertex AI ended its answer before the model had finished.")
        if self._finish == "content_filter":
            raise errors.BadRequest(
                "The recording was refused by the model's safety filters.",
                param="file",
                code="content_policy_violation",
            )
        return "".join(self._texts).strip()

    def usage(self) -> JSON:
        """OpenAI's counts."""
        prompt, completion = self._usage.prompt, self._usage.completion
        audio = self._usage.prompt_details.get("audio_tokens", 0)
        return {
            "type": "tokens",
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": prompt + completion,
            "input_token_details": {"audio_tokens": audio, "text_tokens": prompt - audio},
        }


def _timed(text: str) -> Timed:
    try:
        return _timed_of(text)
    except (ValueError, RecursionError):
        raise errors.UpstreamFault(
            "The model did not give the transcript in the form it was asked for."
        ) from None


def _text(segments: Iterable[Segment]) -> str:
    return " ".join(segment.text.strip() for segment in segments)


def _verbose(timed: Timed, given: JSON) -> JSON:
    """What Whisper says about a segment besides its text, a Gemini does not know: neutral values."""
    unknown: dict[str, Any] = {
        "seek": 0,
        "tokens": [],
        "temperature": given.get("temperature", 0.0),
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    duration = max((segment.end for segment in timed.segments), default=0.0)
    return {
        "task": "translate" if given["translate"] else "transcribe",
        "language": "english" if given["translate"] else timed.language,
        "duration": duration,
        "text": _text(timed.segments),
        "segments": [
            {"id": number, **msgspec.structs.asdict(segment), **unknown}
            for number, segment in enumerate(timed.segments)
        ],
        "usage": {"type": "duration", "seconds": duration},
    }


def _plain(text: str) -> FileBody:
    return FileBody(text.encode("utf-8", "replace"), "text/plain; charset=utf-8")


def _srt(timed: Timed) -> str:
    """https://en.wikipedia.org/wiki/SubRip."""
    return "".join(
        f"{number}\n{_clock(one.start, ',')} --> {_clock(one.end, ',')}\n{one.text.strip()}\n\n"
        for number, one in enumerate(timed.segments, 1)
    )


def _vtt(timed: Timed) -> str:
    """https://www.w3.org/TR/webvtt1/."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(one.start, '.')} --> {_clock(one.end, '.')}\n{one.text.strip()}\n\n"
        for one in timed.segments
    )


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(max(seconds, 0) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
