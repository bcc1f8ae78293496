"""Schemas of `POST /videos` and `POST /videos/extensions`.

https://platform.openai.com/docs/api-reference/videos
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Size = Annotated[str, Meta(pattern=r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$")]
Seconds = Annotated[str, Meta(pattern=r"^[1-9][0-9]?$")]


class Reference(Struct):
    file_id: str | None = None
    image_url: str | None = None


class SourceVideo(Struct):
    id: str


class Video(Struct):
    prompt: Annotated[str, Meta(min_length=1)]
    model: str = "sora-2"
    input_reference: Reference | None = None
    seconds: Seconds | Annotated[int, Meta(ge=1, le=99)] | None = None
    size: Size | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    person_generation: str | None = None
    generate_audio: bool | None = None
    enhance_prompt: bool | None = None
    resize_mode: str | None = None
    user: str | None = None


class Extension(Struct):
    prompt: Annotated[str, Meta(min_length=1)]
    video: SourceVideo | None = None
    model: str | None = None
    seconds: Seconds | Annotated[int, Meta(ge=1, le=99)] | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    person_generation: str | None = None
    generate_audio: bool | None = None
    user: str | None = None
