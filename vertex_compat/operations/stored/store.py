"""Stores for what clients read again: responses, conversations, chat completions.

Two engines have one interface. One is Cloud Storage, in the caller's folder of the bucket that files use. The
other is the memory of this process, for the developer's machine and for tests. Names are relative to the
caller's folder, so a key reaches its own objects only. No part of a request is in a name.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.ids import token_age
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.server.client_connection import ClientConnection

_log = logging.getLogger(__name__)

DAY_SECONDS: Final = 24 * 60 * 60

WRITE_SECONDS: Final = 3.0
"""Longest wait of a reader for an object, which is written after the response that names it."""

MAX_REQUEST_SECONDS: Final = 3600.0
"""A token is made at the start of a request, at most this long before its object is written."""

FAILURE_SECONDS: Final = 60.0
"""Seconds for which responses carry the header about a failure of the store."""

_FIRST_POLL_SECONDS: Final = 0.05

MAX_MEMORY_BYTES: Final = 256 * 1024 * 1024
"""Bytes of content in a process's memory; above it the oldest objects are removed."""


class StoredObject(NamedTuple):
    """An object's content, and the generation that a conditional write names."""

    content: bytes
    generation: int


class ObjectStore(Protocol):
    """The objects of one caller."""

    def get(self, name: str) -> StoredObject | None:
        """Return an object, None if there is none."""

    def put(self, name: str, content: bytes, expires_at: int | None, generation: int | None = None) -> None:
        """Write an object, wholly or not at all.

        With a `generation` only that version is replaced (0: there must be none yet), else `Conflict` is
        raised. `expires_at` is for the engine's own clean-up; readers check their records.
        """

    def delete(self, name: str) -> bool:
        """Delete an object; returns whether there was one."""

    def names(self, prefix: str, start: str = "") -> Iterator[str]:
        """Yield the names that begin with `prefix`, sorted, from `start` on."""


class _MemoryObject(NamedTuple):
    content: bytes
    generation: int
    expires_at: int | None


class ProcessMemory(msgspec.Struct):
    """State of the stores between requests; one for the process."""

    objects: dict[tuple[str, str], _MemoryObject] = msgspec.field(default_factory=dict)
    deleted: dict[str, None] = msgspec.field(default_factory=dict)
    size: int = 0
    failed_at: float | None = None
    lock: threading.Lock = msgspec.field(default_factory=threading.Lock)
    generations: Iterator[int] = msgspec.field(default_factory=lambda: itertools.count(1))


MEMORY: Final = ProcessMemory()
MAX_DELETED: Final = 10_000


class MemoryStore:
    """Objects in the memory of this process, lost when it ends."""

    def __init__(self, memory: ProcessMemory, owner: str) -> None:
        self._memory = memory
        self._owner = owner

    def get(self, name: str) -> StoredObject | None:
        """Return an object, None if there is none or it has expired."""
        stored = self._memory.objects.get((self._owner, name))
        if stored is None or (stored.expires_at is not None and stored.expires_at < time.time()):
            return None
        return StoredObject(stored.content, stored.generation)

    def put(self, name: str, content: bytes, expires_at: int | None, generation: int | None = None) -> None:
        """Write an object; raises `Conflict`."""
        key = (self._owner, name)
        with self._memory.lock:
            existing = self._memory.objects.get(key)
            if generation is not None and generation != (existing.generation if existing else 0):
                raise errors.Conflict("The object was changed by another request.")
            self._remove(key)
            self._memory.objects[key] = _MemoryObject(content, next(self._memory.generations), expires_at)
            self._memory.size += len(content)
            while self._memory.size > MAX_MEMORY_BYTES:
                self._remove(next(iter(self._memory.objects)))

    def delete(self, name: str) -> bool:
        """Delete an object; returns whether there was one."""
        with self._memory.lock:
            return self._remove((self._owner, name))

    def _remove(self, key: tuple[str, str]) -> bool:
        stored = self._memory.objects.pop(key, None)
        self._memory.size -= len(stored.content) if stored else 0
        return stored is not None

    def names(self, prefix: str, start: str = "") -> Iterator[str]:
        """Yield the names that begin with `prefix`, sorted, from `start` on."""
        with self._memory.lock:
            names = [name for owner, name in self._memory.objects if owner == self._owner]
        return iter(sorted(name for name in names if name.startswith(prefix) and name >= start))


class BucketStore:
    """Objects in the caller's folder of the bucket."""

    def __init__(self, context: RequestContext) -> None:
        self._bucket = Bucket(context)

    def get(self, name: str) -> StoredObject | None:
        """Return an object, None if there is none."""
        try:
            return StoredObject(*self._bucket.read_with_generation(self._bucket.target(name)))
        except errors.NotFound:
            return None

    def put(self, name: str, content: bytes, expires_at: int | None, generation: int | None = None) -> None:
        """Write an object in one call; raises `Conflict`."""
        self._bucket.insert(self._bucket.target(name), content, expires_at, generation)

    def delete(self, name: str) -> bool:
        """Delete an object; returns whether there was one."""
        try:
            self._bucket.delete(self._bucket.target(name))
        except errors.NotFound:
            return False
        return True

    def names(self, prefix: str, start: str = "") -> Iterator[str]:
        """Yield the names that begin with `prefix`, sorted, from `start` on."""
        for resource in self._bucket.list(prefix, start):
            yield self._bucket.resource_name(resource)


def open_store(context: RequestContext) -> ObjectStore | None:
    """Return the caller's store, None if the settings have none."""
    match context.settings.store:
        case "memory":
            return MemoryStore(MEMORY, context.owner)
        case "bucket" if context.settings.bucket:
            return BucketStore(context)
    return None


def store_for_writing(context: RequestContext) -> ObjectStore | None:
    """Return the caller's store, for writes after the client has its response and may have left."""
    return open_store(replace(context, client=ClientConnection()))


def get_written(store: ObjectStore, name: str, token: str) -> StoredObject | None:
    """Return an object, which another request may be writing; None if there is none."""
    deadline = time.monotonic() + WRITE_SECONDS
    wait = _FIRST_POLL_SECONDS
    while (stored := store.get(name)) is None:
        if name in MEMORY.deleted or token_age(token) > MAX_REQUEST_SECONDS or time.monotonic() > deadline:
            return None
        time.sleep(wait)
        wait *= 2
    return stored


def delete(store: ObjectStore, name: str) -> bool:
    """Delete an object and remember that; returns whether there was one."""
    existed = store.delete(name)
    MEMORY.deleted[name] = None
    while len(MEMORY.deleted) > MAX_DELETED:
        MEMORY.deleted.pop(next(iter(MEMORY.deleted)), None)
    return existed


def note_failure(name: str, error: errors.ApiError) -> None:
    """Log that something could not be stored, and remember it for `headers`."""
    MEMORY.failed_at = time.monotonic()
    _log.error("%s could not be stored: %s", name, error.message)


def note_success() -> None:
    """Remember that the store works."""
    MEMORY.failed_at = None


def headers() -> dict[str, str]:
    """Return the header that says that objects could not be stored a moment ago."""
    failed_at = MEMORY.failed_at
    failing = failed_at is not None and time.monotonic() - failed_at < FAILURE_SECONDS
    return {"x-vertex-compat-store": "failing"} if failing else {}
