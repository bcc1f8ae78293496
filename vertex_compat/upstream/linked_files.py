"""The files that one request links to, and how many bytes they may have together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from vertex_compat import errors

MAX_BYTES_PER_REQUEST: Final = 30 * 1024 * 1024
"""Of all linked files of a request; Vertex AI takes about as much inline."""


class Fetched(NamedTuple):
    """The content of a file, and its media type."""

    data: bytes
    mime: str


CountBytes: TypeAlias = Callable[[int], None]
"""Counts bytes that have been read; raises `ApiError` at a limit."""

Fetch: TypeAlias = Callable[[str, str, CountBytes], Fetched]
"""Fetches a URL for a parameter of the request: `UrlFetcher.fetch`."""


class LinkedFiles:
    """Fetches the files of one request, by several threads at a time.

    `hold` counts their bytes in the memory budget of the process.
    """

    def __init__(self, fetch: Fetch, hold: CountBytes) -> None:
        self._fetch = fetch
        self._hold = hold
        self._size = 0
        self._lock = threading.Lock()

    def fetch(self, url: str, param: str) -> Fetched:
        """Return the file at `url`; raises `BadRequest` with `param`, `RateLimited`."""
        return self._fetch(url, param, lambda size: self._count(size, param))

    def _count(self, size: int, param: str) -> None:
        with self._lock:
            self._size += size
            if self._size > MAX_BYTES_PER_REQUEST:
                raise errors.BadRequest(
                    f"The linked files of a request may have {MAX_BYTES_PER_REQUEST} bytes together.",
                    param=param,
                    code="invalid_url",
                )
            self._hold(size)
