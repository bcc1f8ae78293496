"""The bytes that requests hold in memory at the same time, and their limit for the process.

A request's body, its linked files and their translations are in memory together. That is about four times the
bytes that are counted here, so the default limit is a quarter of what the container's limit leaves.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from vertex_compat import errors
from vertex_compat.config.settings import Settings
from vertex_compat.server.capacity.large_blocks import map_large_blocks

RESERVED: Final = 192 * 1024 * 1024
"""Bytes of the process itself: the idle function, its threads and their streams."""

LARGE_REQUEST: Final = 256 * 1024
"""Bytes of a request from which on memory is returned to the system as `large_blocks` describes."""

COPIES: Final = 4
"""Highest number of copies of a request's bytes in memory."""

CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Files with a container's memory limit: cgroup v2 and v1."""


class MemoryBudget:
    """The limit of all requests of the process, in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._reserved = 0
        self._lock = threading.Lock()

    @staticmethod
    def from_settings(settings: Settings) -> MemoryBudget:
        """Return the budget of the settings; one request of the largest size always fits in."""
        return MemoryBudget(settings.memory_budget or max(default_limit(), settings.max_body))

    def hold(self, size: int) -> None:
        """Count bytes; raises `RateLimited` if the limit would be exceeded."""
        with self._lock:
            if self._reserved + size > self.limit:
                raise errors.RateLimited(
                    "The requests of this instance use all memory that they may use. Try again in a moment.",
                    code="instance_busy",
                    headers={"Retry-After": "1", "x-should-retry": "true"},
                )
            self._reserved += size

    def release(self, size: int) -> None:
        """Count bytes no longer."""
        with self._lock:
            self._reserved -= size


class HeldMemory:
    """The bytes that one request holds. Released by `release`, at the end of the request."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._size = 0

    def add(self, size: int) -> None:
        """Count more bytes; raises `RateLimited`."""
        if size >= LARGE_REQUEST:
            map_large_blocks()
        self._budget.hold(size)
        self._size += size

    def release_half(self) -> None:
        """Count half of the bytes: after a stream has begun, only the translated request remains."""
        half = self._size // 2
        self._size -= half
        self._budget.release(half)

    def release(self) -> None:
        """Count the request's bytes no longer. A second call changes nothing."""
        size, self._size = self._size, 0
        if size:
            self._budget.release(size)


def default_limit(workers: int = 1) -> int:
    """Return the limit for one of `workers` processes, in bytes, by the container's memory."""
    return max(0, memory_limit() // workers - RESERVED) // COPIES


def memory_limit(files: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    """Return the memory limit of the container, else the memory of the machine, in bytes."""
    limits = [_physical_memory()]
    for file in files:
        with suppress(OSError, ValueError):  # "max" is no number
            limits.append(int(file.read_text()))
    return min(limits)


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 2**33
