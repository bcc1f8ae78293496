"""Records of vector stores and their files, kept in the bucket.

A store is an object of JSON in the caller's folder, so other callers cannot find it. A file of a store is an
empty object. Its metadata hold the file's fields and status, so one list call returns all files.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Literal

import msgspec

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.json_values import mapping, text
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket

PREFIX: Final = "vs_"

STORES: Final = "vector_stores/"
FILES: Final = "vector_store_files/"
"""Folders of the records."""

MAX_RECORD: Final = 7000
"""Bytes of a file's record: an object's metadata may have 8 KiB."""

ACTIVE_SECONDS: Final = 3600
"""Precision with which the last use of an expiring store is recorded."""

DAY: Final = 86_400

Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]


class VectorStore(msgspec.Struct, omit_defaults=True):
    """A vector store; `corpus` is the number of its corpus in `location`."""

    id: str
    corpus: str
    corpus_name: str
    location: str
    created: int
    last_active: int
    name: str = ""
    description: str = ""
    metadata: dict[str, str] = {}
    expires_days: int | None = None

    @property
    def expires_at(self) -> int | None:
        """The time at which the store expires if it is not used."""
        return None if self.expires_days is None else self.last_active + self.expires_days * DAY

    @property
    def expired(self) -> bool:
        """True if it has expired."""
        return self.expires_at is not None and self.expires_at < time.time()

    def check_active(self) -> None:
        """Raise `BadRequest` if the store has expired."""
        if self.expired:
            raise errors.BadRequest(
                f"The vector store {self.id} has expired. Set its 'expires_after' to use it again.",
                param="vector_store_id",
                code="expired",
            )


class StoredFile(msgspec.Struct, omit_defaults=True):
    """A file of a store. `rag_file` is its number in the corpus, once it is there."""

    uri: str
    filename: str
    size: int
    created: int
    status: Status = "queued"
    operation: str = ""
    rag_file: str = ""
    batch: str = ""
    attributes: dict[str, str | int | float | bool] = {}
    chunking: tuple[int, int] | None = None
    error: str = ""


_decode_store = msgspec.json.Decoder(VectorStore).decode
_decode_file = msgspec.json.Decoder(StoredFile).decode


class Records:
    """The caller's records; raises `BadRequest` if no bucket is set."""

    def __init__(self, context: RequestContext) -> None:
        self.bucket = Bucket(context)

    def create(self, store: VectorStore) -> None:
        """Write the record of a new store."""
        self.bucket.write_json(_store_name(store.id), store)

    def store(self, id_: str) -> VectorStore:
        """Return a store; raises `NotFound`."""
        if not _is_id(id_):
            raise no_such_store(id_)
        try:
            content, _ = self.bucket.read_with_generation(self.bucket.target(_store_name(id_)))
            return _decode_store(content)
        except (errors.NotFound, msgspec.DecodeError):
            raise no_such_store(id_) from None

    def save(self, store: VectorStore) -> None:
        """Write a store's record anew; the last writer wins."""
        self.bucket.insert(self.bucket.target(_store_name(store.id)), msgspec.json.encode(store), None, None)

    def touch(self, store: VectorStore) -> None:
        """Note that a store is used, if it can expire."""
        now = int(time.time())
        if store.expires_days is not None and now - store.last_active > ACTIVE_SECONDS:
            store.last_active = now
            self.save(store)

    def ids(self) -> list[str]:
        """Return the ids of the caller's stores, newest first."""
        names = (self.bucket.resource_name(resource) for resource in self.bucket.list(STORES))
        return [name.removeprefix(STORES) for name in names]

    def forget(self, store: VectorStore) -> None:
        """Delete the records of a store and its files."""
        self.bucket.delete(self.bucket.target(_store_name(store.id)))
        for resource in list(self.bucket.list(f"{FILES}{store.id}/")):
            with suppress(errors.NotFound):
                self.bucket.delete(self.bucket.target(self.bucket.resource_name(resource)))

    # Files

    def files(self, store: VectorStore) -> list[StoredFile]:
        """Return the files of a store, newest first."""
        files = list(self._files(store))
        return sorted(files, key=lambda file: (-file.created, file.uri))

    def _files(self, store: VectorStore) -> Iterator[StoredFile]:
        for resource in self.bucket.list(f"{FILES}{store.id}/"):
            with suppress(msgspec.DecodeError):
                yield _decode_file(text(mapping(resource.get("metadata")).get("record")))

    def add_file(self, store: VectorStore, file: StoredFile) -> None:
        """Write the record of a file; one that is there already is replaced."""
        metadata = _metadata(file)
        target = self.bucket.target(_file_name(store, file))
        with suppress(errors.NotFound):
            self.bucket.delete(target)
        name = _file_name(store, file)
        with self.bucket.upload(name, "application/octet-stream", metadata) as upload:
            upload.finish()

    def save_file(self, store: VectorStore, file: StoredFile) -> None:
        """Update a file's record, unless the file has been deleted."""
        with suppress(errors.NotFound, errors.BadRequest):
            self.bucket.set_metadata(self.bucket.target(_file_name(store, file)), _metadata(file))

    def forget_file(self, store: VectorStore, file: StoredFile) -> None:
        """Delete the record of a file."""
        with suppress(errors.NotFound):
            self.bucket.delete(self.bucket.target(_file_name(store, file)))


def new_id() -> str:
    """Return the id of a new store; newer ones sort first."""
    return PREFIX + new_token()


def no_such_store(id_: str) -> errors.NotFound:
    """Return the 404 for a store."""
    return errors.NotFound(f"No such vector store: {id_[:200]}", param="vector_store_id")


def _is_id(id_: str) -> bool:
    return id_.startswith(PREFIX) and id_.removeprefix(PREFIX).isalnum() and len(id_) < 64


def _store_name(id_: str) -> str:
    return f"{STORES}{id_}"


def _file_name(store: VectorStore, file: StoredFile) -> str:
    return f"{FILES}{store.id}/{hashlib.sha256(file.uri.encode()).hexdigest()[:32]}"


def _metadata(file: StoredFile) -> dict[str, str]:
    record = msgspec.json.encode(file)
    if len(record) > MAX_RECORD:
        raise errors.BadRequest(
            f"The attributes of a file may have about {MAX_RECORD} bytes together.", param="attributes"
        )
    return {"record": record.decode()}
