"""The connections to Vertex: urllib3's, which wait with an eye on the client, and cost little.

`response_class` and `send` are what `http.client` and urllib3 let be replaced. Through the one, a thread that
waits for an answer hears of its client's departure too, and reads the answer's head itself: `http.client`
has it read as if it were an e-mail, which is a quarter of what a call costs.
"""

from __future__ import annotations

import http.client
import re
import select
import socket
import ssl
import struct
import threading
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import certifi
import urllib3
import urllib3.connection
import urllib3.exceptions
import urllib3.util

from vertex_compat import errors
from vertex_compat.server.client_connection import ClientConnection

WOULD_BLOCK: Final = (BlockingIOError, ssl.SSLWantReadError)
"""A socket that does not wait has nothing to read."""

POLL_SECONDS: Final = 0.5
"""Seconds, at most, for which a read of a socket that the kernel makes wait does so."""

TOGETHER: Final = 65_536
"""Bytes of a body up to which it is sent in one write with its head. A larger one is sent in pieces of that
size: a write's time limit is for all that it is given, and a slow line would not get all through in time."""

MAX_HOSTS: Final = 64
"""Of so many hosts connections are kept; there is one a location."""

_MAX_HEAD_BYTES: Final = 65_536  # bytes of a head
_STATUS: Final = re.compile(rb"HTTP/1\.(\d) ([1-9]\d\d)(?: (.*))?")
_BODILESS: Final = frozenset({204, 304})
_OPTIONS: Final = [
    *urllib3.connection.HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(POLL_SECONDS * 1_000_000))),
]

_waiting = threading.local()


def wait_for(client: ClientConnection, seconds: float) -> None:
    """For whom this thread's next call waits, and how long: urllib3 has no way to hand that on."""
    _waiting.client, _waiting.seconds = client, seconds


class _Headers(http.client.HTTPMessage):
    """Headers that are as they came, without what an e-mail's would go through."""

    def items(self) -> list[tuple[str, str]]:
        return [*self.raw_items()]

    def get(self, name: str, failobj: Any = None) -> Any:
        name = name.lower()
        return next((value for key, value in self.raw_items() if key.lower() == name), failobj)


class PooledResponse(http.client.HTTPResponse):
    """http.client's, which waits for its head with an eye on the client, and reads it at a glance."""

    fp: Any  # a buffered reader
    chunked: bool
    length: int | None
    will_close: bool

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.socket = sock

    def begin(self) -> None:
        """Read the head; raises `http.client`'s errors, `ClientGone`, `DeadlineExceeded`."""
        self.socket.settimeout(0)
        try:
            head = self._head()
            while head.startswith(b"HTTP/1.1 1"):  # another one follows
                head = self._lines()
        except TimeoutError as error:
            raise errors.DeadlineExceeded("Vertex AI did not answer in time.") from error
        first, *lines = head.splitlines()
        if not (line := _STATUS.fullmatch(first)):
            raise http.client.BadStatusLine(repr(first[:100]))
        self.version = 10 if line[1] == b"0" else 11
        self.code = self.status = int(line[2])
        self.reason = (line[3] or b"").decode("iso-8859-1").strip()
        self.headers = self.msg = headers = _parsed(lines)
        self.chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        length = headers.get("Content-Length", "")
        self.length = int(length) if length.isdecimal() and not self.chunked else None
        if self.status in _BODILESS:
            self.length = 0
        said = headers.get("Connection", "").lower()
        keeps = "keep-alive" in said if self.version == 10 else "close" not in said
        self.will_close = not keeps or (self.length is None and not self.chunked)

    def _head(self) -> bytes:
        """What comes first, when it comes, to its blank line."""
        come = self._peek()
        if not come:
            raise http.client.RemoteDisconnected("It closed the connection without an answer.")
        end = come.find(b"\n\r\n")
        if end < 0 or b"\n\n" in come[:end]:
            return self._lines()
        return bytes(self.fp.read(end + 3))

    def _lines(self) -> bytes:
        """The same, where it has not come in one piece."""
        self.socket.settimeout(_waiting.seconds)
        lines: list[bytes] = []
        while not lines or lines[-1].strip():
            lines.append(self.fp.readline(_MAX_HEAD_BYTES))
            if not lines[-1].endswith(b"\n") or sum(map(len, lines)) > _MAX_HEAD_BYTES:
                raise http.client.HTTPException("The head of an answer broke off, or does not end.")
        return b"".join(lines)

    def _peek(self) -> bytes:
        """What can be read when something can. TLS has messages of its own, which are not of the answer."""
        client: ClientConnection = _waiting.client
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        client.watch(poll)
        while True:
            fired = poll.poll(_waiting.seconds * 1000)
            client.raise_if_closed(fired)
            if not fired:
                raise TimeoutError
            with suppress(*WOULD_BLOCK):
                return bytes(self.fp.peek(1))


def _parsed(lines: list[bytes]) -> _Headers:
    """The headers that lines hold; one that begins with a space goes on with the line before it."""
    found: list[tuple[str, str]] = []
    for line in lines:
        if not line:
            break
        text = line.decode("iso-8859-1")
        name, colon, value = text.partition(":")
        if text[0] in " \t" and found:
            name, begun = found.pop()
            value = f"{begun} {text.strip()}"
        elif not colon:
            raise http.client.HTTPException("A header of an answer has no value.")
        found.append((name, value.strip()))
    headers = _Headers()
    for name, value in found:
        headers.set_raw(name, value)
    return headers


class _OneWrite(urllib3.connection.HTTPConnection):
    """Sends a small body with its head, where urllib3 would make two writes, and so two packets, of them.

    A large one follows it in pieces.
    """

    _held: bytes | None = None

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        self._held = b"" if body and len(body) <= TOGETHER else None
        super().request(method, url, body, headers, **options)

    def send(self, data: Any) -> None:
        """`http.client` calls it once with the head and once with the body."""
        if self._held is None:
            with memoryview(data) as view:
                for at in range(0, len(view), TOGETHER):
                    super().send(view[at : at + TOGETHER])
        elif not self._held:
            self._held = data
        else:
            data, self._held = self._held + data, None
            super().send(data)


class _HTTPConnection(_OneWrite):
    response_class = PooledResponse


class _HTTPSConnection(_OneWrite, urllib3.connection.HTTPSConnection):
    response_class = PooledResponse


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class Pools:
    """Connections that are kept for the next call, at most `size` a host; `of(origin)` gives a host's.

    An origin is `https://host` or `http://host:port`. What urllib3's own manager does to find a pool again
    costs as much as all headers of a request.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        # One TLS context for all: its certificates are read once, and not again for each connection.
        self._context = ssl.create_default_context(cafile=certifi.where())
        self.of = lru_cache(maxsize=MAX_HOSTS)(self._new)

    def _new(self, origin: str) -> urllib3.HTTPConnectionPool:
        url = urllib3.util.parse_url(origin)
        if not url.host:
            raise urllib3.exceptions.LocationValueError("No host specified.")
        if url.scheme == "http":
            return _HTTPPool(url.host, url.port, maxsize=self._size, socket_options=_OPTIONS)
        return _HTTPSPool(
            url.host, url.port, maxsize=self._size, socket_options=_OPTIONS, ssl_context=self._context
        )
