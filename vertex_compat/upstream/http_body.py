"""Readers of the bodies of HTTP/1.1 responses (RFC 9112, section 6), without I/O.

They take the bytes that arrived and return those of the body. `http.client` reads bodies too, but only by
waiting for them, and at a higher cost (`tests/benchmark`).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Final

_MAX_LINE_BYTES: Final = 65_536  # of a line, or of all trailers

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_PLAIN_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")


class ProtocolError(Exception):
    """The body breaks the rules of its framing, or the connection ended before the body did."""


class BodyReader(ABC):
    """Reads one body.

    `complete` says that the body has been read to its end; `extra_data`, that bytes followed it, so that the
    connection cannot be used again.
    """

    __slots__ = ("complete", "extra_data")

    def __init__(self) -> None:
        self.complete = False
        self.extra_data = False

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """Return the body's bytes in `data`, which is what arrived next; raises `ProtocolError`."""

    def close(self) -> None:
        """Take note that the connection has ended; raises `ProtocolError` if the body has not."""
        if not self.complete:
            raise ProtocolError("The connection ended before the body did.")


def new_reader(*, chunked: bool, length: int | None) -> BodyReader:
    """Return the reader for the framing that a response's headers announce."""
    if chunked:
        return ChunkedReader()
    return CloseDelimitedReader() if length is None else ContentLengthReader(length)


class ContentLengthReader(BodyReader):
    """A body of `length` bytes."""

    __slots__ = ("_remaining",)

    def __init__(self, length: int) -> None:
        super().__init__()
        self._remaining = length
        self.complete = not length

    def feed(self, data: bytes) -> bytes:
        """Return the bytes up to the body's end."""
        body = data[: self._remaining]
        self.extra_data = len(data) > self._remaining
        self._remaining -= len(body)
        self.complete = not self._remaining
        return body


class CloseDelimitedReader(BodyReader):
    """A body that ends with its connection."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """Return all bytes."""
        return data

    def close(self) -> None:
        """End the body."""
        self.complete = True


class ChunkedReader(BodyReader):
    """A body in chunks, each after a line with its size. Trailers are skipped."""

    __slots__ = ("_at_chunk_start", "_buffer", "_next", "_remaining")

    def __init__(self) -> None:
        super().__init__()
        self._remaining = 0  # bytes of the chunk that are still to come
        self._buffer = b""  # the beginning of a line whose end has not arrived
        self._next = ChunkedReader._read_size  # a method of `self` would be a cycle of references
        self._at_chunk_start = True

    def feed(self, data: bytes) -> bytes:
        """Return the content of the chunks in `data`.

        Usually that is one whole chunk, the fast path.
        """
        if self._at_chunk_start:
            line, _, chunk = data.partition(b"\r\n")
            content = chunk.removesuffix(b"\r\n")
            if len(content) == _plain_size(line) == len(chunk) - 2:
                return content
        return self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        data = self._buffer + data
        self._buffer = b""
        parts = []
        index = 0
        while index < len(data) and not self.complete:
            if self._remaining:
                parts.append(data[index : index + self._remaining])
                self._remaining -= len(parts[-1])
                index += len(parts[-1])
                self._next = ChunkedReader._read_line_end
            elif (end := self._next(self, data, index)) is None:
                self._buffer = data[index:]
                break
            else:
                index = end
        self.extra_data = self.complete and index < len(data)
        self._at_chunk_start = self._next is ChunkedReader._read_size and not self._buffer
        return b"".join(parts)

    # Each of these reads one element from `index` on; returns the index of its end, None if more bytes are
    # needed.

    def _read_size(self, data: bytes, index: int) -> int | None:
        line = _SIZE.match(data, index)
        if line is None:
            if b"\n" in data[index:] or len(data) - index >= _MAX_LINE_BYTES:
                raise ProtocolError("A chunk has no valid size.")
            return None
        self._remaining = int(line[1], 16)
        if not self._remaining:
            self._next = ChunkedReader._read_trailers
        return line.end()

    def _read_line_end(self, data: bytes, index: int) -> int | None:
        if data[index:] == b"\r":
            return None
        if data[index : index + 2] != b"\r\n":
            raise ProtocolError("A chunk is longer than its size.")
        self._next = ChunkedReader._read_size
        return index + 2

    def _read_trailers(self, data: bytes, index: int) -> int | None:
        if data.startswith(b"\r\n", index):
            end = index + 2
        elif (blank_line := data.find(b"\r\n\r\n", index)) >= 0:
            end = blank_line + 4
        elif len(data) - index >= _MAX_LINE_BYTES:
            raise ProtocolError("The trailers are too long.")
        else:
            return None
        self.complete = True
        return end


@lru_cache(maxsize=1024)
def _plain_size(line: bytes) -> int:
    """Return the size in a line without extensions; -1 for the last chunk and all other lines."""
    return int(line, 16) or -1 if _PLAIN_SIZE.fullmatch(line) else -1
