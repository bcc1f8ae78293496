"""Cloud Storage's JSON API, and the ids of files, which are places in it.

https://cloud.google.com/storage/docs/json_api/v1
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from vertex_compat import ids
from vertex_compat.types import JSON, UpstreamCall

PIECE: Final = 256 * 1024
"""Bytes: all pieces of an upload but the last are multiples of this."""

MAX_NAME: Final = 1024
"""Bytes."""

_URI: Final = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/([^\x00-\x1f\x7f\ud800-\udfff]+)")


class Object(NamedTuple):
    """An object, or one that could be."""

    bucket: str
    name: str

    @property
    def uri(self) -> str:
        """As Vertex takes it."""
        return f"gs://{self.bucket}/{self.name}"

    @property
    def id(self) -> str:
        """The id of a file that is this object."""
        return ids.of_file(self.uri)


def find(reference: str) -> Object | None:
    """The object that a file's id or a `gs://` URI means, None if it is neither."""
    if not (found := _URI.fullmatch(ids.uri_of(reference) or reference)):
        return None
    bucket, name = found.groups()
    return Object(bucket, name) if len(name.encode()) <= MAX_NAME and name not in {".", ".."} else None


def _call(path: str, method: str = "GET", query: Mapping[str, str] | None = None) -> UpstreamCall:
    path += f"?{urlencode(query)}" if query else ""
    return UpstreamCall(path, {}, "storage/v1", method, "storage")


def _path(one: Object) -> str:
    return f"b/{one.bucket}/o/{quote(one.name, safe='')}"


def stat(one: Object) -> UpstreamCall:
    """What is known of an object."""
    return _call(_path(one))


def download(one: Object) -> UpstreamCall:
    """The bytes of an object."""
    return _call(_path(one), query={"alt": "media"})


def delete(one: Object) -> UpstreamCall:
    """An object's end."""
    return _call(_path(one), "DELETE")


def describe(one: Object, metadata: Mapping[str, str]) -> UpstreamCall:
    """Set an object's metadata; the answer is as that of `stat`."""
    return UpstreamCall(_path(one), {"metadata": dict(metadata)}, "storage/v1", "PATCH", "storage")


def listing(bucket: str, prefix: str, start: str = "", page: str = "") -> UpstreamCall:
    """One page of the objects whose names begin with `prefix`, in the names' order, from `start` on."""
    query = {"prefix": prefix, "startOffset": start, "pageToken": page, "maxResults": "1000"}
    given = {name: value for name, value in query.items() if value}
    return _call(f"b/{bucket}/o", query=given)


def begin(one: Object, content_type: str, metadata: Mapping[str, str]) -> UpstreamCall:
    """Begin the upload of an object that is not there yet. Nothing is there before its last piece is.

    https://cloud.google.com/storage/docs/performing-resumable-uploads
    """
    query = urlencode({"uploadType": "resumable", "name": one.name, "ifGenerationMatch": "0"})
    body: JSON = {"contentType": content_type, "metadata": dict(metadata)}
    return UpstreamCall(f"b/{one.bucket}/o?{query}", body, "upload/storage/v1", "POST", "storage")


def piece(session: str, content: bytes, first: int, *, last: bool) -> UpstreamCall:
    """Send bytes from number `first` on to a `session`, the `Location` that `begin` was answered."""
    end = first + len(content)
    sent = f"{first}-{end - 1}" if content else "*"
    headers = {
        "Content-Range": f"bytes {sent}/{end if last else '*'}",
        "Content-Type": "application/octet-stream",
    }
    version, path = _session(session)
    return UpstreamCall(path, {}, version, "PUT", "storage", content, headers)


def abandon(session: str) -> UpstreamCall:
    """Give an upload up. That it went well is answered with the status 499."""
    version, path = _session(session)
    return UpstreamCall(path, {}, version, "DELETE", "storage")


def taken(headers: Mapping[str, str]) -> int:
    """How many bytes of an upload are stored for good, as the answer to a piece that is not the last says."""
    stored = re.fullmatch(r"bytes=0-(\d+)", headers.get("Range", ""))
    return int(stored[1]) + 1 if stored else 0


def _session(location: str) -> tuple[str, str]:
    """The session's path. Its host is not looked at: our token goes to the one that is configured."""
    parts = urlsplit(location)
    version, _, path = parts.path.lstrip("/").partition("/")
    return version, f"{path}?{parts.query}"
