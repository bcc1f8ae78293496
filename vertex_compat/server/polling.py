"""Waiting for several sockets at the same time, on every operating system."""

from __future__ import annotations

import select
from typing import Final, Protocol

READABLE: Final[int] = getattr(select, "POLLIN", 1)

HANGUP: Final[int] = getattr(select, "POLLRDHUP", 0)
"""The event of a peer that has closed its side. Only Linux reports it; 0 elsewhere."""


class Poller(Protocol):
    """The part of `select.poll` that this package uses."""

    def register(self, fd: int, eventmask: int) -> None:
        """Watch a descriptor for events."""

    def unregister(self, fd: int) -> None:
        """Stop watching a descriptor."""

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """Wait up to `timeout` milliseconds; return the descriptors that have events."""


class SelectPoller:
    """A `Poller` by `select.select`, for Windows. It only reports descriptors that are readable."""

    def __init__(self) -> None:
        self._fds: set[int] = set()

    def register(self, fd: int, eventmask: int) -> None:
        """Watch a descriptor. A mask without `READABLE` is ignored."""
        if eventmask & READABLE:
            self._fds.add(fd)

    def unregister(self, fd: int) -> None:
        """Stop watching a descriptor."""
        self._fds.discard(fd)

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """Wait up to `timeout` milliseconds; return the descriptors that are readable."""
        readable, _, _ = select.select(self._fds, [], [], timeout / 1000)
        return [(fd, READABLE) for fd in readable]


def new_poller() -> Poller:
    """Return a poller of the best kind that the operating system has."""
    return select.poll() if hasattr(select, "poll") else SelectPoller()
