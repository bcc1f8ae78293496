"""How many requests run at once: one more is refused while the server can still say so.

The server has a few threads more than there are places (`SPARE`). They say no, and answer probes; without
them a request too many would wait, unseen and unanswered, until its client gives up.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import errors

SPARE: Final = 8
"""Threads beyond the places."""


class Place:
    """Taken by one request. It is free again when it is given up, or at the latest when nobody knows it."""

    __slots__ = ("_free",)

    def __init__(self, free: list[None]) -> None:
        self._free: list[None] | None = free

    def leave(self) -> None:
        """Give it up. A second time changes nothing."""
        free, self._free = self._free, None
        if free is not None:
            free.append(None)

    __del__ = leave


class Places:
    """All of them. One for the process."""

    def __init__(self, count: int) -> None:
        self._free: list[None] = [None] * count  # taking from a list and adding to it need no lock

    def take(self) -> Place | None:
        """A place, None if there is none."""
        try:
            self._free.pop()
        except IndexError:
            return None
        return Place(self._free)


def busy() -> errors.RateLimited:
    """What the request too many is told."""
    return errors.RateLimited(
        "This instance is busy with as many requests as it takes. Try again in a moment.",
        code="instance_busy",
        headers={"Retry-After": "1", "x-should-retry": "true"},
    )
