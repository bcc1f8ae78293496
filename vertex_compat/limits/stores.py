"""The store of the counts that the settings choose."""

from __future__ import annotations

from vertex_compat.limits.memory_store import MemoryStore
from vertex_compat.limits.quota import Store


def open_store(redis_url: str | None) -> Store:
    """Return the store at a URL, or one in memory. No connection is made before the first request."""
    if redis_url is None:
        return MemoryStore()
    from vertex_compat.limits.redis_store import RedisStore  # noqa: PLC0415  (an optional dependency)

    return RedisStore(redis_url)
