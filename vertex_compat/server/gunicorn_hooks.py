"""gunicorn's settings and hooks: shutdown, timeouts, HTTP's limits, chunks of responses.

Cloud Run kills an instance 10 s after SIGTERM. gunicorn alone would wait for 30 s, and every longer response
would break off. Here responses that can end in time are sent to their end. At `GRACE_SECONDS` those that
still wait for Vertex AI are interrupted through a descriptor (`shutdown_fd`), and send their clients an
error.

functions-framework passes no settings on to gunicorn, so gunicorn's defaults are changed, in the process that
loads `main` and forks the workers. `tests/unit/test_library_internals.py` names all that is used here.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
from collections.abc import Callable
from functools import lru_cache
from types import FrameType
from typing import Any, Final

from vertex_compat.server.capacity.read_deadlines import ReadDeadlines
from vertex_compat.server.polling import READABLE, new_poller

GRACE_SECONDS: Final = 7.5
"""After SIGTERM: when incomplete responses are ended with an error."""

KILL_SECONDS: Final = 9
"""After SIGTERM: when gunicorn kills the threads that still run."""

KEEPALIVE_SECONDS: Final = 10
"""For an idle connection: longer than the SDKs keep theirs (4 to 5 s), so that no request meets its end."""

SEND_TIMEOUT_SECONDS: Final = 60.0
"""Longest time for which a client may read nothing."""

MAX_REQUEST_LINE_BYTES: Final = 8190
"""gunicorn's largest finite limit; functions-framework sets none."""

SEND_BUFFER_BYTES: Final = 1 << 19
"""The kernel's buffer for a client that reads slowly; Linux doubles it."""

_BACKLOG: Final = 2048  # connections that wait to be accepted, at most: gunicorn's default


class GunicornHooks:
    """Changes gunicorn's settings and handles its events. One object for the process."""

    def __init__(self, upstream_timeout: float = SEND_TIMEOUT_SECONDS, head_timeout: float = 10) -> None:
        self._send_timeout = min(upstream_timeout, SEND_TIMEOUT_SECONDS)
        self._head_timeout = head_timeout
        self.deadlines = ReadDeadlines()
        self.shutdown_fd = -1
        """A descriptor that is readable when requests have to end; -1 without gunicorn."""
        self.on_worker_start: Callable[[], None] | None = None
        """Called in each worker when it is about to accept connections."""

    def install(self) -> None:
        """Change the defaults of gunicorn's settings, if it is installed."""
        try:
            from gunicorn import config  # noqa: PLC0415  (not on Windows, where functions-framework has none)
        except ImportError:
            return
        config.GracefulTimeout.default = KILL_SECONDS
        config.Keepalive.default = KEEPALIVE_SECONDS
        if hasattr(config, "ControlSocketDisable"):  # from 25.1 on
            config.ControlSocketDisable.default = True  # unused, and it loads asyncio
        config.WhenReady.default = staticmethod(self.when_ready)
        config.PostWorkerInit.default = staticmethod(self.post_worker_init)

    def when_ready(self, arbiter: Any) -> None:
        """Set the limits of listening sockets for their connections; called before the fork."""
        if not arbiter.cfg.limit_request_line:
            arbiter.cfg.set("limit_request_line", MAX_REQUEST_LINE_BYTES)
        for listener in arbiter.LISTENERS:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            _set_send_timeout(listener, self._send_timeout)

    def post_worker_init(self, worker: Any) -> None:
        """Prepare a worker for its end; gunicorn calls it in the worker's main thread."""
        self.shutdown_fd, write_fd = os.pipe()

        def terminate(signum: int, frame: FrameType | None) -> None:
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
            if hasattr(worker, "method_queue"):
                worker.method_queue.defer(_stop, worker)  # runs in its loop, which a signal may interrupt
            else:  # sync workers
                worker.handle_exit(signum, frame)

        _install_chunk_writer()
        logging.getLogger("gunicorn.error").addFilter(_drop_timeout_tracebacks)
        signal.signal(signal.SIGALRM, lambda *_: os.write(write_fd, b"\0"))
        signal.signal(signal.SIGTERM, terminate)
        if hasattr(worker, "tpool"):
            self._limit_heads(worker)
        if self.on_worker_start:
            self.on_worker_start()

    def _limit_heads(self, worker: Any) -> None:
        """Set a deadline for each head.

        It ends when `take_over` is called, at the start of the function.
        """
        handle = worker.handle

        def handle_in_time(connection: Any) -> Any:
            with self.deadlines.limit(connection.sock, self._head_timeout):
                return handle(connection)

        worker.handle = handle_in_time

    def take_over(self, sock: socket.socket | None) -> None:
        """End the deadline of the head of a request: it has arrived."""
        if sock is not None:
            self.deadlines.stop(sock)


def _install_chunk_writer() -> None:
    """Let gunicorn write a chunk in one step.

    Its own steps cost twice as much (`tests/benchmark`).
    """
    from gunicorn.http import wsgi  # noqa: PLC0415  (as in `install`)

    class ChunkedResponse(wsgi.Response):  # type: ignore[misc]
        """gunicorn's response; all chunks but the first are written here."""

        def write(self, data: bytes) -> None:
            """Send bytes of the body."""
            if self.chunked and self.headers_sent and data:
                self.sent += len(data)
                self.sock.sendall(b"".join((_size_line(len(data)), data, b"\r\n")))
            else:
                super().write(data)

    wsgi.Response = ChunkedResponse


@lru_cache(maxsize=1024)
def _size_line(size: int) -> bytes:
    """Return the line before a chunk of `size` bytes."""
    return b"%X\r\n" % size


def _set_send_timeout(listener: socket.socket, seconds: float) -> None:
    """Let the kernel end a write if the peer reads nothing for `seconds`."""
    timeval = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)


def _drop_timeout_tracebacks(record: logging.LogRecord) -> bool:
    """Return False for the traceback of a client that did not read, which gunicorn logs."""
    return not (record.exc_info and isinstance(record.exc_info[1], BlockingIOError))


def _stop(worker: Any) -> None:
    """Accept the connections that wait in the kernel, then no more, and let the worker end."""
    for listener in worker.sockets:
        poller = new_poller()
        poller.register(listener.fileno(), READABLE)
        for _ in range(_BACKLOG):
            if not poller.poll(0):
                break
            worker.accept(listener)
    worker.set_accept_enabled(False)
    for listener in worker.sockets:
        listener.close()  # later clients are refused immediately, not dropped at the end
    worker.handle_exit(signal.SIGTERM, None)
