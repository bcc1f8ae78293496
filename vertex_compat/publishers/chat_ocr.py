"""Read documents with chat models, in the form of Mistral's OCR: Markdown for each page.

https://docs.mistral.ai/capabilities/document_ai/basic_ocr. A chat model returns no images of the document
and no coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import integer, items, mapping, text
from vertex_compat.types import JSON, ChatAdapter, Model, OCRResult, UnaryAdapter, UpstreamCall, Usage

if TYPE_CHECKING:
    from vertex_compat.publishers import answer_types as wire

IGNORED: Final = frozenset(
    {
        "bbox_annotation_format",
        "confidence_scores_granularity",
        "extract_footer",
        "extract_header",
        "id",
        "image_limit",
        "image_min_size",
        "include_blocks",
        "include_image_base64",
    }
)

TRANSLATED: Final = frozenset(
    {
        "document",
        "document_annotation_format",
        "document_annotation_prompt",
        "model",
        "pages",
        "table_format",
    }
)

TRANSCRIBE: Final = (
    "Transcribe this document page by page to Markdown, word for word and in its reading order: headings, "
    "lists, tables, formulas in LaTeX, and handwriting. Where a picture stands, write ![description](). Add "
    "nothing of your own. `index` counts the pages from 0; a picture is one page."
)
ANNOTATE: Final = "`document_annotation` is about the document as a whole."

_PAGES: Final[JSON] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"index": {"type": "integer"}, "markdown": {"type": "string"}},
        "required": ["index", "markdown"],
        "additionalProperties": False,
    },
}


OF_PAGES: Final = frozenset(
    {"document_annotation_format", "document_annotation_prompt", "pages", "table_format"}
)
"""Parameters that a model for the text of one image does not have."""


def text_via_chat(chat: ChatAdapter, instruction: str) -> UnaryAdapter[OCRResult]:
    """Return the adapter for chat models that read one image and answer only its text."""

    def request(body: JSON, model: Model) -> list[UpstreamCall]:
        ignored = IGNORED | OF_PAGES
        options = {name: value for name, value in body.items() if name not in TRANSLATED | ignored}
        content = [_document_part(body["document"]), {"type": "text", "text": instruction}]
        call = chat.request(options | {"messages": [{"role": "user", "content": content}]}, model)
        return [msgspec.structs.replace(call, ignored=(*call.ignored, *sorted(ignored & body.keys())))]

    def response(body: JSON, call: UpstreamCall) -> OCRResult:
        content, finish, usage = _content(chat, body, call)
        _check_finish(finish)
        return OCRResult(_result([{"index": 0, "markdown": content}]), usage)

    return UnaryAdapter(request, response)


def ocr_beside_chat(chat: UnaryAdapter[OCRResult], own: UnaryAdapter[OCRResult]) -> UnaryAdapter[OCRResult]:
    """Return the adapter of a publisher with chat models and models that only read documents."""

    def of(model: Model) -> UnaryAdapter[OCRResult]:
        return chat if "chat" in model.profile.operations else own

    def response(answer: JSON, call: UpstreamCall) -> OCRResult:
        adapter = chat if "response_format" in call.body else own
        return adapter.response(answer, call)

    return UnaryAdapter(
        lambda body, model: of(model).request(body, model),
        response,
        lambda body, model: of(model).units(body, model),
    )


def ocr_via_chat(chat: ChatAdapter) -> UnaryAdapter[OCRResult]:
    """Return the adapter for documents of a publisher whose models chat."""

    def request(body: JSON, model: Model) -> list[UpstreamCall]:
        options = {name: value for name, value in body.items() if name not in TRANSLATED | IGNORED}
        call = chat.request(options | _chat_body(body), model)
        return [msgspec.structs.replace(call, ignored=(*call.ignored, *sorted(IGNORED & body.keys())))]

    def response(body: JSON, call: UpstreamCall) -> OCRResult:
        content, finish, usage = _content(chat, body, call)
        return OCRResult(_document(content, finish), usage)

    return UnaryAdapter(request, response)


def _content(chat: ChatAdapter, answer: JSON, call: UpstreamCall) -> tuple[str, str, Usage | None]:
    """Return the text of an answer, its finish reason and token counts."""
    content, finish, usage = "", "", None
    for part in chat.response(answer, call):
        if isinstance(part, Usage):
            usage = part
        else:
            content += text(part.fields.get("content"))
            finish = part.finish_reason or finish
    return content, finish, usage


def _chat_body(body: JSON) -> JSON:
    """Return the messages of a chat, and the schema of its answer."""
    properties: JSON = {"pages": _PAGES}
    if annotation := mapping(mapping(body.get("document_annotation_format")).get("json_schema")).get(
        "schema"
    ):
        properties["document_annotation"] = annotation
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    instruction = " ".join(_instruction(body, with_annotation=bool(annotation)))
    content = [_document_part(body["document"]), {"type": "text", "text": instruction}]
    return {
        "messages": [{"role": "user", "content": content}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "document", "schema": schema}},
    }


def _document_part(document: JSON) -> JSON:
    """Return a document as a part of OpenAI's message.

    A data URL of an image is an image, also as a `document_url`.
    """
    kind = document["type"]
    if kind == "image_url" or document[kind].startswith("data:image/"):
        return {"type": "image_url", "image_url": {"url": document[kind]}}
    file = {"file_data": document[kind], "filename": document.get("document_name")}
    return {"type": "file", "file": {name: value for name, value in file.items() if value}}


def _instruction(body: JSON, *, with_annotation: bool) -> Iterator[str]:
    yield TRANSCRIBE
    if (pages := body.get("pages")) is not None:
        numbers = pages if isinstance(pages, str) else ", ".join(map(str, pages))
        yield f"Only the pages with these indexes, counted from 0: {numbers}."
    if body.get("table_format") == "html":
        yield "Write tables in HTML."
    if with_annotation:
        yield ANNOTATE
        yield text(body.get("document_annotation_prompt"))


def _document(content: str, finish: str) -> wire.OCRResponse:
    """Return Mistral's response; raises `BadRequest`, `UpstreamFault`."""
    try:
        decoded = mapping(msgspec.json.decode(content))
    except (ValueError, RecursionError):
        decoded = {}
    pages = [page for page in items(decoded.get("pages")) if isinstance(page.get("markdown"), str)]
    _check_finish(finish)
    if not isinstance(decoded.get("pages"), list):
        raise errors.UpstreamFault("The model's answer is not the JSON of a document.")
    result = _result(pages)
    if "document_annotation" in decoded:
        result["document_annotation"] = _encode(decoded["document_annotation"])
    return result


def _check_finish(finish: str) -> None:
    """Raise `BadRequest` for an answer that is not complete."""
    if finish == "length":
        raise errors.BadRequest(
            "The document's text is longer than one answer of the model: name some of its pages in 'pages'.",
            param="pages",
            code="invalid_value",
        )
    if finish == "content_filter":
        raise errors.BadRequest(
            "The model refused to read the document.", param="document", code="content_policy_violation"
        )


def _result(pages: list[JSON]) -> wire.OCRResponse:
    return {
        "pages": [_page(page, number) for number, page in enumerate(pages)],
        "document_annotation": None,
        "usage_info": {"pages_processed": len(pages), "doc_size_bytes": None},
    }


def _page(page: JSON, number: int) -> wire.OCRPageObject:
    index = integer(page.get("index"))
    return {
        "index": number if index is None else index,
        "markdown": page["markdown"],
        "images": [],
        "dimensions": None,
    }


def _encode(annotation: Any) -> str:
    """Return an annotation as Mistral does: JSON in a string."""
    return msgspec.json.encode(annotation).decode()
