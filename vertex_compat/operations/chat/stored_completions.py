"""Chat completions with `store: true`: stored, listed, read, changed and deleted.

https://platform.openai.com/docs/api-reference/chat/list. A completion is one object, with the messages of its
request, written after the last byte has been sent to the client.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import msgspec

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.operations import model_calls
from vertex_compat.operations.batches.batches_schema import Metadata
from vertex_compat.operations.chat import chat
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import body, paging
from vertex_compat.operations.stored import store as stores
from vertex_compat.operations.stored.store import DAY_SECONDS, ObjectStore, get_written
from vertex_compat.operations.upstream_stream import StreamEncoder
from vertex_compat.types import JSON, StreamPart

if TYPE_CHECKING:
    from vertex_compat.operations.chat import answer_types as wire

FOLDER: Final = "chat/"
ID_PREFIX: Final = "chatcmpl-"


class CompletionRecord(msgspec.Struct, omit_defaults=True):
    """A stored completion and the messages of its request."""

    completion: JSON
    messages: list[JSON]
    expires_at: int
    metadata: dict[str, str] = {}

    def as_chat_completion(self) -> wire.StoredChatCompletion:
        """Return OpenAI's object."""
        return cast("wire.StoredChatCompletion", {**self.completion, "metadata": self.metadata})


class UpdateCompletion(msgspec.Struct):
    """Schema of `POST /chat/completions/{id}`."""

    metadata: Metadata | None


_decode = msgspec.json.Decoder(CompletionRecord).decode


class PendingCompletion(msgspec.Struct):
    """A completion that is being made, and will be stored."""

    context: RequestContext
    params: JSON
    token: str = msgspec.field(default_factory=new_token)
    created: int = msgspec.field(default_factory=lambda: int(time.time()))
    parts: list[tuple[int, StreamPart]] = msgspec.field(default_factory=list)

    @property
    def id(self) -> str:
        """The id of the completion."""
        return self.context.owner_ids.encode(ID_PREFIX, self.token)

    def record_parts(self, encoder: StreamEncoder[StreamPart]) -> StreamEncoder[StreamPart]:
        """Return an encoder that also collects the parts."""
        return _RecordingEncoder(encoder, self.parts)

    def save_after(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks of a stream, and store the completion when they have been sent."""
        yield from chunks
        self.save(chat.completion(self.parts, self.params["model"], self.id, self.created))

    def save(self, completion: wire.ChatCompletion) -> None:
        """Store the completion. A failure is logged: the client has its response."""
        store = stores.store_for_writing(self.context)
        if store is None:
            return
        record = CompletionRecord(
            {**completion},
            self.params["messages"],
            int(time.time()) + self.context.settings.store_days * DAY_SECONDS,
            self.params.get("metadata") or {},
        )
        try:
            store.put(FOLDER + self.token, msgspec.json.encode(record), record.expires_at, 0)
        except errors.ApiError as error:
            stores.note_failure(f"The completion {self.id}", error)
        else:
            stores.note_success()


class _RecordingEncoder:
    def __init__(self, encoder: StreamEncoder[StreamPart], parts: list[tuple[int, StreamPart]]) -> None:
        self.keepalive = encoder.keepalive
        self.finish = encoder.finish
        self._encoder = encoder
        self._parts = parts

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Collect the part, and encode it."""
        self._parts.append((number, part))
        return self._encoder.encode(number, part)


def begin(params: JSON, context: RequestContext) -> PendingCompletion | None:
    """Return the completion that will be stored, None if the deployment stores nothing."""
    return PendingCompletion(context, params) if stores.open_store(context) else None


class _StoredRecord(NamedTuple):
    store: ObjectStore
    name: str
    record: CompletionRecord
    generation: int


def retrieve(context: RequestContext) -> Response:
    """Return a stored completion."""
    return Response(_read(context).record.as_chat_completion())


def update(context: RequestContext) -> Response:
    """Replace the metadata of a stored completion."""
    params = body.decode(context.body, UpdateCompletion)
    stored = _read(context)
    stored.record.metadata = params["metadata"] or {}
    content = msgspec.json.encode(stored.record)
    stored.store.put(stored.name, content, stored.record.expires_at, stored.generation)
    return Response(stored.record.as_chat_completion())


def delete(context: RequestContext) -> Response:
    """Delete a stored completion."""
    stored = _read(context)
    stores.delete(stored.store, stored.name)
    deletion: wire.ChatCompletionDeleted = {
        "id": context.path_args["id"],
        "object": "chat.completion.deleted",
        "deleted": True,
    }
    return Response(deletion)


def list_messages(context: RequestContext) -> Response:
    """List the messages of the request of a stored completion, oldest first by default."""
    size = paging.limit(context.query(), 20, 100)
    stored = _read(context)
    messages = [
        _message(message, f"{context.path_args['id']}-{number}")
        for number, message in enumerate(stored.record.messages)
    ]
    if paging.order(context.query(), "asc") == "desc":
        messages.reverse()
    return Response(paging.page(paging.after(messages, context.query()), size))


def list_completions(context: RequestContext) -> Response:
    """List the stored completions, oldest first by default.

    A model and metadata can select them.
    """
    store = _store(context)
    query = context.query()
    size = paging.limit(query, 20, 100)
    names = list(store.names(FOLDER))
    if paging.order(query, "asc") == "asc":
        names.reverse()  # newer names sort first
    if last_id := query.get("after"):
        last = FOLDER + _token(last_id, context)
        names = names[names.index(last) + 1 :] if last in names else []
    metadata = {
        key[len("metadata[") : -1]: value for key, value in query.items() if key.startswith("metadata[")
    }
    objects = (
        record.as_chat_completion()
        for record in _records(store, names)
        if query.get("model", record.completion["model"]) == record.completion["model"]
        and metadata.items() <= record.metadata.items()
    )
    return Response(paging.page(objects, size))


def _records(store: ObjectStore, names: list[str]) -> Iterator[CompletionRecord]:
    remaining = iter(names)
    with ThreadPoolExecutor(model_calls.MAX_PARALLEL_CALLS) as pool:
        while batch := list(islice(remaining, model_calls.MAX_PARALLEL_CALLS)):
            for stored in pool.map(store.get, batch):
                if stored and (record := _decode(stored.content)).expires_at > time.time():
                    yield record


def _read(context: RequestContext) -> _StoredRecord:
    store = _store(context)
    token = _token(context.path_args["id"], context)
    stored = get_written(store, FOLDER + token, token)
    if stored is None or (record := _decode(stored.content)).expires_at < time.time():
        raise _not_found(context.path_args["id"])
    return _StoredRecord(store, FOLDER + token, record, stored.generation)


def _store(context: RequestContext) -> ObjectStore:
    store = stores.open_store(context)
    if store is None:
        raise errors.NotFound(
            "This deployment stores no chat completions: have the operator set GCS_BUCKET_NAME.",
            param="completion_id",
        )
    return store


def _token(id_: str, context: RequestContext) -> str:
    if (token := context.owner_ids.decode(ID_PREFIX, id_)) is None:
        raise _not_found(id_)
    return token


def _message(message: JSON, id_: str) -> Mapping[str, object]:
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    fields: wire.StoredMessageFields = {
        "id": id_,
        "content": None if parts else content,
        "content_parts": parts,
    }
    return {"refusal": None, **message, **fields}


def _not_found(id_: str) -> errors.NotFound:
    return errors.NotFound(f"Chat completion {id_[:300]!r} not found.", param="completion_id")
