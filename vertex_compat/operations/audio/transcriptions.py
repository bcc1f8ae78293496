"""`POST /audio/transcriptions` and `/audio/translations`: recordings become text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.audio import recording, transcript_formats, transcriptions_schema
from vertex_compat.operations.audio.recording import Recording
from vertex_compat.operations.audio.transcript import Transcript
from vertex_compat.operations.audio.transcript_formats import STREAMED, WITH_TIMES, TranscriptEvents
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.types import JSON, Model, StreamPart, TranscriptionAdapter, UpstreamCall

TRANSCRIPTION: Final = model_calls.Operation(
    lambda publisher: publisher.transcriptions, "transcribe", frozenset({"transcriptions"})
)

DIARIZED: Final = "diarized_json"

OPTIONAL_TEXTS: Final = frozenset({"language", "prompt"})
"""Fields that forms of web pages send empty where nothing is filled in."""


def transcribe(context: RequestContext) -> Response:
    """Return the text in the language that is spoken."""
    return _respond(context, translate=False)


def translate(context: RequestContext) -> Response:
    """Return the text in English."""
    return _respond(context, translate=True)


def _respond(context: RequestContext, *, translate: bool) -> Response:
    with ExitStack() as stack:
        upload = stack.enter_context(Recording(context))
        params = _params(context, upload, translate=translate)

        def attempt(model: Model, adapter: TranscriptionAdapter) -> Response:
            def prepare(model: Model) -> list[UpstreamCall]:
                merged = {**model.defaults, **params}
                if adapter.needs_object(merged, model):
                    merged["audio"] = upload.store()
                return [adapter.chat.request(merged, model)]

            model = adapter.locate(model)
            if context.dry_run:
                return model_calls.describe(prepare(model)[0], model, context)
            with _hint_at_bucket(adapter, context):
                stream = UpstreamStream(prepare, chat_parser(adapter.chat, context), model, context)
            transcript = Transcript(
                as_json=params["segments"],
                times_optional=model.profile.operations == ("transcriptions",),
                speakers=params.get("known_speaker_names", ()),
            )
            if not params.get("stream"):
                return _whole(stream, transcript, params, context)
            events = stream.stream(TranscriptEvents(transcript, diarized=params["diarize"]))
            stack.pop_all()  # the events now close the recording
            events = _note_units(events, transcript, context)
            return Response(EventStream(_then_close(events, upload)), stream.headers)

        return model_calls.with_fallback(
            context,
            params["model"],
            TRANSCRIPTION,
            attempt,
            lambda model, adapter: adapter.units({**model.defaults, **params}, model),
        )


@contextmanager
def _hint_at_bucket(adapter: TranscriptionAdapter, context: RequestContext) -> Iterator[None]:
    """Add what helps to the error for a recording that is too long without a bucket."""
    try:
        yield
    except errors.BadRequest as error:
        if context.settings.bucket is None and adapter.too_long and adapter.too_long in error.message:
            error.message += " A longer recording needs a Cloud Storage bucket: set GCS_BUCKET_NAME."
            error.param = "file"
        raise


def _whole(
    stream: UpstreamStream[StreamPart], transcript: Transcript, params: JSON, context: RequestContext
) -> Response:
    for _, part in stream.collect():
        transcript.add(part)
    transcript.complete()
    context.log.units = transcript.units
    response_format = params.get("response_format", "json")
    return Response(transcript_formats.render(transcript, response_format, params), stream.headers)


def _note_units(events: Iterator[bytes], transcript: Transcript, context: RequestContext) -> Iterator[bytes]:
    """Yield the events; then note for the log what is charged for."""
    yield from events
    context.log.units = transcript.units


def _then_close(events: Iterator[bytes], upload: Recording) -> Iterator[bytes]:
    with upload:
        yield from events


def _params(context: RequestContext, upload: Recording, *, translate: bool) -> JSON:
    """Return the form's fields, the recording, and what the response format needs of the model."""
    params = recording.read(context, upload).decode(transcriptions_schema.Transcription, ("file",))
    params = {name: value for name, value in params.items() if value != "" or name not in OPTIONAL_TEXTS}
    response_format = params.get("response_format", "json")
    words = "word" in params.get("timestamp_granularities", ())
    _check(params, response_format, words=words, translate=translate)
    if params.get("chunking_strategy") == "auto":
        del params["chunking_strategy"]  # the models divide recordings themselves
    return params | {
        "audio": upload.finish(),
        "segments": response_format in WITH_TIMES,
        "words": words,
        "diarize": response_format == DIARIZED,
        "translate": translate,
    }


def _check(params: JSON, response_format: str, *, words: bool, translate: bool) -> None:
    if params.get("stream") and response_format not in STREAMED:
        raise errors.BadRequest(
            f"The 'response_format' of a stream is one of {', '.join(STREAMED)}.",
            param="response_format",
            code="unsupported_value",
        )
    if words and response_format != "verbose_json":
        raise errors.BadRequest(
            "The times of words need the 'response_format' verbose_json.",
            param="timestamp_granularities",
            code="unsupported_value",
        )
    if translate and response_format == DIARIZED:
        raise errors.BadRequest(
            "A translation has no speakers.", param="response_format", code="unsupported_value"
        )
