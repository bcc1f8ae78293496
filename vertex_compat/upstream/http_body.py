"""Where the body of an HTTP/1.1 answer ends (RFC 9112, section 6), without I/O: bytes in, the body's out.

`http.client` reads bodies too, but never without waiting, and at the price of a whole translation.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Final

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_TRAILERS: Final = re.compile(rb"(?:[^\r\n]+\r\n)*\r\n")
_MAX_LINE_BYTES: Final = 65_536  # bytes of a line, or of all trailers


class ProtocolError(Exception):
    """A body that is not written so, or ended too early."""


class Framing(ABC):
    """Reads one body, and knows when it has `ended`.

    `surplus` says that more came after its end, which no answer of ours can be.
    """

    __slots__ = ("ended", "surplus")

    def __init__(self) -> None:
        self.ended = False
        self.surplus = False

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """The body's bytes in what came next, not nothing; raises `ProtocolError`."""

    def close(self) -> None:
        """The connection has ended; raises `ProtocolError` if the body has not."""
        if not self.ended:
            raise ProtocolError("It ended in mid-body.")


def of(*, chunked: bool, length: int | None) -> Framing:
    """The framing that an answer's headers announce."""
    if chunked:
        return ChunkedReader()
    return CloseDelimitedReader() if length is None else ContentLengthReader(length)


class ContentLengthReader(Framing):
    """A body of so many bytes."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        super().__init__()
        self._left = length
        self.ended = not length

    def feed(self, data: bytes) -> bytes:
        """What is of the body."""
        body = data[: self._left]
        self.surplus = len(data) > self._left
        self._left -= len(body)
        self.ended = not self._left
        return body


class CloseDelimitedReader(Framing):
    """A body that ends with the connection."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        return data

    def close(self) -> None:
        """That is the body's end."""
        self.ended = True


class ChunkedReader(Framing):
    """A body in chunks, each after its size. Trailers are read over."""

    __slots__ = ("_between", "_held", "_left", "_next")

    def __init__(self) -> None:
        super().__init__()
        self._left = 0  # bytes of the chunk that are still to come
        self._held = b""  # the beginning of a line that has not ended
        self._next = self._size
        self._between = True  # whether nothing of the next chunk has come yet

    def feed(self, data: bytes) -> bytes:
        """What chunks hold. Nearly always one whole chunk comes, which is read at a glance."""
        if self._between:
            line, _, rest = data.partition(b"\r\n")
            if len(rest) == _size(line) + 2 and rest[-2:] == b"\r\n":
                return rest[:-2]
        return self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        data = self._held + data
        self._held = b""
        pieces = []
        at = 0
        while at < len(data) and not self.ended:
            if self._left:
                pieces.append(data[at : at + self._left])
                self._left -= len(pieces[-1])
                at += len(pieces[-1])
                self._next = self._line_end
            elif (end := self._next(data, at)) is None:
                self._held = data[at:]
                break
            else:
                at = end
        self.surplus = self.ended and at < len(data)
        self._between = self._next == self._size and not self._held
        return b"".join(pieces)

    # Each reads from a place on and gives the place where it ends, None if more has to come first.

    def _size(self, data: bytes, at: int) -> int | None:
        line = _SIZE.match(data, at)
        if line is None:
            _check_unfinished(data, at)
            return None
        self._left = int(line[1], 16)
        if not self._left:
            self._next = self._trailers
        return line.end()

    def _line_end(self, data: bytes, at: int) -> int | None:
        if data[at:] == b"\r":
            return None
        if data[at : at + 2] != b"\r\n":
            raise ProtocolError("A chunk is longer than it said.")
        self._next = self._size
        return at + 2

    def _trailers(self, data: bytes, at: int) -> int | None:
        trailers = _TRAILERS.match(data, at)
        if trailers is None:
            if len(data) - at >= _MAX_LINE_BYTES:
                raise ProtocolError("The trailers do not end.")
            return None
        self.ended = True
        return trailers.end()


@lru_cache(maxsize=1024)
def _size(line: bytes) -> int:
    """The size that a line says in the plainest way, and that is not the last; -1 where it does not."""
    return int(line, 16) or -1 if re.fullmatch(rb"[0-9A-Fa-f]{1,15}", line) else -1


def _check_unfinished(data: bytes, at: int) -> None:
    """A line that has not ended is right, unless it never will."""
    if b"\n" in data[at:] or len(data) - at >= _MAX_LINE_BYTES:
        raise ProtocolError("A chunk has no size.")
