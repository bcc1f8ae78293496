"""Gemini's speech models: `generateContent` with audio as its response, as samples.

https://cloud.google.com/vertex-ai/generative-ai/docs/speech/text-to-speech. From Gemini 3.8 on, the text is
read literally and the style is a field of its own (Google's Gen AI SDK, `SpeechMetadata`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from vertex_compat import errors
from vertex_compat.json_values import items, mapping, text
from vertex_compat.publishers import voices
from vertex_compat.publishers.google import generate_content
from vertex_compat.publishers.google.chat import options
from vertex_compat.publishers.google.usage import usage
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import (
    JSON,
    Audio,
    ChatAdapter,
    Delta,
    Model,
    SpeechAdapter,
    StreamPart,
    StreamTranslator,
    UnaryAdapter,
    UpstreamCall,
)

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=options.PARAMETERS | {"input", "instructions", "response_format", "stream_format", "voice"},
    ignored=frozenset({"audioConfig", "speed", "use_ssml"}),
)

DEFAULT_RATE: Final = 24_000
"""Samples a second, unless the MIME type of the samples names another number."""


def request(body: JSON, model: Model) -> UpstreamCall:
    """Return the call that reads `input` aloud."""
    _, ignored = PARAMETERS.apply(body)
    style = body.get("instructions", "").strip()
    part: wire.Part = {"text": body["input"]}
    if style and model.profile.takes_speech_metadata:
        part["speechMetadata"] = {"style": style}
    elif style:
        part["text"] = generate_content.with_style(style, body["input"])
    speech = _speech_config(body.get("voice", "alloy"), model)
    config: wire.GenerationConfig = {"responseModalities": ["AUDIO"], "speechConfig": speech}
    return generate_content.call([part], config, body, model, ignored)


def _speech_config(voice: str | JSON, model: Model) -> wire.SpeechConfig:
    """Return the voice: `{languageCode, name}`, `{id}`, an OpenAI voice, or one of Gemini's."""
    fields = voice if isinstance(voice, dict) else {"name": voice}
    name = str(fields.get("name", fields.get("id", "")))
    gemini_voice = voices.ON_GEMINI.get(name.lower(), name.capitalize())
    if gemini_voice not in voices.GEMINI:
        raise errors.BadRequest(
            f"Unknown voice {name[:64]!r}. This model has {', '.join(sorted(voices.GEMINI))}.",
            param="voice",
            code="invalid_value",
        )
    config: wire.SpeechConfig = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": gemini_voice}}}
    if model.profile.takes_speech_metadata:
        config = {"voiceConfig": {"voice": gemini_voice}}
    if "languageCode" in fields:
        config["languageCode"] = fields["languageCode"]
    return config


def response(body: JSON, _: UpstreamCall) -> Audio:
    """Return the samples of a whole response."""
    blocks = [
        (data, rate) for candidate in items(body.get("candidates")) for data, rate in _samples(candidate)
    ]
    if not blocks:
        raise errors.UpstreamFault("Vertex AI's response has no audio.")
    counts = usage(mapping(body.get("usageMetadata")))
    return Audio(b"".join([data for data, _ in blocks]), "audio/pcm", counts, blocks[0][1])


def stream(_: UpstreamCall) -> StreamTranslator:
    """Return the translator of one streamed response."""
    return lambda event: list(_parts(event))


def _parts(event: JSON) -> Iterator[StreamPart]:
    for candidate in items(event.get("candidates")):
        for data, rate in _samples(candidate):
            yield Delta(0, {"samples": data, "rate": rate})
        if reason := text(candidate.get("finishReason")):
            yield Delta(0, {}, reason)
    if "promptTokenCount" in (counts := mapping(event.get("usageMetadata"))):
        yield usage(counts)


def _whole_parts(body: JSON, _: UpstreamCall) -> Iterable[StreamPart]:
    return list(_parts(body))


def _samples(candidate: JSON) -> Iterator[tuple[bytes, int]]:
    """Yield the samples of a candidate's parts, and how many there are a second."""
    for part in items(mapping(candidate.get("content")).get("parts")):
        if blob := mapping(part.get("inlineData")):
            rate = re.search(r"rate=(\d{4,6})", text(blob.get("mimeType")))
            try:
                data = base64.b64decode(text(blob.get("data")))
            except binascii.Error:
                raise errors.UpstreamFault("Vertex AI's audio is not base64.") from None
            yield data, int(rate[1]) if rate else DEFAULT_RATE


SPEECH: Final = SpeechAdapter(
    UnaryAdapter(lambda body, model: [request(body, model)], response),
    ChatAdapter(lambda body, model: request({**body, "stream": True}, model), _whole_parts, stream),
)
