"""`/vector_stores/ID/files` and `/vector_stores/ID/file_batches`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.json_values import count, mapping, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import body, paging
from vertex_compat.operations.vector_stores import ingestion, search
from vertex_compat.operations.vector_stores import vector_stores_schema as schema
from vertex_compat.operations.vector_stores.records import Records, StoredFile, VectorStore
from vertex_compat.publishers import media_types
from vertex_compat.services import rag_engine
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations.vector_stores import answer_types as wire

BATCH: Final = "vsfb_"

STATUSES: Final = ("in_progress", "completed", "failed", "cancelled")
"""Of a file, as OpenAI names them."""

TEXTS: Final = frozenset({"application/json", "application/xml", "application/x-ndjson", "application/jsonl"})
"""Media types of texts that do not begin with `text/`."""

MAX_CONTENT: Final = 20 * 1024 * 1024
"""Bytes of a file whose text is returned."""


def _find(context: RequestContext) -> tuple[VectorStore, Records]:
    records = Records(context)
    return records.store(context.path_args["store"]), records


def _find_active(context: RequestContext) -> tuple[VectorStore, Records]:
    """Return a store that takes files; raises `BadRequest` for an expired one."""
    store, records = _find(context)
    store.check_active()
    records.touch(store)
    return store, records


class Attachment(NamedTuple):
    """A file to attach to a store, its options, and the parameter that names it."""

    file_id: str
    options: JSON
    param: str
    place: str = ""
    """Parameter before the options, such as `files[2].`."""


def prepare(attachments: Iterable[Attachment], records: Records, batch: str = "") -> list[StoredFile]:
    """Return the records of files to attach; the last options of a repeated file count.

    Raises `NotFound` for a file that the caller does not have.
    """
    now = int(time.time())
    by_file = {attachment.file_id: attachment for attachment in attachments}

    def record(attachment: Attachment) -> StoredFile:
        try:
            target = records.bucket.resolve(attachment.file_id)
            resource = records.bucket.metadata(target)
        except errors.NotFound as error:
            error.param = attachment.param
            raise
        return StoredFile(
            uri=target.uri,
            filename=text(mapping(resource.get("metadata")).get("filename")) or _last(target.name),
            size=count(resource.get("size")),
            created=now,
            batch=batch,
            attributes=attachment.options.get("attributes") or {},
            chunking=_chunking(attachment.options, attachment.place),
        )

    if not by_file:
        return []
    with ThreadPoolExecutor(min(len(by_file), model_calls.MAX_PARALLEL_CALLS)) as pool:
        return list(pool.map(record, by_file.values()))


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _chunking(options: JSON, place: str) -> tuple[int, int] | None:
    chunking = options.get("chunking_strategy") or {}
    if chunking.get("type") != "static":
        return None
    if not (fixed := chunking.get("static")):
        raise errors.missing_parameter(f"{place}chunking_strategy.static")
    if fixed["chunk_overlap_tokens"] * 2 > fixed["max_chunk_size_tokens"]:
        raise errors.BadRequest(
            "'chunk_overlap_tokens' must not exceed half of 'max_chunk_size_tokens'.",
            param=f"{place}chunking_strategy.static.chunk_overlap_tokens",
            code="invalid_value",
        )
    return fixed["max_chunk_size_tokens"], fixed["chunk_overlap_tokens"]


def attach(
    store: VectorStore, files: Sequence[StoredFile], records: Records, context: RequestContext
) -> list[StoredFile]:
    """Attach files to a store and start their import; return the files of the store."""
    with ThreadPoolExecutor(model_calls.MAX_PARALLEL_CALLS) as pool:
        list(pool.map(lambda file: records.add_file(store, file), files))
    return ingestion.advance(store, records, context)


def counts(files: Iterable[StoredFile]) -> wire.FileCounts:
    """Return OpenAI's counts of files."""
    statuses = [_status(file) for file in files]
    return {
        "in_progress": statuses.count("in_progress"),
        "completed": statuses.count("completed"),
        "failed": statuses.count("failed"),
        "cancelled": statuses.count("cancelled"),
        "total": len(statuses),
    }


def _status(file: StoredFile) -> wire.FileStatus:
    return "in_progress" if file.status == "queued" else file.status


def create(context: RequestContext) -> Response:
    """Attach one file."""
    params = body.drop_nulls(body.decode(context.body, schema.AttachFile))
    store, records = _find_active(context)
    (prepared,) = prepare([Attachment(params["file_id"], params, "file_id")], records)
    files = attach(store, [prepared], records, context)
    headers = model_calls.ignored_header(body.unknown(params, schema.AttachFile))
    return Response(_file_object(_by_uri(files, prepared.uri), store, records), headers)


def _by_uri(files: Iterable[StoredFile], uri: str) -> StoredFile:
    for file in files:
        if file.uri == uri:
            return file
    raise errors.NotFound("No such file in the vector store.", param="file_id")


def list_files(context: RequestContext) -> Response:
    """List the files of a store."""
    store, records = _find(context)
    return _page(ingestion.advance(store, records, context), store, records, context)


def _page(files: list[StoredFile], store: VectorStore, records: Records, context: RequestContext) -> Response:
    query = context.query()
    size = paging.limit(query, 20, 100)
    status = paging.choice(query, "filter", STATUSES)
    objects = [_file_object(file, store, records) for file in files if status in {None, _status(file)}]
    if paging.order(query) == "asc":
        objects.reverse()
    selected, has_more = paging.between(objects, query, size, lambda file: file["id"])
    return Response(paging.page(selected, size) | {"has_more": has_more})


def _file(context: RequestContext) -> tuple[StoredFile, VectorStore, Records]:
    store, records = _find(context)
    target = records.bucket.resolve(context.path_args["file"])
    return _by_uri(ingestion.advance(store, records, context), target.uri), store, records


def retrieve(context: RequestContext) -> Response:
    """Return a file's state."""
    return Response(_file_object(*_file(context)))


def content(context: RequestContext) -> Response:
    """Return the text of a text file; that of other files only RAG Engine has read."""
    store, records = _find(context)
    target = records.bucket.resolve(context.path_args["file"])
    file = _by_uri(records.files(store), target.uri)
    media_type = media_types.of_name(file.filename) or media_types.of_name(target.name) or ""
    if not media_type.startswith("text/") and media_type not in TEXTS:
        raise errors.BadRequest(
            "The text of this file is not available: RAG Engine shows only the passages that a search finds.",
            param="file_id",
            code="unsupported_value",
        )
    if file.size > MAX_CONTENT:
        raise errors.BadRequest(
            f"The file has more than {MAX_CONTENT} bytes: use /files/ID/content.", param="file_id"
        )
    data = b"".join(records.bucket.read(target)).decode("utf-8", "replace")
    page: wire.FileContentPage = {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": data}],
        "has_more": False,
        "next_page": None,
    }
    return Response(page)


def update(context: RequestContext) -> Response:
    """Change a file's attributes."""
    params = body.decode(context.body, schema.UpdateFile)
    file, store, records = _file(context)
    file.attributes = params["attributes"] or {}
    records.save_file(store, file)
    return Response(_file_object(file, store, records))


def delete(context: RequestContext) -> Response:
    """Remove a file from a store; the file in the bucket stays."""
    file, store, records = _file(context)
    if file.rag_file:
        with suppress(errors.NotFound):
            ingestion.get_json(rag_engine.delete_file(store.corpus, file.rag_file), store, context)
    records.forget_file(store, file)
    id_ = search.file_id(file, records)
    deletion: wire.VectorStoreFileDeleted = {
        "id": id_,
        "object": "vector_store.file.deleted",
        "deleted": True,
    }
    return Response(deletion)


# Batches


def create_batch(context: RequestContext) -> Response:
    """Attach several files."""
    params = body.drop_nulls(body.decode(context.body, schema.AttachFiles))
    if ("files" in params) == ("file_ids" in params):
        raise errors.BadRequest(
            "Exactly one of 'file_ids' and 'files' is needed.", param="file_ids", code="invalid_value"
        )
    store, records = _find_active(context)
    batch = BATCH + new_token()
    files = attach(store, prepare(_attachments(params), records, batch), records, context)
    ignored = body.unknown(params, schema.AttachFiles)
    if "files" in params:  # each has its own
        ignored += [name for name in ("attributes", "chunking_strategy") if name in params]
    return Response(_batch(batch, files, store), model_calls.ignored_header(ignored))


def _attachments(params: JSON) -> list[Attachment]:
    if "files" not in params:
        return [Attachment(file_id, params, "file_ids") for file_id in params["file_ids"]]
    return [
        Attachment(file["file_id"], file, f"files[{number}].file_id", f"files[{number}].")
        for number, file in enumerate(params["files"])
    ]


def _batch_files(context: RequestContext) -> tuple[str, list[StoredFile], VectorStore, Records]:
    store, records = _find(context)
    batch = context.path_args["batch"]
    files = [file for file in ingestion.advance(store, records, context) if file.batch == batch]
    if not files:
        raise errors.NotFound(f"No such file batch: {batch[:200]}", param="batch_id")
    return batch, files, store, records


def retrieve_batch(context: RequestContext) -> Response:
    """Return how far the files of a batch are."""
    batch, files, store, _ = _batch_files(context)
    return Response(_batch(batch, files, store))


def list_batch_files(context: RequestContext) -> Response:
    """List the files of a batch."""
    _, files, store, records = _batch_files(context)
    return _page(files, store, records, context)


def cancel_batch(context: RequestContext) -> Response:
    """Cancel the imports of a batch that have not started; those that run are finished."""
    batch, files, store, records = _batch_files(context)
    for file in files:
        if file.status == "queued":
            file.status = "cancelled"
            records.save_file(store, file)
    return Response(_batch(batch, files, store))


def _batch(batch: str, files: Iterable[StoredFile], store: VectorStore) -> wire.VectorStoreFileBatch:
    of_batch = [file for file in files if file.batch == batch]
    file_counts = counts(of_batch)
    ended: Literal["completed", "cancelled"] = "cancelled" if file_counts["cancelled"] else "completed"
    return {
        "id": batch,
        "object": "vector_store.files_batch",
        "created_at": min(file.created for file in of_batch) if of_batch else store.created,
        "vector_store_id": store.id,
        "status": "in_progress" if file_counts["in_progress"] else ended,
        "file_counts": file_counts,
    }


def _file_object(file: StoredFile, store: VectorStore, records: Records) -> wire.VectorStoreFile:
    return {
        "id": search.file_id(file, records),
        "object": "vector_store.file",
        "created_at": file.created,
        "vector_store_id": store.id,
        "status": _status(file),
        "usage_bytes": file.size if file.status == "completed" else 0,
        "last_error": {"code": "server_error", "message": file.error} if file.error else None,
        "attributes": file.attributes,
        "chunking_strategy": _chunking_object(file),
    }


def _chunking_object(
    file: StoredFile,
) -> wire.StaticFileChunkingStrategyObject | wire.OtherFileChunkingStrategyObject:
    if not file.chunking:
        return {"type": "other"}
    size, overlap = file.chunking
    return {
        "type": "static",
        "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap},
    }
