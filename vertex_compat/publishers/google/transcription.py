"""Gemini writes down what it hears.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/audio-understanding

A model that chats is told to do nothing but transcribe. Its times are estimates, to the second or so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from vertex_compat.publishers.google import generate_content
from vertex_compat.publishers.google.chat import chat, options
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Model, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={"temperature": "temperature"},
    handled=options.PARAMETERS | {"audio", "language", "prompt", "response_format", "segments", "translate"},
    ignored=frozenset({"chunking_strategy", "include", "timestamp_granularities"}),
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

SEGMENTS: Final[JSON] = {
    "type": "OBJECT",
    "properties": {
        "language": {"type": "STRING", "description": "The spoken language, its English name in lower case."},
        "segments": {
            "type": "ARRAY",
            "items": {
                "type": "OBJECT",
                "properties": {
                    "start": {"type": "NUMBER"},
                    "end": {"type": "NUMBER"},
                    "text": {"type": "STRING"},
                },
                "required": ["start", "end", "text"],
                "propertyOrdering": ["start", "end", "text"],
            },
        },
    },
    "required": ["language", "segments"],
    "propertyOrdering": ["language", "segments"],
}
"""What is answered where `segments` are asked for."""


def request(body: JSON, model: Model) -> UpstreamCall:
    """What was uploaded, and what to do with it → Gemini's body."""
    config, ignored = PARAMETERS.apply(body)
    config = {"temperature": 0, **config}
    if body.get("segments"):
        config |= {"responseMimeType": "application/json", "responseSchema": SEGMENTS, "audioTimestamp": True}
    audio = {"inlineData": {"mimeType": body["audio"]["mime"], "data": body["audio"]["data"]}}
    return generate_content.call([audio, {"text": " ".join(_task(body))}], config, body, model, ignored)


def _task(body: JSON) -> Iterator[str]:
    yield TRANSLATE if body.get("translate") else TRANSCRIBE
    if body.get("segments"):
        yield IN_SEGMENTS
    if language := body.get("language"):
        yield f"The spoken language is {language}."
    if prompt := body.get("prompt"):
        yield f"For style and spelling, this is what came before or what it is about: {prompt}"


TRANSCRIPTIONS: Final = replace(chat.CHAT, request=request, supports_n=False)
