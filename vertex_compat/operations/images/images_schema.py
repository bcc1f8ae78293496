"""Schema of `POST /images/generations` and `/images/edits`, with parts of Google's dialect.

https://platform.openai.com/docs/api-reference/images
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class Images(Struct):
    model: str
    prompt: Annotated[str, Meta(min_length=1)]
    aspect_ratio: Annotated[str, Meta(pattern=r"^\d{1,2}:\d{1,2}$")] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    image_size: Literal["1K", "2K", "4K"] | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    quality: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    seed: int | None = None
    size: Annotated[str, Meta(pattern=r"^(auto|[1-9]\d{1,4}x[1-9]\d{1,4})$")] | None = None
    stream: bool | None = None
    style: str | None = None
    user: str | None = None


class ImageReference(Struct):
    file_id: str | None = None
    image_url: str | None = None


class JSONEdit(Images):
    images: Annotated[list[ImageReference], Meta(min_length=1)] | None = None
    mask: ImageReference | None = None
