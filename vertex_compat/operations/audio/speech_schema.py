"""Schema of OpenAI's `POST /audio/speech`, with the fields of LiteLLM's dialect.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class Speech(Struct):
    model: str
    input: Annotated[str, Meta(min_length=1)]
    audioConfig: dict[str, Any] | None = None  # noqa: N815  (LiteLLM's and Google's spelling)
    instructions: str | None = None
    negative_prompt: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    seed: int | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    stream_format: Literal["sse", "audio"] | None = None
    use_ssml: bool | None = None
    voice: str | dict[str, Any] | None = None
