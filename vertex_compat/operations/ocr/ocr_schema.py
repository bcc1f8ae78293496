"""Schema of Mistral's `POST /ocr`.

https://docs.mistral.ai/api/endpoint/ocr
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]


class ImageURL(Struct):
    url: str
    detail: str | None = None


class Document(Struct):
    type: Literal["document_url", "image_url", "file"] | None = None
    document_url: str | None = None
    document_name: str | None = None
    image_url: str | ImageURL | None = None
    file_id: str | None = None


class OCR(Struct):
    model: str
    document: Document
    id: str | None = None
    pages: str | list[Count] | None = None
    include_image_base64: bool | None = None
    image_limit: Count | None = None
    image_min_size: Count | None = None
    bbox_annotation_format: dict[str, Any] | None = None
    document_annotation_format: dict[str, Any] | None = None
    document_annotation_prompt: str | None = None
    table_format: Literal["markdown", "html"] | None = None
    extract_header: bool | None = None
    extract_footer: bool | None = None
    include_blocks: bool | None = None
    confidence_scores_granularity: Literal["word", "page", "block"] | None = None
