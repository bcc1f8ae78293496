"""JSON Lines, read while they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from vertex_compat import errors

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""More than a request to a model may have."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not blank, with its number from 1; raises `PayloadTooLarge`."""
    number = 0
    unfinished: list[bytes] = []
    size = 0
    for chunk in chain(chunks, [b"\n"]):
        *ends, tail = chunk.split(b"\n")
        for end in ends:
            number += 1
            line = b"".join([*unfinished, end])
            unfinished, size = [], 0
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if line.strip():
                yield number, line
        unfinished.append(tail)
        size += len(tail)
        if size > MAX_LINE_BYTES:
            raise errors.PayloadTooLarge(f"Line {number + 1} has more than {MAX_LINE_BYTES} bytes.")
