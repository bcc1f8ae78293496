"""Schema of the form fields of `POST /audio/transcriptions` and `/audio/translations`.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Strings = list[str]


class Transcription(Struct):
    model: str
    chunking_strategy: str | None = None
    include: Strings | None = None
    keywords: Strings | None = None
    known_speaker_names: Strings | None = None
    known_speaker_references: Strings | None = None
    language: str | None = None
    languages: Strings | None = None
    prompt: str | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
