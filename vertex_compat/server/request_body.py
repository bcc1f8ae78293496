"""The body of a request, limited in size, memory and time while it is read.

Nothing is read before an operation needs it, so a caller without a key costs no memory.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Final

from vertex_compat import errors
from vertex_compat.server import wsgi_server
from vertex_compat.server.capacity.memory_budget import HeldMemory
from vertex_compat.server.capacity.read_deadlines import ReadDeadlines

CHUNK_BYTES: Final = 65_536
MAX_CHUNK_BYTES: Final = 1_048_576

MAX_STREAMED_BYTES: Final = 512 * 1024 * 1024
"""Of an upload that is passed on in chunks; OpenAI has the same limit for a file."""

DRAIN_SECONDS: Final = 5.0
"""Time that a refused client may go on sending before it gets the response."""

MEGABYTE: Final = 1_048_576

GRACE_SHARE: Final = 0.25
"""The time for any body, in megabytes, beside the time for its bytes."""


class RequestBody:
    """The body that follows a request's head.

    `length` is its Content-Length, None if it has none. `max_bytes` may be held in memory; they count in
    `memory`. Where `sock` is known, `deadlines` limits the time that the bytes take, by
    `seconds_per_megabyte`. A body that breaks off, or whose framing is wrong, shows as an exception of the
    server's or as an early end.
    """

    def __init__(
        self,
        body: wsgi_server.Body,
        max_bytes: int,
        memory: HeldMemory | None = None,
        sock: socket.socket | None = None,
        deadlines: ReadDeadlines | None = None,
        seconds_per_megabyte: float = 60,
    ) -> None:
        self._stream: IO[bytes] = body.stream
        self._length = body.length
        self._max_bytes = max_bytes
        self._memory = memory
        self._sock = sock
        self._deadlines = deadlines
        self._seconds_per_megabyte = seconds_per_megabyte
        self._received = 0
        self._seconds = 0.0
        self._complete = body.length == 0
        self._content: bytes | None = None

    def read(self) -> bytes:
        """Return the whole body.

        Raises `PayloadTooLarge`, `RateLimited`, `RequestTimeout`, `BadRequest`.
        """
        if self._content is None:
            chunks = []
            if self._memory and self._length is not None and self._length <= self._max_bytes:
                self._memory.add(self._length)
            for chunk in self._chunks(self._max_bytes, self._length or MAX_CHUNK_BYTES):
                if self._memory and self._length is None:
                    self._memory.add(len(chunk))
                chunks.append(chunk)
            self._content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return self._content

    def discard(self) -> None:
        """Free the content, which is not needed any more."""
        self._content = b""

    def iter_chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives; raises `PayloadTooLarge`, `RequestTimeout`, `BadRequest`."""
        return self._chunks(max(self._max_bytes, MAX_STREAMED_BYTES), CHUNK_BYTES)

    def drain(self) -> None:
        """Read the remaining bytes, up to limits; else a client that still sends sees no response."""
        if self._complete:
            return
        timeout = self._sock.gettimeout() if self._sock else None
        deadline = time.monotonic() + DRAIN_SECONDS
        max_bytes = self._received + self._max_bytes
        try:
            while not self._complete and self._received <= max_bytes:
                if (remaining := deadline - time.monotonic()) <= 0:
                    break
                if self._sock:
                    self._sock.settimeout(remaining)
                self._read_chunk(CHUNK_BYTES)
        except errors.ClientFault:
            pass  # the response is known already
        finally:
            if self._sock:
                self._sock.settimeout(timeout)

    def _chunks(self, max_bytes: int, size: int) -> Iterator[bytes]:
        if self._length is not None and self._length > max_bytes:
            raise _too_large(max_bytes)
        while not self._complete:
            began = time.monotonic()
            with self._deadline(size):
                chunk = self._read_chunk(size)
            self._seconds += time.monotonic() - began
            if self._received > max_bytes:
                raise _too_large(max_bytes)
            yield chunk

    def _deadline(self, size: int) -> AbstractContextManager[None]:
        """Return the deadline for the next `size` bytes. Time between two reads does not count."""
        if self._deadlines is None:
            return nullcontext()
        return self._deadlines.limit(self._sock, self._allowed_seconds(size) - self._seconds)

    def _allowed_seconds(self, size: int) -> float:
        megabytes = (self._received + size) / MEGABYTE
        return (GRACE_SHARE + megabytes) * self._seconds_per_megabyte

    def _read_chunk(self, size: int) -> bytes:
        if self._length is not None:
            size = min(size, self._length - self._received)
        began = time.monotonic()
        try:
            chunk = self._stream.read(size)
        except Exception:  # noqa: BLE001  (each server has its own exceptions for a body that breaks off)
            chunk = b""
            self._length = self._received + 1  # not complete, whatever its headers say
        self._received += len(chunk)
        self._complete = not chunk or self._received == self._length
        if not chunk and self._length is not None:
            late = self._seconds + time.monotonic() - began >= self._allowed_seconds(size)
            raise _too_slow(self._seconds_per_megabyte) if late else _broken_off()
        return chunk


def _too_large(max_bytes: int) -> errors.PayloadTooLarge:
    return errors.PayloadTooLarge(
        f"The request body is larger than the {max_bytes / 1024 / 1024:g} MB that this deployment accepts.",
        code="request_too_large",
    )


def _too_slow(seconds: float) -> errors.RequestTimeout:
    return errors.RequestTimeout(
        f"The request body arrived too slowly: 1 MB may take {seconds:g} seconds. Send a smaller body."
    )


def _broken_off() -> errors.BadRequest:
    return errors.BadRequest("The request body ended before it was complete.")
