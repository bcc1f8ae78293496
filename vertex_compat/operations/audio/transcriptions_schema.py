"""What the forms of OpenAI's `POST /audio/transcriptions` and `/audio/translations` hold besides the file.

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
    language: str | None = None
    prompt: str | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
