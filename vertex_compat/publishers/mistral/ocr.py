"""Mistral OCR behind `rawPredict`: https://docs.mistral.ai/capabilities/document_ai/basic_ocr.

Request and response are those of Mistral's own API; the document must be a data URL.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import errors, vertex
from vertex_compat.publishers.openai_compat import openai_request
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Model, UnaryAdapter, Units, UpstreamCall

_FIRST: Final = (
    "bbox_annotation_format",
    "document",
    "document_annotation_format",
    "id",
    "image_limit",
    "image_min_size",
    "include_image_base64",
    "pages",
)
_LATER: Final = (
    "confidence_scores_granularity",
    "document_annotation_prompt",
    "extract_footer",
    "extract_header",
    "include_blocks",
    "table_format",
)

FIRST_MODEL: Final = "mistral-ocr-2505"
"""Model that refuses fields that came after it."""


ESTIMATED_PAGES: Final = 30
"""Stands for all pages of a document until the response has counted them."""


def _table(sent: tuple[str, ...], ignored: tuple[str, ...]) -> ParameterTable:
    return ParameterTable({name: name for name in sent}, frozenset(), frozenset(ignored))


PARAMETERS: Final = _table((*_FIRST, *_LATER), ())
FIRST_PARAMETERS: Final = _table(_FIRST, _LATER)


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """Return the call that reads a document."""
    table = FIRST_PARAMETERS if model.name.startswith(FIRST_MODEL) else PARAMETERS
    sent, ignored = table.apply(body)
    sent |= {"model": openai_request.unversioned_name(model)}
    return [UpstreamCall(vertex.raw_predict(model, stream=False), sent, ignored=tuple(ignored))]


def units(body: JSON, _: Model) -> Units:
    """Return the pages that are charged for, an estimate where the client does not name them."""
    pages = body.get("pages")
    return Units(pages=len(pages) if isinstance(pages, list) else ESTIMATED_PAGES)


def response(answer: JSON, _: UpstreamCall) -> JSON:
    """Return Mistral's response; raises `UpstreamFault` if it has no pages."""
    if not isinstance(answer.get("pages"), list):
        raise errors.UpstreamFault("Mistral's response has no pages.")
    return answer


OCR: Final = UnaryAdapter(request, response, units)
