"""Transcription by Gemini's transcription models, and by chat models with an instruction.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/audio-understanding. The configuration of the
transcription models and the parts of their responses are as in Google's Gen AI SDK. The times of a chat model
are estimates, to about a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.publishers.google import generate_content
from vertex_compat.publishers.google.chat import chat, options
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Model, TranscriptionAdapter, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

OPERATION: Final = frozenset({"audio", "diarize", "response_format", "segments", "translate", "words"})
"""Fields of the operation, besides the client's parameters."""

CHAT_MODELS: Final = ParameterTable(
    renamed={"temperature": "temperature"},
    handled=options.PARAMETERS
    | OPERATION
    | {"keywords", "known_speaker_names", "language", "languages", "prompt", "timestamp_granularities"},
    ignored=frozenset({"chunking_strategy", "include", "known_speaker_references"}),
)

TRANSCRIPTION_MODELS: Final = ParameterTable(
    renamed={},
    handled=options.PARAMETERS | OPERATION | {"keywords", "language", "languages", "timestamp_granularities"},
    ignored=frozenset(
        {
            "chunking_strategy",
            "include",
            "known_speaker_names",
            "known_speaker_references",
            "prompt",
            "temperature",
        }
    ),
)

TRANSCRIBE: Final = (
    "Transcribe the speech in this recording word for word, in the language that is spoken, with "
    "punctuation. Answer with the transcript alone. Where nobody speaks, there is nothing to write."
)
TRANSLATE: Final = (
    "Translate the speech in this recording into English, with punctuation. "
    "Answer with the translation alone. Where nobody speaks, there is nothing to write."
)
IN_SEGMENTS: Final = "Give it in segments of a sentence or so, each with its start and end in seconds."
WITH_SPEAKERS: Final = (
    "Start a new segment whenever another person speaks, and name the speaker of each segment."
)


def request(body: JSON, model: Model) -> UpstreamCall:
    """Return the call that transcribes or translates the recording in `audio`."""
    if "chat" not in model.profile.operations:
        return _transcription_request(body, model)
    return _chat_request(body, model)


def _transcription_request(body: JSON, model: Model) -> UpstreamCall:
    if body.get("translate"):
        raise errors.BadRequest(
            f"{model.requested_name!r} does not translate; a chat model such as gemini-3.8-flash does.",
            param="model",
            code="model_not_supported",
        )
    _, ignored = TRANSCRIPTION_MODELS.apply(body)
    transcription: JSON = {
        "languageCodes": _languages(body),
        "customVocabulary": body.get("keywords"),
        "wordTimestamp": bool(body.get("words") or body.get("segments")),
        "diarization": bool(body.get("diarize")),
    }
    config: wire.GenerationConfig = {
        "audioTranscriptionConfig": {name: value for name, value in transcription.items() if value}
    }
    return generate_content.call([_recording(body["audio"])], config, body, model, ignored)


def _chat_request(body: JSON, model: Model) -> UpstreamCall:
    with_segments = "segment" in body.get("timestamp_granularities", ())
    if body.get("words") and not with_segments:
        raise errors.BadRequest(
            f"{model.requested_name!r} does not return the times of words; transcription models such as "
            "gemini-3.5-transcribe and chirp_3 do.",
            param="timestamp_granularities",
            code="unsupported_value",
        )
    renamed, ignored = CHAT_MODELS.apply(body)
    ignored += ["timestamp_granularities"] if body.get("words") else []
    config: wire.GenerationConfig = {"temperature": renamed.get("temperature", 0)}
    if body.get("segments"):
        schema = _schema(with_speakers=bool(body.get("diarize")))
        config |= {"responseMimeType": "application/json", "responseSchema": schema, "audioTimestamp": True}
    parts: list[wire.Part] = [_recording(body["audio"]), {"text": " ".join(_instruction(body))}]
    return generate_content.call(parts, config, body, model, ignored)


def _recording(audio: JSON) -> wire.Part:
    """Return the part with the recording: base64 `data`, or the `uri` of an object."""
    if "uri" in audio:
        return {"fileData": {"mimeType": audio["mime"], "fileUri": audio["uri"]}}
    return {"inlineData": {"mimeType": audio["mime"], "data": audio["data"]}}


def _languages(body: JSON) -> list[str]:
    return [body["language"]] if "language" in body else list(body.get("languages", ()))


def _schema(*, with_speakers: bool) -> JSON:
    """Return the schema of the JSON that a chat model answers if segments are requested."""
    segment: JSON = {"start": {"type": "NUMBER"}, "end": {"type": "NUMBER"}, "text": {"type": "STRING"}}
    if with_speakers:
        segment["speaker"] = {
            "type": "STRING",
            "description": "A label, the same for all of a speaker's segments.",
        }
    names = list(segment)
    items = {"type": "OBJECT", "properties": segment, "required": names, "propertyOrdering": names}
    language = {"type": "STRING", "description": "The spoken language, its English name in lower case."}
    return {
        "type": "OBJECT",
        "properties": {"language": language, "segments": {"type": "ARRAY", "items": items}},
        "required": ["language", "segments"],
        "propertyOrdering": ["language", "segments"],
    }


def _instruction(body: JSON) -> Iterator[str]:
    yield TRANSLATE if body.get("translate") else TRANSCRIBE
    if body.get("segments"):
        yield IN_SEGMENTS
    if body.get("diarize"):
        yield WITH_SPEAKERS
        if names := body.get("known_speaker_names"):
            yield f"The names of the speakers are: {', '.join(names)}."
    if languages := _languages(body):
        yield f"The spoken language is {' or '.join(languages)}."
    if keywords := body.get("keywords"):
        yield f"These words may occur: {', '.join(keywords)}."
    if prompt := body.get("prompt"):
        yield f"For style and spelling, this is what came before or what it is about: {prompt}"


TRANSCRIPTIONS: Final = TranscriptionAdapter(replace(chat.CHAT, request=request, supports_n=False))
