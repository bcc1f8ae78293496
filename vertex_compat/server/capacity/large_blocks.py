"""Large blocks of memory go back to the system when they are freed.

When a large block is freed, glibc raises the size from which blocks are mapped on their own, up to 32 MB.
From then on, blocks of that size come from the heaps of the threads. Most of what is freed there stays with
the process: bodies of 8 MB from 8 clients at the same time left 600 MB. A size that is set does not
change.
https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Final

LARGE_BYTES: Final = 2 * 1024 * 1024
"""Size from which a block is mapped on its own."""

KEPT_BYTES: Final = 4 * 1024 * 1024
"""Free bytes that the end of a heap may have, so that smaller blocks need not be mapped again."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of `mallopt`, from glibc's malloc.h."""


@cache
def map_large_blocks() -> None:
    """Set the sizes for this process. Does nothing where the C library is not glibc."""
    import ctypes  # noqa: PLC0415  (few requests are large: cold start)

    with suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
