"""Deadlines for what clients send; at a deadline, a socket's reading side is shut down.

A socket's own timeout begins anew with each byte, so a client that sends a byte now and then could hold a
thread for hours.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

CHECK_INTERVAL_SECONDS: Final = 0.5


class ReadDeadlines:
    """The sockets that are being read. A thread shuts down those whose time is over."""

    def __init__(self) -> None:
        self._deadlines: dict[socket.socket, float] = {}  # changed and copied in one step each: no lock
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, sock: socket.socket | None, seconds: float) -> Iterator[None]:
        """After `seconds`, let reads of a socket see its end. What is written to it still arrives."""
        if sock is None:
            yield
            return
        self.start(sock, seconds)
        try:
            yield
        finally:
            self.stop(sock)

    def start(self, sock: socket.socket, seconds: float) -> None:
        """Set a socket's deadline."""
        self._deadlines[sock] = time.monotonic() + seconds
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="read deadlines", daemon=True)
            self._thread.start()

    def stop(self, sock: socket.socket) -> None:
        """Remove a socket's deadline, if it has one."""
        self._deadlines.pop(sock, None)

    def _run(self) -> None:
        while True:
            time.sleep(CHECK_INTERVAL_SECONDS)
            now = time.monotonic()
            for sock, deadline in list(self._deadlines.items()):
                if deadline <= now and self._deadlines.pop(sock, 0):
                    with suppress(OSError):  # closed in the meantime
                        sock.shutdown(socket.SHUT_RD)
