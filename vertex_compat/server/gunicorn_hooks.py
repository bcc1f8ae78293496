"""The server around the function, gunicorn: how it stops, and for whom it does not wait.

Cloud Run kills an instance 10 s after it has sent SIGTERM. Left alone, gunicorn waits for 30 s, so every
answer that takes longer just breaks off. Here what can end in time ends whole; at `GRACE` those that still
wait for Vertex are woken up through a descriptor (`ending`), and tell their clients.

functions-framework hands no settings of gunicorn's on, so they are changed where gunicorn keeps its defaults,
in the process that loads `main` and forks the workers.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import struct
from types import FrameType
from typing import Any, Final

GRACE: Final = 7.5
"""Seconds after SIGTERM at which answers that have not ended are broken off with an error."""

KILL: Final = 9
"""Seconds after SIGTERM at which gunicorn kills what still runs."""

KEPT: Final = 10
"""Seconds for which an idle connection is kept: longer than the SDKs keep theirs (4 to 5), so that a request
does not meet a connection that we are closing. gunicorn's own 2 would."""

STUCK: Final = 60.0
"""Seconds, at most, for which a client may take nothing of what is sent to it."""

AHEAD: Final = 1 << 19
"""Bytes that the kernel keeps for a client that reads slowly; Linux makes it twice as much."""

_BACKLOG: Final = 2048
"""Connections that the kernel keeps for us at most: gunicorn's default."""


class GunicornHooks:
    """What the function has to do with its server. One for the process."""

    def __init__(self, patience: float = STUCK) -> None:
        self._stuck = min(patience, STUCK)
        self.ending = -1
        """A descriptor, readable when nobody may wait any longer; -1 where there is no gunicorn."""

    def prepare(self) -> None:
        """Have the workers of this process tell us of their beginning and their end."""
        try:
            from gunicorn import config  # noqa: PLC0415  (not on Windows, where functions-framework has none)
        except ImportError:
            return
        config.GracefulTimeout.default = KILL
        config.Keepalive.default = KEPT
        if hasattr(config, "ControlSocketDisable"):  # from 25.1 on
            config.ControlSocketDisable.default = True  # a way in that nobody uses, and asyncio for it
        config.WhenReady.default = staticmethod(self.bound)
        config.PostWorkerInit.default = staticmethod(self.begin)

    def bound(self, arbiter: Any) -> None:
        """Bound what a client may take of us; called when the port is open, before there is a worker.

        Connections have what their listener has, and the first one may come before the worker does.
        """
        for listener in arbiter.LISTENERS:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, AHEAD)
            _forget_the_stuck(listener, self._stuck)

    def begin(self, worker: Any) -> None:
        """Attend to a gunicorn worker that has just begun; called in its main thread."""
        self.ending, told = os.pipe()

        def terminate(signum: int, frame: FrameType | None) -> None:
            signal.setitimer(signal.ITIMER_REAL, GRACE)
            if hasattr(worker, "method_queue"):
                worker.method_queue.defer(_stop, worker)  # in its loop, which a signal may have interrupted
            else:  # another kind of worker, or one of an older gunicorn
                worker.handle_exit(signum, frame)

        logging.getLogger("gunicorn.error").addFilter(_is_news)
        signal.signal(signal.SIGALRM, lambda *_: os.write(told, b"\0"))
        signal.signal(signal.SIGTERM, terminate)


def _forget_the_stuck(listener: socket.socket, seconds: float) -> None:
    """Have the kernel end a write of which the other side takes nothing for so long."""
    timeval = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)


def _is_news(line: logging.LogRecord) -> bool:
    """Not where gunicorn shows all its frames for a client that has been given up."""
    return not (line.exc_info and isinstance(line.exc_info[1], BlockingIOError))


def _stop(worker: Any) -> None:
    """Take the connections that the kernel has taken for us, then no more, and let the worker end."""
    for listener in worker.sockets:
        waiting = select.poll()
        waiting.register(listener, select.POLLIN)
        for _ in range(_BACKLOG):
            if not waiting.poll(0):
                break
            worker.accept(listener)
    worker.set_accept_enabled(False)
    for listener in worker.sockets:
        listener.close()  # who connects now is refused at once, not dropped at the end
    worker.handle_exit(signal.SIGTERM, None)
