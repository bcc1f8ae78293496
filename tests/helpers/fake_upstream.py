"""A Vertex of raw bytes: what it says, and how it breaks off, is for each test to choose."""

import select
import socket
import struct
import threading
import urllib.request
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace

RESET = object()
CLOSE = object()
NEVER = 30.0  # seconds of silence; a client that leaves ends it

SSE = "text/event-stream"
JSON = "application/json"


class Upstream:
    """Answers each call with the steps that were queued, else with those of `otherwise`.

    Steps are bytes, seconds of silence, RESET or CLOSE; without one of the last two the connection lasts.
    `calls` counts the calls, `busy` those whose answer is on its way.
    """

    def __init__(self):
        self.plays = deque()
        self.otherwise = [CLOSE]
        self.calls = 0
        self.busy = 0
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def idle(self, timeout=2.0):
        """Return whether every answer has ended, or will end soon."""
        with self._changed:
            return self._changed.wait_for(lambda: self.busy == 0, timeout)

    def wait_for_connections(self, count, timeout=5.0):
        """Wait for so many answers to be on their way."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.busy == count, timeout)

    def _accept(self):
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line):
        with line, suppress(OSError):
            while _request(line):
                with self._changed:
                    self.calls += 1
                    self.busy += 1
                    steps = self.plays.popleft() if self.plays else self.otherwise
                lasts = False
                try:
                    lasts = self._play(line, steps)
                finally:
                    if not lasts:
                        line.close()
                    with self._changed:
                        self.busy -= 1
                        self._changed.notify_all()
                if not lasts:
                    return

    def _play(self, line, steps):
        with self._changed:
            self._changed.notify_all()
        for step in steps:
            if step is RESET:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            if step is CLOSE:
                return False
            if isinstance(step, float):
                if select.select([line], [], [], step)[0]:
                    return False  # nothing more was to come: the other side has left
            else:
                line.sendall(step)
        return True


def _request(line):
    """Read one request; whether there was one."""
    read = b""
    while b"\r\n\r\n" not in read:
        block = line.recv(65536)
        if not block:
            return False
        read += block
    head, _, body = read.partition(b"\r\n\r\n")
    length = next(
        int(field.partition(b":")[2])
        for field in head.split(b"\r\n")
        if field.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        block = line.recv(65536)
        if not block:
            return False
        body += block
    return True


# What is said


@dataclass(frozen=True)
class CannedResponse:
    """An answer before it is bytes on a wire; in a stream every block is an event."""

    blocks: tuple[bytes, ...]
    content_type: str
    status: str = "200 OK"
    headers: tuple[str, ...] = ()

    @property
    def head(self):
        lines = [f"HTTP/1.1 {self.status}", f"Content-Type: {self.content_type}", *self.headers]
        return "\r\n".join(lines).encode() + b"\r\n"

    @property
    def opening(self):
        """Status line and headers of an answer in chunks."""
        return self.head + b"Transfer-Encoding: chunked\r\n\r\n"

    def steps(self):
        return [self.opening, *map(chunk, self.blocks), b"0\r\n\r\n"]

    def but(self, *blocks, **changes):
        return replace(self, blocks=tuple(blocks) or self.blocks, **changes)


def chunk(block):
    return b"%x\r\n%s\r\n" % (len(block), block)


def emulator_response(call, url):
    """Return the emulator's response to a recorded call, as events or whole."""
    query = "&".join(f"{name}={value}" for name, value in call.query.items())
    headers = {name: call.headers[name] for name in ("authorization", "content-type")}
    request = urllib.request.Request(f"{url}{call.path}?{query}", call.body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = answer.read()
        content_type = answer.headers["Content-Type"].partition(";")[0]
    if content_type != SSE:
        return CannedResponse((body,), content_type)
    blank = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    return CannedResponse(tuple(event + blank for event in body.split(blank) if event), SSE)
