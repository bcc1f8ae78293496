"""Length and size of an MP4 file.

ISO/IEC 14496-12: a file is a sequence of boxes, each of which begins with its size in bytes and its type.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple


class Movie(NamedTuple):
    """The length of a video in seconds, and the size of its picture in pixels."""

    seconds: float
    width: int
    height: int


def read(data: bytes) -> Movie | None:
    """Return the length and size of an MP4 file, None if it is none or has no picture."""
    for kind, content in _boxes(memoryview(data)):
        if kind == b"moov":
            try:
                return _movie(content)
            except (ArithmeticError, struct.error):
                return None
    return None


def _movie(content: memoryview) -> Movie | None:
    boxes = list(_boxes(content))
    lengths = [_seconds(box) for kind, box in boxes if kind == b"mvhd"]
    sizes = [
        _size(box)
        for kind, track in boxes
        if kind == b"trak"
        for name, box in _boxes(track)
        if name == b"tkhd"
    ]
    width, height = max(sizes, default=(0, 0))  # a track of sound has no size
    return Movie(lengths[0], width, height) if lengths and width and height else None


def _seconds(header: memoryview) -> float:
    """Return the length that a movie header says; version 1 has 64 bits for times."""
    scale, duration = struct.unpack_from(*((">IQ", header, 20) if header[0] == 1 else (">II", header, 12)))
    return float(duration / scale)


def _size(header: memoryview) -> tuple[int, int]:
    """Return width and height, which end a track header as 32 bits, half of them a fraction."""
    width, height = struct.unpack(">II", header[-8:])
    return width >> 16, height >> 16


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield types and contents of the boxes; the rest is left out where one is broken."""
    position = 0
    while position + 16 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = position + size if size else len(data)
        if end < start:
            return
        yield kind, data[start:end]
        position = end
