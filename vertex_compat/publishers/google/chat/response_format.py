"""Set the form of an answer: JSON and its schema, images, audio, log probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.publishers import voices
from vertex_compat.publishers.google.chat import json_schema, proto_schema
from vertex_compat.types import JSON, ClientRequest

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

MODALITIES: Final = {"text": "TEXT", "image": "IMAGE", "audio": "AUDIO"}

JSON_TYPE: Final = "application/json"

_INSTRUCTION: Final = (
    "Unless you call a function, answer with nothing but a JSON object, without a code fence around it."
)
_INSTRUCTION_WITH_SCHEMA: Final = (
    "Unless you call a function, answer with nothing but JSON, without a code fence around it, that fits "
    "this JSON Schema: "
)


def mime_type(response_format: JSON) -> str | None:
    """Return `responseMimeType`, None for plain text.

    A `type` such as `a/b` is a MIME type itself.
    """
    match response_format.get("type", "text"):
        case "text":
            return None
        case "json_object":
            return JSON_TYPE
        case "json_schema":
            if not (response_format.get("json_schema") or response_format.get("response_schema")):
                raise errors.missing_parameter("response_format.json_schema")
            return JSON_TYPE
        case str(type_) if "/" in type_:
            return type_
    raise errors.BadRequest(
        "'response_format.type' must be text, json_object, json_schema, or a MIME type.",
        param="response_format.type",
        code="invalid_value",
    )


def schema(response_format: JSON) -> JSON | None:
    """Return the client's schema with its description, None if there is none."""
    described = response_format.get("json_schema") or {}
    requested = response_format.get("response_schema") or described.get("schema")
    if not isinstance(requested, dict):
        return None
    description = described.get("description")
    return ({"description": description} if isinstance(description, str) and description else {}) | requested


def fields(request: ClientRequest) -> wire.GenerationConfig:
    """Return `responseMimeType` and the schema as fields of `generationConfig`."""
    response_format: JSON = request.body.get("response_format", {})
    if not (type_ := mime_type(response_format)):
        return {}
    config: wire.GenerationConfig = {"responseMimeType": type_}
    if (requested := schema(response_format)) is None:
        return config
    if request.model.profile.takes_json_schema:
        config["responseJsonSchema"] = json_schema.adapt(requested, "response_format")
    else:
        config["responseSchema"] = proto_schema.translate(requested, "response_format")
    return config


def instruction(request: ClientRequest) -> str:
    """Return the response format in words, for models that refuse it together with tools."""
    requested = schema(request.body.get("response_format", {}))
    if requested is None:
        return _INSTRUCTION
    return _INSTRUCTION_WITH_SCHEMA + msgspec.json.encode(requested).decode()


def logprobs(body: JSON) -> wire.GenerationConfig:
    """Return `responseLogprobs` and `logprobs`."""
    top = body.get("top_logprobs")
    if not body.get("logprobs"):
        if top:
            raise errors.BadRequest(
                "'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs"
            )
        return {}
    return {"responseLogprobs": True, "logprobs": top} if top else {"responseLogprobs": True}


def modalities(body: JSON) -> wire.GenerationConfig:
    """Return `responseModalities` and the voice. A speech model answers in audio alone."""
    names: list[str] = body.get("modalities", ["audio"] if "audio" in body else [])
    if unknown := [name for name in names if name.lower() not in MODALITIES]:
        raise errors.BadRequest(
            f"{unknown[0][:64]!r} is not one of {', '.join(MODALITIES)}.",
            param="modalities",
            code="invalid_value",
        )
    requested = [MODALITIES[name.lower()] for name in names]
    if "AUDIO" in requested:
        return _speech(body.get("audio", {})) | {"responseModalities": ["AUDIO"]}
    return {"responseModalities": requested} if requested else {}


def _speech(audio: JSON) -> wire.GenerationConfig:
    """Return `speechConfig`: OpenAI's voices become similar ones of Gemini's, other names stay."""
    voice: Any = audio.get("voice")
    name = voice.get("id") if isinstance(voice, dict) else voice
    if not name:
        return {}
    gemini_name = voices.ON_GEMINI.get(str(name).lower(), str(name))
    return {"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": gemini_name}}}}


def audio_format(body: JSON) -> str:
    """Return the format of the audio: `wav`, or `pcm16`, the only one of a stream."""
    streams = bool(body.get("stream"))
    supported = ("pcm16",) if streams else ("wav", "pcm16")
    format_: str = body.get("audio", {}).get("format") or supported[0]
    if format_ not in supported:
        raise errors.BadRequest(
            f"This model answers in {' and '.join(supported)}{' on a stream' if streams else ''}.",
            param="audio.format",
            code="unsupported_value",
        )
    return format_
