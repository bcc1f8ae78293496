"""The store of the counts that the settings choose."""

from __future__ import annotations

from vertex_compat.limits.memory_store import MemoryLimitStore
from vertex_compat.limits.quota import LimitStore


def open_store(redis_url: str | None) -> LimitStore:
    """Return the store at a URL, or one in memory.

    No connection is made before the first request.
    """
    if redis_url is None:
        return MemoryLimitStore()
    from vertex_compat.limits.redis_store import RedisLimitStore  # noqa: PLC0415  (an optional dependency)

    return RedisLimitStore(redis_url)
