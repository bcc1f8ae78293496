"""Responses of Google's services, whose bodies are read from the socket as they arrive.

While the upstream is silent, a thread waits for two sockets: the upstream's and its client's. So a client
that disconnects ends the upstream call (and what it costs) also while the model thinks, and a stream can send
keep-alive comments. `http.client` and urllib3 do not read the bodies, since they cannot watch a second
socket. They also cost more per chunk than all other work on it (see tests/benchmark).
"""

from __future__ import annotations

import os
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPConnection
from math import ceil
from typing import Any, Final, Protocol

from vertex_compat import errors
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.server.polling import READABLE, new_poller
from vertex_compat.upstream import http_body
from vertex_compat.upstream.connection_pool import (
    BLOCKING_READS,
    POLL_INTERVAL_SECONDS,
    WOULD_BLOCK,
    InterruptibleResponse,
)

_LARGE_READ: Final = 16_384  # bytes of the longest TLS record, so that none is read in part
_SMALL_READ: Final = 2_048  # bytes that are allocated for each read that may block


class UpstreamResponse(Protocol):
    """A successful response (2xx) whose body is still to be read."""

    headers: Mapping[str, str]
    content_type: str
    location: str
    complete: bool
    """True if the body has been read to its end."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""

    def read_available(self) -> bytes:
        """Return the bytes that are there, b"" if there are none.

        Raises `UpstreamFault` if it breaks off. Call it once before the first wait: bytes that came with the
        headers do not make the socket readable.
        """

    def set_blocking(self, blocking: bool) -> None:
        """Let all reads but the first wait up to `POLL_INTERVAL_SECONDS` for the next bytes, or not."""

    def close(self) -> None:
        """End the upstream call. The connection is kept if the body has been read to its end."""


class HTTPUpstreamResponse:
    """An `UpstreamResponse` over HTTP. `release` takes back a connection that can be used again."""

    def __init__(
        self,
        connection: HTTPConnection,
        response: InterruptibleResponse,
        location: str,
        release: Callable[[HTTPConnection], None],
    ) -> None:
        self.location = location
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self._connection = connection
        self._response = response
        self._release = release
        self._reusable = not response.will_close
        self._body = http_body.new_reader(chunked=bool(response.chunked), length=response.length)
        self._decoder = _decoder(self.headers.get("Content-Encoding", ""))
        sock = response.sock
        self._fd: int = sock.fileno()
        if sock.gettimeout() != 0:
            sock.settimeout(0)
        self._receive = sock.read if isinstance(sock, ssl.SSLSocket) else sock.recv
        self._first = True
        self._closed = False
        self._size = _LARGE_READ
        self.complete = self._body.complete

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._fd

    def set_blocking(self, blocking: bool) -> None:
        """Let reads wait for bytes in the kernel, or not."""
        if BLOCKING_READS and blocking != (self._size == _SMALL_READ):
            self._size = _SMALL_READ if blocking else _LARGE_READ
            # In the kernel only: Python still treats the socket as non-blocking, so reads raise
            # `WOULD_BLOCK`.
            os.set_blocking(self._fd, blocking)

    def read_available(self) -> bytes:
        """Return the body's bytes that are there."""
        try:
            data = self._read_first() if self._first else self._receive(self._size)
            if data:
                if len(data) == _SMALL_READ:
                    data += self._pending()
                body = self._body.feed(data)
            else:
                self._body.close()
                body = b""
        except WOULD_BLOCK:
            return b""
        except (OSError, http_body.ProtocolError) as error:
            raise errors.UpstreamFault(
                "The connection to Vertex AI broke before the response was complete. Send the request again.",
                retryable=True,
            ) from error
        self.complete = self._body.complete
        return self._decode(body) if self._decoder else body

    def _read_first(self) -> bytes:
        """Return the bytes that came with the headers, else the socket's; close the buffered reader."""
        self._first = False
        try:
            buffered = bytes(self._response.fp.read1(_LARGE_READ))
        except WOULD_BLOCK:
            buffered = b""
        if buffered:
            buffered += self._pending()
        if self._reusable:  # else the socket would be closed with it
            self._response.close()
        return buffered or self._receive(_LARGE_READ)

    def _pending(self) -> bytes:
        """Return the rest of a TLS record that was read in part, which polling does not show."""
        sock = self._response.sock
        return sock.read(_LARGE_READ) if isinstance(sock, ssl.SSLSocket) and sock.pending() else b""

    def _decode(self, body: bytes) -> bytes:
        try:
            return bytes(self._decoder.decompress(body) + (self._decoder.flush() if self.complete else b""))
        except zlib.error as error:
            raise errors.UpstreamFault("Vertex AI's response cannot be decompressed.") from error

    def close(self) -> None:
        """Release the connection if it can be used again, else close it; do so once only."""
        if self._closed:  # the connection may already be another request's
            return
        self._closed = True
        self._response.close()
        if self.complete and self._reusable and not self._body.extra_data:
            self._release(self._connection)
        else:
            self._connection.close()


def _decoder(encoding: str) -> Any:
    """Return urllib3's decoder of a compressed body.

    None if it is not compressed, as was requested.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return None
    import urllib3.response  # noqa: PLC0415  (hardly a response needs it)

    match encoding:
        case "gzip" | "x-gzip":
            return urllib3.response.GzipDecoder()
        case "deflate":
            return urllib3.response.DeflateDecoder()
        case _:
            raise errors.UpstreamFault("Vertex AI's response has an encoding that was not asked for.")


Block = tuple[int, bytes]
"""The index of a response, and the bytes of it that arrived together; `b""` is its end."""


def multiplex(
    responses: Sequence[UpstreamResponse], client: ClientConnection, *, keepalive: float, timeout: float
) -> Iterator[Block | None]:
    """Yield the bytes of responses as they arrive, and None after `keepalive` seconds without.

    Raises `ClientDisconnected`, `DeadlineExceeded` after `timeout` seconds of silence, and `UpstreamFault`
    if a connection breaks.

    A single response is waited for in the read itself, and polled only when nothing arrives for
    `POLL_INTERVAL_SECONDS`. Each wait releases the interpreter's lock and takes it again, which limits the
    number of streams of an instance. The client is still checked once in that interval.
    """
    poller = new_poller()
    client.register(poller)
    open_responses: dict[int, tuple[int, UpstreamResponse]] = {}
    for index, response in enumerate(responses):
        open_responses[response.fileno()] = index, response
        poller.register(response.fileno(), READABLE)
        response.set_blocking(False)
    interval = min(keepalive, timeout)
    blocking = len(responses) == 1 and interval > POLL_INTERVAL_SECONDS
    silent = 0.0
    events = [(fd, READABLE) for fd in open_responses]  # bytes that came with the headers are read first
    while True:
        next_poll = time.monotonic() + POLL_INTERVAL_SECONDS if blocking else 0
        for fd, _ in events:
            if fd not in open_responses:
                client.raise_if_closed(events)
            index, response = open_responses[fd]
            while not response.complete and (data := response.read_available()):
                yield index, data
                if time.monotonic() > next_poll:
                    break
            if response.complete:
                poller.unregister(fd)
                del open_responses[fd]
                yield index, b""
        if not open_responses:
            return
        if blocking:
            responses[0].set_blocking(True)
        events = poller.poll(ceil(interval * 1000))
        if events:
            silent = 0.0
            continue
        silent += interval
        if silent >= timeout:
            raise errors.DeadlineExceeded(f"Vertex AI was silent for {timeout:g} seconds.")
        yield None
