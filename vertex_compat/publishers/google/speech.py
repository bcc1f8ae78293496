"""Gemini speaks: `generateContent` with sound as its answer, which is raw samples.

https://cloud.google.com/vertex-ai/generative-ai/docs/speech/text-to-speech
"""

from __future__ import annotations

import base64
import re
from typing import Final

from vertex_compat import errors
from vertex_compat.publishers import voices
from vertex_compat.publishers.google import generate_content
from vertex_compat.publishers.google.chat import options
from vertex_compat.publishers.google.usage import usage
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Audio, Model, UnaryAdapter, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=options.PARAMETERS | {"input", "instructions", "response_format", "stream_format", "voice"},
    ignored=frozenset({"audioConfig", "speed", "use_ssml"}),
)

FORMATS: Final = ("wav", "pcm")
"""The first one is made where none is asked for."""

SAMPLES_A_SECOND: Final = 24_000


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """OpenAI's body → Gemini's."""
    _, ignored = PARAMETERS.apply(body)
    wanted = body.get("response_format", FORMATS[0])
    if wanted not in FORMATS:
        raise errors.BadRequest(
            f"This model speaks in {' and '.join(FORMATS)}, not {wanted}. Cloud Text-to-Speech, "
            "which is 'vertex_ai/', makes mp3 and opus.",
            param="response_format",
            code="unsupported_value",
        )
    text = body["input"]
    if style := body.get("instructions", "").strip().rstrip(".:"):
        text = f"{style}: {text}"
    config = {"responseModalities": ["AUDIO"], "speechConfig": _speech(body.get("voice", "alloy"))}
    return [generate_content.call([{"text": text}], config, body, model, ignored)]


def _speech(given: str | JSON) -> JSON:
    """`{languageCode, name}`, `{id}`, an OpenAI voice, or one of Gemini's."""
    voice = given if isinstance(given, dict) else {"name": given}
    name = str(voice.get("name", voice.get("id", "")))
    known = voices.ON_GEMINI.get(name.lower(), name.capitalize())
    if known not in voices.GEMINI:
        raise errors.BadRequest(
            f"Unknown voice {name[:64]!r}. This model has {', '.join(sorted(voices.GEMINI))}.",
            param="voice",
            code="invalid_value",
        )
    config: JSON = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": known}}}
    if "languageCode" in voice:
        config["languageCode"] = voice["languageCode"]
    return config


def response(answer: JSON, _: UpstreamCall) -> Audio:
    """The samples in the answer; their MIME type says how many make a second."""
    parts = [
        part["inlineData"]
        for candidate in answer.get("candidates") or []
        for part in (candidate.get("content") or {}).get("parts") or []
        if "inlineData" in part
    ]
    if not parts:
        raise errors.UpstreamFault("Vertex AI answered without a sound.")
    mime = parts[0].get("mimeType", "")
    rate = re.search(r"rate=(\d+)", mime)
    return Audio(
        b"".join([base64.b64decode(part["data"]) for part in parts]),
        "audio/pcm",
        usage(answer.get("usageMetadata") or {}),
        int(rate[1]) if rate else SAMPLES_A_SECOND,
    )


SPEECH: Final = UnaryAdapter(request, response)
