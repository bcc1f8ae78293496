"""Limit of the requests that run at once. One more is refused while a thread is left to say so.

The server has a few more threads than the limiter has slots (`RESERVE_THREADS`). They refuse requests and
answer probes; without them a request beyond the limit would wait unanswered until its client gives up.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import errors

RESERVE_THREADS: Final = 8
"""Threads beyond the places."""

SWITCH_INTERVAL_SECONDS: Final = 0.05
"""Seconds for which a thread that only computes may keep the others waiting, for `sys.setswitchinterval`.

Each thread that waits for its turn looks at the clock so often. With Python's 5 ms and 900 streams that a
burst has held up for a moment, the looking takes the whole core: 62 context switches a chunk where it need
be 3, and the streams never catch up again (`tests/benchmark`). Ours seldom compute for longer than this, and
hand their turn on whenever they read or write.
"""


class Slot:
    """Taken by one request. It is free again when it is given up, or at the latest when nobody knows it."""

    __slots__ = ("_free",)

    def __init__(self, free: list[None]) -> None:
        self._free: list[None] | None = free

    def release(self) -> None:
        """Give it up. A second time changes nothing."""
        free, self._free = self._free, None
        if free is not None:
            free.append(None)

    __del__ = release


class ConcurrencyLimiter:
    """All of them. One for the process."""

    def __init__(self, count: int) -> None:
        self._free: list[None] = [None] * count  # taking from a list and adding to it need no lock

    def try_acquire(self) -> Slot | None:
        """A place, None if there is none."""
        try:
            self._free.pop()
        except IndexError:
            return None
        return Slot(self._free)


def busy() -> errors.RateLimited:
    """What the request too many is told."""
    return errors.RateLimited(
        "This instance is busy with as many requests as it takes. Try again in a moment.",
        code="instance_busy",
        headers={"Retry-After": "1", "x-should-retry": "true"},
    )
