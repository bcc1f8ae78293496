"""The JSON that publishers write in the form of a client API: documents that were read.

https://docs.mistral.ai/api/endpoint/ocr. Types for mypy only: no module imports this one when the function
runs. The response of Mistral OCR itself is passed on as it is.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class OCRPageObject(TypedDict):
    """The Markdown of a page; chat models return no images and no dimensions."""

    index: int
    markdown: str
    images: list[object]
    dimensions: None


class OCRUsageInfo(TypedDict):
    """The number of pages."""

    pages_processed: int
    doc_size_bytes: None


class OCRResponse(TypedDict):
    """A document; `model` is added for the client. An annotation is JSON in a string."""

    model: NotRequired[str]
    pages: list[OCRPageObject]
    document_annotation: str | None
    usage_info: OCRUsageInfo
