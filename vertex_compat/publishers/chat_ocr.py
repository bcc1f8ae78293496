"""Read documents with chat models, in the form of Mistral's OCR: Markdown for each page.

https://docs.mistral.ai/capabilities/document_ai/basic_ocr. A chat model returns no pictures of the document
and no coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import integer, items, mapping, text
from vertex_compat.types import JSON, ChatAdapter, Model, OCRResult, UnaryAdapter, UpstreamCall, Usage

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


def ocr_via_chat(chat: ChatAdapter) -> UnaryAdapter[OCRResult]:
    """Return the adapter for documents of a publisher whose models chat."""

    def request(body: JSON, model: Model) -> list[UpstreamCall]:
        options = {name: value for name, value in body.items() if name not in TRANSLATED | IGNORED}
        call = chat.request(options | _chat_body(body), model)
        return [msgspec.structs.replace(call, ignored=(*call.ignored, *sorted(IGNORED & body.keys())))]

    def response(answer: JSON, call: UpstreamCall) -> OCRResult:
        content, finish, usage = "", "", None
        for part in chat.response(answer, call):
            if isinstance(part, Usage):
                usage = part
            else:
                content += text(part.fields.get("content"))
                finish = part.finish_reason or finish
        return OCRResult(_document(content, finish), usage)

    return UnaryAdapter(request, response)


def _chat_body(body: JSON) -> JSON:
    """Return the messages of a chat, and the schema of its answer."""
    document = body["document"]
    kind = document["type"]
    if kind == "image_url":
        part: JSON = {"type": kind, kind: {"url": document[kind]}}
    else:
        file = {"file_data": document[kind], "filename": document.get("document_name")}
        part = {"type": "file", "file": {name: value for name, value in file.items() if value}}
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
    return {
        "messages": [{"role": "user", "content": [part, {"type": "text", "text": instruction}]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "document", "schema": schema}},
    }


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


def _document(content: str, finish: str) -> JSON:
    """Return Mistral's response; raises `BadRequest`, `UpstreamFault`."""
    try:
        decoded = mapping(msgspec.json.decode(content))
    except (ValueError, RecursionError):
        decoded = {}
    pages = [page for page in items(decoded.get("pages")) if isinstance(page.get("markdown"), str)]
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
    if not isinstance(decoded.get("pages"), list):
        raise errors.UpstreamFault("The model's answer is not the JSON of a document.")
    result: JSON = {
        "pages": [_page(page, number) for number, page in enumerate(pages)],
        "document_annotation": None,
        "usage_info": {"pages_processed": len(pages), "doc_size_bytes": None},
    }
    if "document_annotation" in decoded:
        result["document_annotation"] = _encode(decoded["document_annotation"])
    return result


def _page(page: JSON, number: int) -> JSON:
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
