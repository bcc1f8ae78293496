"""Searches in vector stores, for `/vector_stores/ID/search` and the tool `file_search`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.request import body
from vertex_compat.operations.vector_stores import filters, ingestion
from vertex_compat.operations.vector_stores.records import Records, StoredFile, VectorStore
from vertex_compat.operations.vector_stores.vector_stores_schema import RankingOptions
from vertex_compat.services import rag_engine
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations.vector_stores import answer_types as wire

DEFAULT_RESULTS: Final = 10


class Passage(NamedTuple):
    """A passage of a file that fits a query."""

    file_id: str
    file: StoredFile
    text: str
    score: float

    def as_dict(self) -> wire.VectorStoreSearchResponse:
        """Return the passage as OpenAI's search result."""
        return {
            "file_id": self.file_id,
            "filename": self.file.filename,
            "score": self.score,
            "attributes": self.file.attributes,
            "content": [{"type": "text", "text": self.text}],
        }


def ignored_options(params: JSON) -> list[str]:
    """Return the names of a search's options that RAG Engine does not have."""
    options = params.get("ranking_options") or {}
    unknown = body.unknown(options, RankingOptions)
    ignored = [f"ranking_options.{name}" for name in (*unknown, "hybrid_search") if options.get(name)]
    if options.get("ranker", "auto") not in {"auto", "none"}:
        ignored.append("ranking_options.ranker")
    return [*ignored, "rewrite_query"] if params.get("rewrite_query") else ignored


def search(
    stores: Sequence[VectorStore],
    queries: Sequence[str],
    options: JSON,
    records: Records,
    context: RequestContext,
) -> list[Passage]:
    """Return the passages that fit a query best. `options` are those of OpenAI's search."""
    for store in stores:
        store.check_active()
        records.touch(store)
    limit = options.get("max_num_results", DEFAULT_RESULTS)
    min_score = (options.get("ranking_options") or {}).get("score_threshold") or 0.0
    searches = [(store, query) for store in stores for query in queries]

    def search_store(pair: tuple[VectorStore, str]) -> list[Passage]:
        store, query = pair
        return list(_search(store, query, (limit, min_score, options.get("filters")), records, context))

    with ThreadPoolExecutor(min(len(searches), model_calls.MAX_PARALLEL_CALLS)) as pool:
        hits = [passage for passages in pool.map(search_store, searches) for passage in passages]
    best: dict[tuple[str, str], Passage] = {}
    for passage in sorted(hits, key=lambda passage: -passage.score):
        best.setdefault((passage.file_id, passage.text), passage)
    return [passage for passage in best.values() if passage.score >= min_score][:limit]


def _search(
    store: VectorStore, query: str, options: tuple[int, float, Any], records: Records, context: RequestContext
) -> Iterable[Passage]:
    limit, min_score, filter_ = options
    files = {file.uri: file for file in records.files(store)}
    rag_files: list[str] = []
    if filter_:
        rag_files = [
            file.rag_file
            for file in files.values()
            if file.rag_file and filters.matches(filter_, file.attributes)
        ]
        if not rag_files:
            return
    call = rag_engine.retrieve(store.corpus_name, query, limit, rag_files, min_score)
    for hit in rag_engine.contexts(ingestion.get_json(call, store, context)):
        if file := files.get(hit.uri):
            yield Passage(file_id(file, records), file, hit.text, hit.score)


def file_id(file: StoredFile, records: Records) -> str:
    """Return the id of a file in `/files`."""
    return records.bucket.id_of(records.bucket.resolve(file.uri))
