"""The forms that an answer can have: JSON and its schema, images, sound, probabilities."""

from __future__ import annotations

from typing import Any, Final

from vertex_compat import errors
from vertex_compat.publishers import voices
from vertex_compat.publishers.google import models
from vertex_compat.publishers.google.chat import json_schema
from vertex_compat.types import JSON

MODALITIES: Final = {"text": "TEXT", "image": "IMAGE", "audio": "AUDIO"}

JSON_TYPE: Final = "application/json"


def mime_and_schema(body: JSON, name: str) -> JSON:
    """`response_format` as fields of `generationConfig`. A `type` of a form `a/b` is a MIME type."""
    asked: JSON = body.get("response_format", {})
    described, wanted = asked.get("json_schema") or {}, asked.get("response_schema")
    match asked.get("type", "text"):
        case "text":
            return {}
        case "json_object":
            kind = JSON_TYPE
        case "json_schema":
            kind = JSON_TYPE
            if not (described or wanted):
                raise errors.BadRequest(
                    "Missing required parameter: 'response_format.json_schema'.",
                    param="response_format.json_schema",
                    code="missing_required_parameter",
                )
        case str(mime) if "/" in mime:
            kind = mime
        case _:
            raise errors.BadRequest(
                "'response_format' is of type text, json_object, json_schema, or a MIME type.",
                param="response_format.type",
                code="invalid_value",
            )
    fields: JSON = {"responseMimeType": kind}
    if isinstance(inner := wanted or described.get("schema"), dict):
        told = {"description": described["description"]} if described.get("description") else {}
        fields |= _schema(told | inner, name)
    return fields


def _schema(wanted: JSON, name: str) -> JSON:
    if models.before(name, models.JSON_SCHEMA):
        return {"responseSchema": json_schema.lowered(wanted, "response_format")}
    return {"responseJsonSchema": json_schema.adapted(wanted)}


def logprobs(body: JSON) -> JSON:
    """`logprobs` and `top_logprobs`."""
    top = body.get("top_logprobs")
    if not body.get("logprobs"):
        if top:
            raise errors.BadRequest(
                "'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs"
            )
        return {}
    return {"responseLogprobs": True} | ({"logprobs": top} if top else {})


def modalities(body: JSON) -> JSON:
    """`modalities`. A model that speaks does nothing else in the same answer."""
    asked: list[str] = body.get("modalities", ["audio"] if "audio" in body else [])
    if unknown := [one for one in asked if one.lower() not in MODALITIES]:
        raise errors.BadRequest(
            f"{unknown[0][:64]!r} is not one of {', '.join(MODALITIES)}.",
            param="modalities",
            code="invalid_value",
        )
    wanted = [MODALITIES[one.lower()] for one in asked]
    if "AUDIO" in wanted:
        return {"responseModalities": ["AUDIO"]} | _speech(body.get("audio", {}))
    return {"responseModalities": wanted} if wanted else {}


def _speech(audio: JSON) -> JSON:
    """OpenAI's voices are replaced by Gemini's of a like kind; any other name is for Vertex to know."""
    voice: Any = audio.get("voice")
    name = voice.get("id") if isinstance(voice, dict) else voice
    if not name:
        return {}
    known = voices.ON_GEMINI.get(str(name).lower(), str(name))
    return {"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": known}}}}


def sound(body: JSON) -> str:
    """The form in which sound is answered: `wav` or `pcm16`, of which a stream can bring only the second."""
    streams = bool(body.get("stream"))
    taken = ("pcm16",) if streams else ("wav", "pcm16")
    asked: str = body.get("audio", {}).get("format") or taken[0]
    if asked not in taken:
        raise errors.BadRequest(
            f"This model speaks in {' and '.join(taken)}{' on a stream' if streams else ''}.",
            param="audio.format",
            code="unsupported_value",
        )
    return asked
