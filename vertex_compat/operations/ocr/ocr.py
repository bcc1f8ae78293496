"""`POST /ocr`, as Mistral's clients call it. Linked documents are fetched: Vertex AI takes only data URLs."""

from __future__ import annotations

import base64
from typing import Final

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.ocr import ocr_schema
from vertex_compat.operations.request import body
from vertex_compat.types import JSON

OCR: Final = model_calls.Operation(lambda publisher: publisher.ocr, "read documents", frozenset({"ocr"}))

IMAGE: Final = "image_url"
DOCUMENT: Final = "document_url"

_PARAM: Final = "document"


def create(context: RequestContext) -> Response:
    """Read a document: Markdown of each page, its pictures and their places."""
    params = body.drop_nulls(body.decode(context.body, ocr_schema.OCR))
    kind, url = _url(params[_PARAM])
    document = {"type": kind, kind: _data_url(url, context)}
    if name := params[_PARAM].get("document_name"):
        document["document_name"] = name
    return model_calls.call_unary(
        context,
        {**params, _PARAM: document},
        OCR,
        lambda answer: answer,
        lambda answers, headers: Response(answers[0], headers),
    )


def _url(document: JSON) -> tuple[str, str]:
    """Return the type and URL of a document; raises `BadRequest`."""
    kind = document.get("type") or (IMAGE if document.get(IMAGE) else DOCUMENT)
    if kind == "file":
        raise errors.BadRequest(
            "Files of Mistral's API do not exist here: send the document as a data: or https:// URL.",
            param=_PARAM,
            code="unsupported_value",
        )
    url = document.get(kind)
    url = url["url"] if isinstance(url, dict) else url
    if not url:
        raise errors.BadRequest(
            f"Missing required parameter: '{_PARAM}.{kind}'.",
            param=f"{_PARAM}.{kind}",
            code="missing_required_parameter",
        )
    return kind, url


def _data_url(url: str, context: RequestContext) -> str:
    """Return a document as a data URL; raises `BadRequest`."""
    if url[:5].lower() == "data:":
        return url
    if url[:8].lower() != "https://" or context.fetch_url is None:
        linked = " or an https:// URL" if context.fetch_url else ""
        raise errors.BadRequest(
            f"The document must be a data: URL with base64{linked}.", param=_PARAM, code="invalid_value"
        )
    file = context.fetch_url(url, _PARAM)
    return f"data:{file.mime};base64,{base64.b64encode(file.data).decode()}"
