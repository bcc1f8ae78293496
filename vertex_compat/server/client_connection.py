"""The client's connection, watched for its end while a request waits for Vertex AI."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from vertex_compat import errors
from vertex_compat.server.polling import HANGUP, READABLE, Poller, new_poller


class ClientDisconnected(Exception):
    """The client has closed its connection before the response ended."""


class ClientConnection:
    """The connection of one client.

    `sock` is its socket, where the server gives access to it. `request` is the id of its request. `calls`
    gets, for each upstream call that is made for it, the upstream's id of that call, or "". `shutdown` is a
    descriptor that becomes readable when the process is about to end.
    """

    __slots__ = ("_fd", "_shutdown", "calls", "request")

    def __init__(
        self,
        sock: socket.socket | None = None,
        request: str = "",
        calls: list[str] | None = None,
        shutdown: int = -1,
    ) -> None:
        self._fd = sock.fileno() if sock is not None else -1
        self._shutdown = shutdown
        self.request = request
        self.calls = [] if calls is None else calls

    def register(self, poller: Poller) -> None:
        """Let a poller report that the client disconnects, or that the process is about to end."""
        if self._fd >= 0:
            poller.register(self._fd, HANGUP)
        if self._shutdown >= 0:
            poller.register(self._shutdown, READABLE)

    def raise_if_closed(self, events: Sequence[tuple[int, int]]) -> None:
        """Raise `ClientDisconnected`, or `Unavailable` at shutdown, if the `events` report it."""
        for fd, _ in events:
            if fd == self._fd:
                raise ClientDisconnected
            if fd == self._shutdown:
                raise errors.Unavailable(
                    "This instance was shut down before the response was complete. Send the request again."
                )

    def sleep(self, seconds: float) -> None:
        """Wait; raises `ClientDisconnected` as soon as the client disconnects."""
        poller = new_poller()
        self.register(poller)
        self.raise_if_closed(poller.poll(seconds * 1000))
