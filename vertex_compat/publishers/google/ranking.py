"""Rerank documents by Discovery Engine's `rank`.

https://cloud.google.com/generative-ai-app-builder/docs/reference/rest/v1/projects.locations.rankingConfigs/rank.
The API must be enabled, and the caller needs the permission `discoveryengine.rankingConfigs.rank`, which the
role Discovery Engine Viewer has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from vertex_compat import errors, vertex
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Model, RankedDocument, UnaryAdapter, Units, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=frozenset({"documents", "query", "rank_fields", "return_documents", "top_n"}),
    ignored=frozenset({"max_chunks_per_doc", "max_tokens_per_doc", "priority", "truncation"}),
)

CONFIG: Final = "rankingConfigs/default_ranking_config"

MAX_RECORDS: Final = 200
"""Records that one call takes."""


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """Return the calls that rank all documents.

    `documents` are objects with `title` or `content`.
    """
    ignored = PARAMETERS.apply(body)[1]
    if not all(map(vertex.multi_region, model.locations)):
        raise errors.BadRequest(
            f"Discovery Engine ranks in global, us and eu, not in {model.locations[0]!r}.",
            param="model",
            code="location_not_supported",
        )
    records = [
        cast("wire.RankingRecord", {"id": str(index), **document})
        for index, document in enumerate(body["documents"])
    ]
    batches = [records[start : start + MAX_RECORDS] for start in range(0, len(records), MAX_RECORDS)]
    return [
        UpstreamCall(
            f"{CONFIG}:rank",
            _body(batch, body["query"], model),
            service="discoveryengine",
            ignored=tuple(ignored),
        )
        for batch in batches
    ]


def _body(records: list[wire.RankingRecord], query: str, model: Model) -> wire.RankRequest:
    return {
        "model": model.name,
        "query": query,
        "records": records,
        "ignoreRecordDetailsInResponse": True,
    }


def search_units(body: JSON) -> int:
    """Return how many queries are charged for: one for each call."""
    return -(-len(body["documents"]) // MAX_RECORDS)


def response(body: JSON, _: UpstreamCall) -> list[RankedDocument]:
    """Return the documents of one call, best first. A score is a probability."""
    try:
        return [
            RankedDocument(int(record["id"]), float(record.get("score", 0))) for record in body["records"]
        ]
    except (KeyError, TypeError, ValueError):
        raise errors.UpstreamFault("Discovery Engine's response has no ranked records.") from None


RERANK: Final = UnaryAdapter(request, response, lambda body, _: Units(items=search_units(body)))
