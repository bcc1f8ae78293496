"""`POST /rerank`, as Cohere's and Jina's clients call it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from vertex_compat import errors
from vertex_compat.operations import model_calls, unary_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import body
from vertex_compat.operations.rerank import rerank_schema
from vertex_compat.publishers.google.ranking import search_units
from vertex_compat.types import JSON, RankedDocument

if TYPE_CHECKING:
    from vertex_compat.operations.rerank import answer_types as wire

RERANK: Final = unary_calls.UnaryOperation(
    model_calls.Operation(lambda publisher: publisher.rerank, "rerank", frozenset({"rerank"})),
    lambda params, _: {
        "query": [params["query"]],
        "documents": [text for record in params["documents"] for text in record.values()],
    },
)

TITLE_FIELDS: Final = ("title",)
TEXT_FIELDS: Final = ("text", "content")
"""Fields of a document that are ranked if the client names none."""


def create(context: RequestContext) -> Response:
    """Rank the documents; the best come first."""
    params = body.drop_nulls(body.decode(context.body, rerank_schema.Rerank))
    fields = params.get("rank_fields")
    records = [_record(document, index, fields) for index, document in enumerate(params["documents"])]
    return unary_calls.call_unary(
        context,
        params | {"documents": records},
        RERANK,
        lambda ranked: ranked,
        lambda batches, headers: Response(_response(chain.from_iterable(batches), params), headers),
    )


def _response(ranked: Iterable[RankedDocument], params: JSON) -> wire.RerankResponse:
    best = sorted(ranked, key=lambda document: -document.score)[: params.get("top_n")]
    return {
        "id": f"rerank-{secrets.token_hex(12)}",
        "object": "list",
        "model": params["model"],
        "results": [_result(document, params) for document in best],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": search_units(params)}},
    }


def _result(ranked: RankedDocument, params: JSON) -> wire.RerankResponseResultsItem:
    result: wire.RerankResponseResultsItem = {
        "index": ranked.document_index,
        "relevance_score": ranked.score,
    }
    if params.get("return_documents"):
        result["document"] = _shown_document(params["documents"][ranked.document_index])
    return result


def _record(document: str | JSON, index: int, fields: list[str] | None) -> JSON:
    """Return a document as a title and a text; raises `BadRequest` if it has neither."""
    if isinstance(document, str):
        record = {"content": document}
    elif fields:
        lines = [f"{name}: {document[name]}" for name in fields if document.get(name)]
        record = {"content": "\n".join(lines)}
    else:
        record = {"title": _first(document, TITLE_FIELDS), "content": _first(document, TEXT_FIELDS)}
    record = {name: text for name, text in record.items() if text}
    if not record:
        expected = " or ".join(map(repr, fields or (*TEXT_FIELDS, *TITLE_FIELDS)))
        raise errors.BadRequest(
            f"The document must be a text or an object with a text in {expected}.",
            param=f"documents[{index}]",
            code="invalid_value",
        )
    return record


def _first(document: JSON, names: tuple[str, ...]) -> str:
    values: list[Any] = [document[name] for name in names if document.get(name)]
    return str(values[0]) if values else ""


def _shown_document(document: str | JSON) -> JSON:
    return {"text": document} if isinstance(document, str) else document
