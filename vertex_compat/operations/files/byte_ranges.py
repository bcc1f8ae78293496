"""Parts of files by the header `Range` (RFC 9110, section 14).

One range of bytes is served. The whole file is sent for several ranges, for a range that is not valid, and
with `If-Range`, since files have no validators here.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from vertex_compat import errors
from vertex_compat.operations.context import FileBody, RequestContext, Response

ACCEPTED: Final = {"Accept-Ranges": "bytes"}
"""Headers of a whole file of which a part can be requested."""

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class ByteRange(NamedTuple):
    """A range of bytes: from `first` to `last`, or the last `suffix` bytes.

    If `last` is None, the range goes to the end.
    """

    first: int = 0
    last: int | None = None
    suffix: int | None = None

    @property
    def header(self) -> str:
        """The range as the value of `Range`."""
        if self.suffix is not None:
            return f"bytes=-{self.suffix}"
        return f"bytes={self.first}-{'' if self.last is None else self.last}"

    def within(self, size: int) -> tuple[int, int]:
        """Return the positions of the first and the last byte in a file of `size` bytes.

        Raises `RangeNotSatisfiable`.
        """
        start = self.first if self.suffix is None else max(size - self.suffix, 0)
        end = size - 1 if self.last is None else min(self.last, size - 1)
        if start > end:
            raise not_satisfiable(size)
        return start, end


def requested_range(context: RequestContext) -> ByteRange | None:
    """Return the range of bytes that the client requests; None for the whole file.

    HEAD requests have no range: RFC 9110, section 14.2.
    """
    if context.head_only:
        return None
    match = _RANGE.fullmatch(context.header("Range").replace(" ", ""))
    if not match or context.header("If-Range"):
        return None
    first, last = (int(digits) if digits else None for digits in match.groups())
    if first is None:
        return None if last is None else ByteRange(suffix=last)
    return ByteRange(first, last) if last is None or first <= last else None


def slice_of(data: bytes, content_type: str, context: RequestContext) -> Response:
    """Return the requested part of a file in memory, or all of it; raises `RangeNotSatisfiable`."""
    requested = requested_range(context)
    if requested is None:
        return Response(FileBody(data, content_type), ACCEPTED)
    size = len(data)
    start, end = requested.within(size)
    headers = {"Content-Range": f"bytes {start}-{end}/{size}"}
    return Response(FileBody(data[start : end + 1], content_type), ACCEPTED | headers, 206)


def not_satisfiable(size: int) -> errors.RangeNotSatisfiable:
    """Return the error for a range that begins after the end of the file."""
    headers = {"Content-Range": f"bytes */{size}"}
    return errors.RangeNotSatisfiable("The range begins after the end of the file.", headers=headers)
