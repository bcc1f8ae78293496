"""`/vector_stores` and their search, by corpora of RAG Engine."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from vertex_compat import errors
from vertex_compat.json_values import text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import body, paging
from vertex_compat.operations.vector_stores import filters, ingestion, store_files
from vertex_compat.operations.vector_stores import search as searches
from vertex_compat.operations.vector_stores import vector_stores_schema as schema
from vertex_compat.operations.vector_stores.records import (
    Records,
    StoredFile,
    VectorStore,
    new_id,
)
from vertex_compat.services import rag_engine

if TYPE_CHECKING:
    from vertex_compat.operations.vector_stores import answer_types as wire


def create(context: RequestContext) -> Response:
    """Create a vector store, and attach files to it."""
    params = body.drop_nulls(body.decode(context.body, schema.CreateStore))
    records = Records(context)
    attachments = [store_files.Attachment(id_, params, "file_ids") for id_ in params.get("file_ids", ())]
    prepared = store_files.prepare(attachments, records)
    id_, now = new_id(), int(time.time())
    target = ingestion.target(None, context)
    call = rag_engine.create(params.get("name") or id_, id_)
    if context.dry_run:
        return Response(context.transport.describe(call, target))
    operation = model_calls.get_json(call, target, context)
    name = text(ingestion.wait(operation, target, context).get("name"))
    corpus = rag_engine.number(name, "ragCorpora")
    if not corpus:
        raise errors.UpstreamFault("RAG Engine created a corpus and did not name it.")
    store = VectorStore(
        id=id_,
        corpus=corpus,
        corpus_name=name,
        location=target.locations[0],
        created=now,
        last_active=now,
        name=params.get("name", ""),
        description=params.get("description", ""),
        metadata=params.get("metadata", {}),
        expires_days=params.get("expires_after", {}).get("days"),
    )
    records.create(store)
    files = store_files.attach(store, prepared, records, context) if prepared else []
    headers = model_calls.ignored_header(body.unknown(params, schema.CreateStore))
    return Response(_store_object(store, files), headers)


def list_stores(context: RequestContext) -> Response:
    """List the caller's vector stores, newest first by default."""
    records, query = Records(context), context.query()
    size = paging.limit(query, 20, 100)
    ids = records.ids()
    if paging.order(query) == "asc":
        ids.reverse()
    selected, has_more = paging.between(ids, query, size, str)

    def show(id_: str) -> wire.VectorStore | None:
        with suppress(errors.NotFound):  # deleted by another request
            store = records.store(id_)
            return _store_object(store, records.files(store))
        return None

    with ThreadPoolExecutor(model_calls.MAX_PARALLEL_CALLS) as pool:
        objects = list(pool.map(show, selected))
    page = paging.page([store for store in objects if store], size)
    return Response(page | {"has_more": has_more})


def find(context: RequestContext) -> tuple[VectorStore, Records]:
    """Return the store that the path names; raises `NotFound`."""
    records = Records(context)
    return records.store(context.path_args["store"]), records


def retrieve(context: RequestContext) -> Response:
    """Return a vector store's state."""
    store, records = find(context)
    return Response(_store_object(store, ingestion.advance(store, records, context)))


def update(context: RequestContext) -> Response:
    """Change a vector store's name, metadata or expiry."""
    params = body.decode(context.body, schema.UpdateStore)
    store, records = find(context)
    if params.get("name") is not None:
        store.name = params["name"]
    if "metadata" in params:
        store.metadata = params["metadata"] or {}
    if "expires_after" in params:
        store.expires_days = (params["expires_after"] or {}).get("days")
        store.last_active = int(time.time())
    records.save(store)
    headers = model_calls.ignored_header(body.unknown(params, schema.UpdateStore))
    return Response(_store_object(store, records.files(store)), headers)


def delete(context: RequestContext) -> Response:
    """Delete a vector store; the files in the bucket stay."""
    store, records = find(context)
    with suppress(errors.NotFound):
        ingestion.get_json(rag_engine.delete(store.corpus), store, context)
    records.forget(store)
    deletion: wire.VectorStoreDeleted = {"id": store.id, "object": "vector_store.deleted", "deleted": True}
    return Response(deletion)


def search(context: RequestContext) -> Response:
    """Search a vector store."""
    params = body.drop_nulls(body.decode(context.body, schema.Search))
    if "filters" in params:
        filters.check(params["filters"])
    queries = [params["query"]] if isinstance(params["query"], str) else params["query"]
    if not all(query.strip() for query in queries):
        raise errors.BadRequest("A query must not be empty.", param="query", code="invalid_value")
    store, records = find(context)
    passages = searches.search([store], queries, params, records, context)
    page: wire.SearchResultsPage = {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": [passage.as_dict() for passage in passages],
        "has_more": False,
        "next_page": None,
    }
    ignored = [*body.unknown(params, schema.Search), *searches.ignored_options(params)]
    return Response(page, model_calls.ignored_header(ignored))


def _store_object(store: VectorStore, files: list[StoredFile]) -> wire.VectorStore:
    counts = store_files.counts(files)
    days = store.expires_days
    return {
        "id": store.id,
        "object": "vector_store",
        "created_at": store.created,
        "name": store.name,
        "description": store.description or None,
        "usage_bytes": sum(file.size for file in files if file.status == "completed"),
        "file_counts": counts,
        "status": "expired" if store.expired else "in_progress" if counts["in_progress"] else "completed",
        "expires_after": {"anchor": "last_active_at", "days": days} if days else None,
        "expires_at": store.expires_at,
        "last_active_at": store.last_active,
        "metadata": store.metadata,
    }
