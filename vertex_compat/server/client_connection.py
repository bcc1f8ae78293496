"""Whoever waits for our answer, as a socket that may hang up."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from typing import Final

from vertex_compat import errors

_HANGUP: Final[int] = getattr(select, "POLLRDHUP", 0)  # Linux; elsewhere a departure shows at the next write


class ClientDisconnected(Exception):
    """Nobody waits for the answer any more."""


class ClientConnection:
    """Whoever waits for our answer, seen as a socket that may hang up.

    `request` is the id of its request. `calls` gets, for each call that is made for it, the name that was
    given to it upstream, or "". `ending` is a descriptor that becomes readable when nobody can wait longer.
    """

    __slots__ = ("_ending", "_fd", "calls", "request")

    def __init__(
        self,
        sock: socket.socket | None = None,
        request: str = "",
        calls: list[str] | None = None,
        ending: int = -1,
    ) -> None:
        self._fd = sock.fileno() if sock is not None else -1
        self._ending = ending
        self.request = request
        self.calls = [] if calls is None else calls

    def watch(self, poll: select.poll) -> None:
        """Have `poll` wake up when the client leaves, or this process ends."""
        if self._fd >= 0:
            poll.register(self._fd, _HANGUP)
        if self._ending >= 0:
            poll.register(self._ending, select.POLLIN)

    def raise_if_closed(self, fired: Sequence[tuple[int, int]]) -> None:
        """Raise `ClientDisconnected`, or `Unavailable` at shutdown, if that is what `poll` has reported."""
        for fd, _ in fired:
            if fd == self._fd:
                raise ClientDisconnected
            if fd == self._ending:
                raise errors.Unavailable("This instance was shut down before the answer had ended.")

    def sleep(self, seconds: float) -> None:
        """Wait; raises `ClientDisconnected` as soon as the client leaves."""
        poll = select.poll()
        self.watch(poll)
        self.raise_if_closed(poll.poll(seconds * 1000))
