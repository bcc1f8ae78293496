"""Connections to Google's hosts, kept alive between calls, direct or through a proxy.

`http.client` connects, sends, and parses the head of the response. The pools of urllib3 and requests have no
way to hand the client's connection on to a call that waits for its response.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import struct
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from http.client import HTTPConnection
from typing import Any, Final, cast
from urllib.parse import SplitResult, urlsplit

from vertex_compat import errors
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.server.polling import READABLE, new_poller
from vertex_compat.upstream.network import Network

WOULD_BLOCK: Final = (BlockingIOError, ssl.SSLWantReadError)
"""Exceptions of a read from a non-blocking socket without bytes."""

CONNECT_TIMEOUT_SECONDS: Final = 5.0
"""For a connection, and for each write of at most `MAX_SINGLE_WRITE` bytes."""

POLL_INTERVAL_SECONDS: Final = 0.5
"""The longest time that a blocking read of a socket takes."""

MAX_SINGLE_WRITE: Final = 65_536
"""Bytes. A larger body is sent in pieces of this size, since a timeout applies to each write."""

MAX_HOSTS: Final = 64
"""Hosts whose connections are kept; each location of Vertex AI has one."""

BLOCKING_READS: Final = sys.platform != "win32" and hasattr(os, "set_blocking")
"""True if a socket's descriptor can block while Python treats the socket as non-blocking."""

_RECEIVE_TIMEOUT: Final = struct.pack("ll", 0, int(POLL_INTERVAL_SECONDS * 1_000_000))

_SOCKET_OPTIONS: Final[list[tuple[int, int, int | bytes]]] = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    *([(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _RECEIVE_TIMEOUT)] if BLOCKING_READS else []),
]


class InterruptibleResponse(http.client.HTTPResponse):
    """http.client's response, whose `begin` also waits for the client's departure.

    `fp` is the buffered reader that the head is read from; `sock` is the socket below it.
    """

    fp: Any
    chunked: bool
    length: int | None
    will_close: bool
    headers: Any
    msg: Any

    def __init__(
        self, sock: socket.socket, *, client: ClientConnection, timeout: float, method: str | None = None
    ) -> None:
        super().__init__(sock, method=method)
        self.sock = sock
        self._client = client
        self._timeout = timeout

    def begin(self) -> None:
        """Read the head; raises `http.client`'s errors, `ClientDisconnected`, `DeadlineExceeded`."""
        try:
            self._wait()
            self.sock.settimeout(self._timeout)
            super().begin()
            while self.status < http.client.OK:  # an informational response; the final one follows
                self.headers = self.msg = None
                super().begin()
        except TimeoutError as error:
            raise errors.DeadlineExceeded("Vertex AI did not answer in time.") from error

    def _wait(self) -> None:
        """Wait for the first byte. TLS messages that carry no data also make the socket readable."""
        self.sock.settimeout(0)
        poller = new_poller()
        poller.register(self.sock.fileno(), READABLE)
        self._client.register(poller)
        while True:
            events = poller.poll(self._timeout * 1000)
            self._client.raise_if_closed(events)
            if not events:
                raise TimeoutError
            with suppress(*WOULD_BLOCK):
                self.fp.peek(1)  # at the end of the stream too; `begin` finds that
                return


class ConnectionPool:
    """Idle connections to one origin, at most `size`; the one that was used last is used first."""

    def __init__(self, origin: str, size: int, network: Network) -> None:
        self._idle: list[HTTPConnection] = []  # appending to it and popping need no lock
        self._url = _origin(origin)
        self._size = size
        self._network = network
        self._proxy = network.proxy_for(origin)
        # Not `__del__`: in a reference cycle, it may run after that of the sockets.
        weakref.finalize(self, _close_all, self._idle).atexit = False

    def request(
        self,
        method: str,
        target: str,
        body: bytes,
        headers: Mapping[str, str],
        client: ClientConnection,
        timeout: float,
    ) -> tuple[HTTPConnection, InterruptibleResponse]:
        """Send a request and read the head of its response; `target` is the path and the query.

        `timeout` is how many seconds the upstream may be silent. The connection belongs to the caller, who
        returns it by `release` or closes it. Raises `OSError`, `HTTPException`, `ClientDisconnected`,
        `DeadlineExceeded`.
        """
        if self._proxy and self._url.scheme == "http":
            target, headers = f"{self._url.geturl()}{target}", {**headers, **self._proxy.headers}
        connection = self._acquire()
        try:
            if connection.sock is None:
                self._connect(connection)
            _send(connection, method, target, body, headers)
            return connection, _receive(connection, client, timeout)
        except BaseException:
            connection.close()
            raise

    def release(self, connection: HTTPConnection) -> None:
        """Keep a connection whose response has been read to its end for the next request."""
        if len(self._idle) < self._size:
            self._idle.append(connection)
        else:
            connection.close()

    def _acquire(self) -> HTTPConnection:
        """Return an idle connection that is still open, else a new one, not yet connected."""
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection = self._idle.pop()
                if _is_open(connection.sock):
                    return connection
                connection.close()
        return self._new()

    def _new(self) -> HTTPConnection:
        if self._proxy:
            return self._network.proxied_connection(
                self._proxy, self._url, timeout=CONNECT_TIMEOUT_SECONDS, socket_options=_SOCKET_OPTIONS
            )
        return self._network.connection(self._url, CONNECT_TIMEOUT_SECONDS)

    def _connect(self, connection: HTTPConnection) -> None:
        connection.connect()
        if not self._proxy:
            for option in _SOCKET_OPTIONS:
                connection.sock.setsockopt(*option)


def _origin(url: str) -> SplitResult:
    """Return the parts of an origin; raises `InvalidURL` if it has no valid host and port."""
    try:
        parts = urlsplit(url)
        valid = parts.hostname and parts.hostname.encode("idna") and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise http.client.InvalidURL("The URL has no valid host and port.")
    return parts


def _is_open(sock: socket.socket) -> bool:
    """Return whether an idle connection is open.

    If there is something to read, it is the end: no response is due.
    """
    poller = new_poller()
    poller.register(sock.fileno(), READABLE)
    return not poller.poll(0)


def _close_all(connections: list[HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


class ConnectionPools:
    """The pools of all origins, of `size` connections each. One object for the process."""

    def __init__(self, size: int, network: Network) -> None:
        self._size = size
        self._network = network
        self.pool_for = lru_cache(maxsize=MAX_HOSTS)(self._new)

    def _new(self, origin: str) -> ConnectionPool:
        """Make the pool of an origin: `https://host` or `http://host:port`."""
        return ConnectionPool(origin, self._size, self._network)


def _send(
    connection: HTTPConnection,
    method: str,
    target: str,
    body: bytes,
    headers: Mapping[str, str],
) -> None:
    """Send a request; ignores a peer that stops reading, since it may have answered already."""
    content: bytes | Iterable[bytes] = body
    if len(body) > MAX_SINGLE_WRITE:
        content = _pieces(body)
        headers = {**headers, "Content-Length": str(len(body))}
    connection.sock.settimeout(CONNECT_TIMEOUT_SECONDS)
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.request(method, target, content, headers)


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), MAX_SINGLE_WRITE):
        yield body[start : start + MAX_SINGLE_WRITE]


def _receive(connection: HTTPConnection, client: ClientConnection, timeout: float) -> InterruptibleResponse:
    """Return the response when its head has arrived.

    `http.client` makes it by the connection's `response_class`. A connection through a proxy is urllib3's,
    whose own `getresponse` would wrap it.
    """
    response_class: Any = partial(InterruptibleResponse, client=client, timeout=timeout)
    connection.response_class = response_class
    return cast(InterruptibleResponse, http.client.HTTPConnection.getresponse(connection))
