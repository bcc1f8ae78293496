"""Mistral OCR: `rawPredict` with a document, pages of Markdown as the answer.

Source: mistralai's SDK. The document's bytes are read as plain text, with form feeds between pages.
"""

import base64
import re

from vertex_compat.emulator.partner_models import mistral_errors
from vertex_compat.emulator.protocol.body_readers import (
    Boolean,
    Discriminated,
    ListOf,
    MapOf,
    Nullable,
    Object,
    Reader,
    String,
    StringOr,
    integer,
    validate,
)
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.responses import JSON, Response, json_response

FAMILY = "mistral-ocr-"
MAX_PAGES = 1000
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PAGE_RANGES = re.compile(r"\d{1,9}( ?- ?\d{1,9})?( ?, ?\d{1,9}( ?- ?\d{1,9})?)*")
DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.+)", re.DOTALL)

DOCUMENT = Discriminated(
    "type",
    {
        "document_url": Object(
            {"type": String(), "document_url": String(), "document_name": Nullable(String())},
            ("document_url",),
        ),
        "image_url": Object(
            {
                "type": String(),
                "image_url": StringOr(Object({"url": String(), "detail": String()}, ("url",))),
            },
            ("image_url",),
        ),
    },
)
FIELDS: dict[str, Reader] = {
    "model": String(),
    "document": DOCUMENT,
    "id": String(),
    "pages": Nullable(StringOr(ListOf(integer(0)))),
    "include_image_base64": Nullable(Boolean()),
    "image_limit": Nullable(integer(0)),
    "image_min_size": Nullable(integer(0)),
    "bbox_annotation_format": Nullable(MapOf()),
    "document_annotation_format": Nullable(MapOf()),
}
LATER_FIELDS: dict[str, Reader] = {
    "document_annotation_prompt": Nullable(String()),
    "table_format": Nullable(String()),
    "extract_header": Boolean(),
    "extract_footer": Boolean(),
    "include_blocks": Boolean(),
    "confidence_scores_granularity": Nullable(String()),
}
FIRST_MODEL = "mistral-ocr-2505"
"""Model that has none of the later fields."""

REQUIRED = ("model", "document")
FIRST_BODY = Object(FIELDS, REQUIRED)
BODY = Object(FIELDS | LATER_FIELDS, REQUIRED)


def answer(request: ModelRequest) -> Response:
    """Answer a request."""
    body, problems = validate(FIRST_BODY if request.model == FIRST_MODEL else BODY, request.body)
    if problems:
        raise mistral_errors.unprocessable(problems)
    if body["model"] != request.model:
        raise mistral_errors.refused(f"Invalid model: {body['model']}")
    data = _data(body["document"])
    texts = data.decode("utf-8", "replace").split("\f")
    indexes = _page_indexes(body.get("pages"), len(texts))
    pages = [_page(index, texts[index], body) for index in indexes if index < len(texts)]
    usage = {"pages_processed": len(pages), "doc_size_bytes": len(data)}
    annotation = {"document_annotation": "{}"} if body.get("document_annotation_format") else {}
    return json_response({"pages": pages, "model": request.model, "usage_info": usage} | annotation)


def _page_indexes(pages: str | list[int] | None, count: int) -> list[int]:
    """Return the indexes of the pages to read; a string has numbers and ranges: `0,2-4`."""
    if pages is None:
        return list(range(count))
    if isinstance(pages, list):
        return pages
    if not PAGE_RANGES.fullmatch(pages):
        raise mistral_errors.refused(f"Invalid pages: {pages[:40]}")
    ranges = [[int(number) for number in part.split("-")] for part in pages.split(",")]
    return [index for ends in ranges for index in range(ends[0], min(ends[-1] + 1, count))]


def _data(document: JSON) -> bytes:
    url = document[document["type"]]
    url = url["url"] if isinstance(url, dict) else url
    match = DATA_URL.fullmatch(url)
    if not match:
        raise mistral_errors.refused(f"Document url must be a base64 data URL: {url[:40]}")
    try:
        return base64.b64decode(match[2], validate=True)
    except ValueError:
        raise mistral_errors.refused("The document is not valid base64.") from None


def _page(index: int, text: str, body: JSON) -> JSON:
    image = {
        "id": "img-0.png",
        "top_left_x": 0,
        "top_left_y": 0,
        "bottom_right_x": 1,
        "bottom_right_y": 1,
        "image_base64": f"data:image/png;base64,{PIXEL}" if body.get("include_image_base64") else None,
        "image_annotation": None,
    }
    images = [image] if "![img" in text and body.get("image_limit") != 0 else []
    dimensions = {"dpi": 200, "height": 2200, "width": 1700}
    return {"index": index, "markdown": text.strip(), "images": images, "dimensions": dimensions}
