"""Imports of files into a store's corpus.

Nothing runs between requests, so every request for a store advances its imports. It reads the state of the
running operation. If none runs, it starts the next one: a corpus takes one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from vertex_compat import errors
from vertex_compat.json_values import mapping, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.vector_stores.records import Records, StoredFile, VectorStore
from vertex_compat.services import rag_engine
from vertex_compat.types import JSON, ResourceTarget, UpstreamCall

REGION: Final = "us-central1"
"""Region of new corpora if none is set: there is no RAG Engine in `global`."""

WAIT_SECONDS: Final = 60.0
"""Longest time that the creation of a corpus may take."""

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 3.0
_FAILED: Final = "RAG Engine could not import the file."


def target(location: str | None, context: RequestContext) -> ResourceTarget:
    """Return where the corpora of a location are; None is the place for new ones."""
    return context.router.project_site("ragCorpora", location, REGION)


def get_json(call: UpstreamCall, store: VectorStore, context: RequestContext) -> JSON:
    """Return the response to a call about a store's corpus."""
    return model_calls.get_json(call, target(store.location, context), context)


def wait(operation: JSON, target: ResourceTarget, context: RequestContext) -> JSON:
    """Return the response of an operation when it is complete.

    Raises `Unavailable`, or its error.
    """
    deadline, pause = time.monotonic() + WAIT_SECONDS, _FIRST_PAUSE
    name = text(operation.get("name"))
    while not operation.get("done"):
        if "operations/" not in name:
            raise errors.UpstreamFault("RAG Engine started an operation and did not name it.")
        if time.monotonic() > deadline:
            raise errors.Unavailable("RAG Engine did not answer in time. Send the request again.")
        operation = model_calls.get_json(rag_engine.operation(name), target, context)
        if not operation.get("done"):
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    if failure := mapping(operation.get("error")):
        raise errors.UpstreamFault(f"RAG Engine: {text(failure.get('message')) or _FAILED}")
    return mapping(operation.get("response"))


def advance(store: VectorStore, records: Records, context: RequestContext) -> list[StoredFile]:
    """Return the files of a store, after another step of their imports."""
    files = records.files(store)
    running = {file.operation for file in files if file.status == "in_progress"}
    finished: dict[str, str] = {}
    for name in running:
        if (failure := _failure(name, store, context)) is not None:
            finished[name] = failure
    if finished:
        _settle([file for file in files if file.operation in finished], finished, store, records, context)
    queued = [file for file in files if file.status == "queued"]
    if queued and finished.keys() == running:
        _start(queued, store, records, context)
    return files


def _failure(name: str, store: VectorStore, context: RequestContext) -> str | None:
    """Return the error of an operation, "" if it has none, None if the operation runs."""
    try:
        operation = get_json(rag_engine.operation(name), store, context)
    except errors.NotFound:
        return ""
    if not operation.get("done"):
        return None
    return text(mapping(operation.get("error")).get("message"))


def _settle(
    files: Sequence[StoredFile],
    failures: dict[str, str],
    store: VectorStore,
    records: Records,
    context: RequestContext,
) -> None:
    """Note which files an operation has imported: those that the corpus lists."""
    imported = _imported_files(store, context)
    for file in files:
        if file.status != "in_progress":
            continue
        if number := imported.get(file.uri):
            file.status, file.rag_file, file.error = "completed", number, ""
        else:
            file.status, file.error = "failed", failures[file.operation] or _FAILED
        records.save_file(store, file)


def _imported_files(store: VectorStore, context: RequestContext) -> dict[str, str]:
    imported: dict[str, str] = {}
    page = ""
    while True:
        answer = get_json(rag_engine.files(store.corpus, page), store, context)
        imported |= rag_engine.rag_files(answer)
        if not (page := text(answer.get("nextPageToken"))):
            return imported


def _start(queued: list[StoredFile], store: VectorStore, records: Records, context: RequestContext) -> None:
    """Start the import of the oldest files that wait and are divided the same way."""
    queued = sorted(queued, key=lambda file: file.created)
    next_files = [file for file in queued if file.chunking == queued[0].chunking][: rag_engine.MAX_URIS]
    uris = [file.uri for file in next_files]
    try:
        operation = get_json(
            rag_engine.import_files(store.corpus, uris, next_files[0].chunking), store, context
        )
    except errors.BadRequest as error:
        if "operation" in error.message.lower():  # another one runs on the corpus
            return
        for file in next_files:
            file.status, file.error = "failed", error.message
    else:
        for file in next_files:
            file.status, file.operation = "in_progress", text(operation.get("name"))
    for file in next_files:
        records.save_file(store, file)
