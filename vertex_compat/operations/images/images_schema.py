"""Schema of `POST /images/generations` and `/images/edits`, with parts of Google's dialect.

https://platform.openai.com/docs/api-reference/images
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from vertex_compat.operations.chat.chat_schema import ImageOptions


class Images(ImageOptions, kw_only=True):
    model: str
    prompt: Annotated[str, Meta(min_length=1)]
    aspect_ratio: Annotated[str, Meta(pattern=r"^\d{1,2}:\d{1,2}$")] | None = None
    complexity: Literal["low", "medium", "high"] | None = None
    image_size: Literal["512", "1K", "2K", "4K"] | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    seed: int | None = None
    stream: bool | None = None
    style: str | None = None
    user: str | None = None


class ImageReference(Struct):
    file_id: str | None = None
    image_url: str | None = None


class JSONEdit(Images):
    images: Annotated[list[ImageReference], Meta(min_length=1)] | None = None
    mask: ImageReference | None = None
    markup: ImageReference | None = None
