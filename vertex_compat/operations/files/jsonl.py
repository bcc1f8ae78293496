"""JSON Lines, read as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from vertex_compat import errors

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a line: more than a request to a model may have."""

_BOM: Final = b"\xef\xbb\xbf"


def lines(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines in `blocks` that are not blank, each with its number, from 1; raises `PayloadTooLarge`."""
    number = 0
    begun: list[bytes] = []  # pieces of the line that has not ended yet
    size = 0
    for block in chain(blocks, [b"\n"]):
        *ended, rest = block.split(b"\n")
        for end in ended:
            number += 1
            line = b"".join([*begun, end])
            begun, size = [], 0
            if number == 1:
                line = line.removeprefix(_BOM)
            if line.strip():
                yield number, line
        begun.append(rest)
        size += len(rest)
        if size > MAX_LINE_BYTES:
            raise errors.PayloadTooLarge(f"Line {number + 1} has more than {MAX_LINE_BYTES} bytes.")
