"""The limit of requests that run at the same time.

One more is refused, while a thread is left to say so. The server has a few more threads than the limiter has
slots (`RESERVE_THREADS`). They refuse requests and answer probes; without them a request beyond the limit
would wait unanswered until its client gives up.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import errors

RESERVE_THREADS: Final = 8
"""Threads beyond the slots."""

SWITCH_INTERVAL_SECONDS: Final = 0.05
"""For `sys.setswitchinterval`: how long a thread that only computes may keep the others waiting.

A thread that waits for the interpreter's lock wakes up once in this interval. With Python's 5 ms and 900
streams that a burst has delayed, these wake-ups take a whole core: 62 context switches a chunk instead of 3,
and the streams never catch up (`tests/benchmark`). Our threads seldom compute for longer than this, and give
up the lock whenever they read or write.
"""


class Slot:
    """The right of one request to run. Released by `release`, or when it is garbage-collected."""

    __slots__ = ("_free",)

    def __init__(self, free: list[None]) -> None:
        self._free: list[None] | None = free

    def release(self) -> None:
        """Make the slot free again. A second call changes nothing."""
        free, self._free = self._free, None
        if free is not None:
            free.append(None)

    __del__ = release


class ConcurrencyLimiter:
    """All slots. One object for the process."""

    def __init__(self, count: int) -> None:
        self._free: list[None] = [None] * count  # popping and appending need no lock

    def try_acquire(self) -> Slot | None:
        """Return a slot, None if there is none."""
        try:
            self._free.pop()
        except IndexError:
            return None
        return Slot(self._free)

    def free(self) -> int:
        """Return the number of free slots."""
        return len(self._free)


def busy() -> errors.RateLimited:
    """Return the error for a request beyond the limit."""
    return errors.RateLimited(
        "This instance runs as many requests as it accepts. Try again in a moment.",
        code="instance_busy",
        headers={"Retry-After": "1", "x-should-retry": "true"},
    )
