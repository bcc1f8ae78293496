"""Parts of files by the header `Range` (RFC 9110, section 14).

One range of bytes is served. The whole file is sent for several ranges, for a range that is not valid, and
with `If-Range`, since files have no validators here.
"""

from __future__ import annotations

import re
from typing import Final

from vertex_compat import errors
from vertex_compat.operations.context import FileBody, RequestContext, Response

ACCEPTED: Final = {"Accept-Ranges": "bytes"}
"""Headers of a whole file of which a part can be requested."""

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def requested_range(context: RequestContext) -> str | None:
    """Return the range of bytes to ask for, as the header's value; None for the whole file."""
    value = context.header("Range").replace(" ", "")
    if context.header("If-Range") or not (match := _RANGE.fullmatch(value)):
        return None
    first, last = match.groups()
    if not first:
        return value if last else None
    return value if not last or int(first) <= int(last) else None


def slice_of(data: bytes, content_type: str, context: RequestContext) -> Response:
    """Return the requested part of a file in memory, or all of it; raises `RangeNotSatisfiable`."""
    value = requested_range(context)
    if value is None:
        return Response(FileBody(data, content_type), ACCEPTED)
    first, _, last = value.removeprefix("bytes=").partition("-")
    size = len(data)
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        raise not_satisfiable(size)
    headers = {"Content-Range": f"bytes {start}-{end}/{size}"}
    return Response(FileBody(data[start : end + 1], content_type), ACCEPTED | headers, 206)


def not_satisfiable(size: int) -> errors.RangeNotSatisfiable:
    """Return the error for a range that begins after the end of the file."""
    headers = {"Content-Range": f"bytes */{size}"}
    return errors.RangeNotSatisfiable("The range begins after the end of the file.", headers=headers)
