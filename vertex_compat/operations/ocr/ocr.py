"""`POST /ocr`, as Mistral's clients call it.

Linked documents are fetched, and files read from the bucket: Mistral's models take data URLs only.
"""

from __future__ import annotations

import base64
from typing import Final

from vertex_compat import errors, ids
from vertex_compat.json_values import count, mapping, text
from vertex_compat.operations import model_calls, unary_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.operations.guardrails.prompt_text import texts
from vertex_compat.operations.ocr import ocr_schema
from vertex_compat.operations.request import body
from vertex_compat.operations.request.chat_request import ParamNames, rename_param
from vertex_compat.publishers import media_types
from vertex_compat.types import JSON, OCRResult, Units

PROMPTS: Final = ("document_annotation_prompt", "document_annotation_format", "bbox_annotation_format")
"""Parameters with texts of the client."""

ANSWERS: Final = ("pages", "document_annotation")
"""Fields of a response with texts of the document."""

OCR: Final = unary_calls.UnaryOperation(
    model_calls.Operation(lambda publisher: publisher.ocr, "read documents", frozenset({"ocr"})),
    lambda params, _: {name: list(texts(params.get(name))) for name in PROMPTS},
    lambda result: texts([result.response.get(name) for name in ANSWERS]),
)

IMAGE: Final = "image_url"
DOCUMENT: Final = "document_url"

MAX_BYTES: Final = 20 * 1024 * 1024
"""Of a file that is read from the bucket."""

_PARAM: Final = "document"
_NAMES: Final = ParamNames({"messages": _PARAM, "response_format": "document_annotation_format"})


def create(context: RequestContext) -> Response:
    """Read a document: Markdown of each page, its images and their places."""
    params = body.drop_nulls(body.decode(context.body, ocr_schema.OCR))
    kind, url = _url(params[_PARAM])
    data = _data_url(url, context)
    if kind == "file":
        kind = IMAGE if data.startswith("data:image/") else DOCUMENT
    document = {"type": kind, kind: data}
    if name := params[_PARAM].get("document_name"):
        document["document_name"] = name

    def respond(results: list[OCRResult], headers: dict[str, str]) -> Response:
        (result,) = results
        if result.usage:
            context.log.usages[0] = result.usage
        else:
            page_count = mapping(result.response.get("usage_info")).get("pages_processed")
            context.log.units = Units(pages=count(page_count) or len(result.response["pages"]))
        return Response({"model": params["model"], **result.response}, headers)

    params = {**params, _PARAM: document}
    try:
        return unary_calls.call_unary(context, params, OCR, lambda result: result, respond)
    except errors.ApiError as error:
        rename_param(error, _NAMES)
        raise


def _url(document: JSON) -> tuple[str, str]:
    """Return the type and URL of a document; raises `BadRequest`."""
    kind = document.get("type") or (IMAGE if document.get(IMAGE) else DOCUMENT)
    field = "file_id" if kind == "file" else kind
    url = document.get(field)
    url = url["url"] if isinstance(url, dict) else url
    if not url:
        raise errors.missing_parameter(f"{_PARAM}.{field}")
    return kind, url


def _data_url(url: str, context: RequestContext) -> str:
    """Return a document as a data URL; raises `BadRequest`."""
    if url[:5].lower() == "data:":
        return url
    if url.startswith((ids.FILE, "gs://")):
        return _stored_file(url, context)
    if url[:8].lower() != "https://" or context.fetch_url is None:
        linked = " or an https:// URL" if context.fetch_url else ""
        raise errors.BadRequest(
            f"The document must be a data: URL with base64, a file id{linked}.",
            param=_PARAM,
            code="invalid_value",
        )
    file = context.fetch_url(url, _PARAM)
    return f"data:{file.mime};base64,{base64.b64encode(file.data).decode()}"


def _stored_file(reference: str, context: RequestContext) -> str:
    """Return a file of the caller as a data URL; raises `BadRequest`."""
    bucket = Bucket(context)
    try:
        target = bucket.resolve(reference)
        resource = bucket.metadata(target)
        if count(resource.get("size")) > MAX_BYTES:
            raise errors.BadRequest(
                f"The file has more than {MAX_BYTES} bytes.", param=_PARAM, code="invalid_value"
            )
        data = b"".join(bucket.read(target))
    except errors.NotFound as error:
        raise errors.BadRequest(error.message, param=_PARAM, code="invalid_value") from None
    mime = media_types.of_name(target.name) or text(resource.get("contentType"))
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
