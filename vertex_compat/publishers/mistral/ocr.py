"""Read documents with Mistral OCR, and images with Mistral's models that chat.

Request and response of Mistral OCR, behind `rawPredict`, are those of Mistral's own API; the document must be
a data URL: https://docs.mistral.ai/capabilities/document_ai/basic_ocr.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import errors, vertex
from vertex_compat.publishers.chat_ocr import ocr_beside_chat, ocr_via_chat
from vertex_compat.publishers.mistral.mistral import CHAT
from vertex_compat.publishers.openai_compat import openai_request
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Model, OCRResult, UnaryAdapter, Units, UpstreamCall

FIELDS: Final = (
    "bbox_annotation_format",
    "confidence_scores_granularity",
    "document",
    "document_annotation_format",
    "document_annotation_prompt",
    "extract_footer",
    "extract_header",
    "id",
    "image_limit",
    "image_min_size",
    "include_blocks",
    "include_image_base64",
    "pages",
    "table_format",
)

PARAMETERS: Final = ParameterTable({name: name for name in FIELDS}, frozenset(), frozenset())

ESTIMATED_PAGES: Final = 30
"""Stands for all pages of a document until the response has counted them."""


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """Return the call that reads a document."""
    fields, ignored = PARAMETERS.apply(body, model.profile.rejected_parameters)
    fields |= {"model": openai_request.unversioned_name(model)}
    return [UpstreamCall(vertex.raw_predict(model, stream=False), fields, ignored=tuple(ignored))]


def units(body: JSON, _: Model) -> Units:
    """Return the pages that are charged for, an estimate where the client does not name them."""
    pages = body.get("pages")
    return Units(pages=len(pages) if isinstance(pages, list) else ESTIMATED_PAGES)


def response(body: JSON, _: UpstreamCall) -> OCRResult:
    """Return Mistral's response; raises `UpstreamFault` if it has no pages."""
    if not isinstance(body.get("pages"), list):
        raise errors.UpstreamFault("Mistral's response has no pages.")
    return OCRResult(body)


OCR: Final = ocr_beside_chat(ocr_via_chat(CHAT), UnaryAdapter(request, response, units))
