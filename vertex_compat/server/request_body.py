"""A request's body on its way in: bounded, and refused while it is read, not after.

Nothing is read before somebody asks for it, so a caller without a key costs no memory.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from typing import IO, Any, Final

from vertex_compat import errors

BLOCK: Final = 65_536
_LONG_BLOCK: Final = 1_048_576

MAX_STREAMED: Final = 512 * 1024 * 1024
"""Bytes of an upload that passes through piece by piece, as OpenAI has it for files."""

_AFTER: Final = 5.0
"""Seconds that a client who has been refused may go on sending before it is answered."""


class RequestBody:
    """The body that follows a request's head. `length` is what the head says, None if it says nothing.

    `most` is how many bytes are held in memory. Framing that lies shows as an exception of the server's, or
    as an end that comes too soon.
    """

    def __init__(self, stream: IO[bytes], length: int | None, most: int) -> None:
        self._stream = stream
        self._length = length
        self._most = most
        self._taken = 0
        self._ended = length == 0
        self._whole: bytes | None = None

    @staticmethod
    def from_environ(environ: dict[str, Any], most: int) -> RequestBody:
        """The body of a WSGI request. Nobody else can read it now: functions-framework would, all of it."""
        stream, environ["wsgi.input"] = environ["wsgi.input"], io.BytesIO()
        given = environ.get("CONTENT_LENGTH", "")
        if given.isdecimal() and "HTTP_TRANSFER_ENCODING" not in environ:
            return RequestBody(stream, int(given), most)
        return RequestBody(stream, None if environ.get("wsgi.input_terminated") else 0, most)

    def read(self) -> bytes:
        """All of it; raises `PayloadTooLarge`, `BadRequest`."""
        if self._whole is None:
            blocks = list(self._bounded(self._most, self._length or _LONG_BLOCK))
            self._whole = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        return self._whole

    def iter_chunks(self) -> Iterator[bytes]:
        """All of it as it comes; raises `PayloadTooLarge`, `BadRequest`."""
        return self._bounded(max(self._most, MAX_STREAMED), BLOCK)

    def drain(self, sock: socket.socket | None) -> None:
        """Let go of what nobody has read: a client still sending would not see the answer.

        Not for long, and not for ever. `sock` is where the bytes come from.
        """
        if self._ended:
            return
        before = sock.gettimeout() if sock else None
        end = time.monotonic() + _AFTER
        most = self._taken + self._most
        try:
            while not self._ended and self._taken <= most and (left := end - time.monotonic()) > 0:
                if sock:
                    sock.settimeout(left)
                self._block(BLOCK)
        except errors.BadRequest:
            pass  # it has been answered already
        finally:
            if sock:
                sock.settimeout(before)

    def _bounded(self, most: int, at_once: int) -> Iterator[bytes]:
        if self._length is not None and self._length > most:
            raise _too_large(most)
        while not self._ended:
            block = self._block(at_once)
            if self._taken > most:
                raise _too_large(most)
            yield block

    def _block(self, size: int) -> bytes:
        if self._length is not None:
            size = min(size, self._length - self._taken)
        try:
            block = self._stream.read(size)
        except Exception:  # noqa: BLE001  (each server has its own words for a body that breaks off or lies)
            self._ended = True
            raise _broken_off() from None
        self._taken += len(block)
        self._ended = not block or self._taken == self._length
        if not block and self._length is not None:
            raise _broken_off()
        return block


def _too_large(most: int) -> errors.PayloadTooLarge:
    return errors.PayloadTooLarge(
        f"The request body is larger than the {most / 1024 / 1024:g} MB that this deployment takes.",
        code="request_too_large",
    )


def _broken_off() -> errors.BadRequest:
    return errors.BadRequest("The request body could not be read to its end.")
