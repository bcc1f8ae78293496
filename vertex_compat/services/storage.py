"""Cloud Storage's JSON API: https://cloud.google.com/storage/docs/json_api/v1."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from vertex_compat.types import JSON, UpstreamCall

CHUNK_GRANULARITY: Final = 256 * 1024
"""Bytes: all chunks of an upload but the last are multiples of this."""

MAX_NAME_BYTES: Final = 1024

_URI: Final = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/([^\x00-\x1f\x7f\ud800-\udfff]+)")


class StorageObject(NamedTuple):
    """The bucket and the name of an object, which need not exist."""

    bucket: str
    name: str

    @property
    def uri(self) -> str:
        """The object's `gs://` URI."""
        return f"gs://{self.bucket}/{self.name}"


def parse_uri(uri: str) -> StorageObject | None:
    """Return the object of a `gs://` URI, None if it is no such URI."""
    if not (match := _URI.fullmatch(uri)):
        return None
    bucket, name = match.groups()
    if len(name.encode()) > MAX_NAME_BYTES or name in {".", ".."}:
        return None
    return StorageObject(bucket, name)


def get_metadata(target: StorageObject) -> UpstreamCall:
    """Get the object resource."""
    return _call(_path(target))


def download(target: StorageObject, byte_range: str | None = None) -> UpstreamCall:
    """Get the bytes of an object; its generation is in the header `x-goog-generation`.

    `byte_range` is the value of the header `Range`.
    https://cloud.google.com/storage/docs/json_api/v1/objects/get
    """
    call = _call(_path(target), query={"alt": "media"})
    return msgspec.structs.replace(call, headers={"Range": byte_range}) if byte_range else call


def delete(target: StorageObject) -> UpstreamCall:
    """Delete an object."""
    return _call(_path(target), "DELETE")


def set_metadata(target: StorageObject, metadata: Mapping[str, str]) -> UpstreamCall:
    """Set an object's own metadata; the response is the object resource."""
    return UpstreamCall(_path(target), {"metadata": dict(metadata)}, "storage/v1", "PATCH", "storage")


def list_objects(bucket: str, prefix: str, start: str = "", page_token: str = "") -> UpstreamCall:
    """List a page of objects whose names begin with `prefix`, sorted by name, from `start`."""
    query = {"prefix": prefix, "startOffset": start, "pageToken": page_token, "maxResults": "1000"}
    return _call(f"b/{bucket}/o", query={name: value for name, value in query.items() if value})


def start_upload(target: StorageObject, content_type: str, metadata: Mapping[str, str]) -> UpstreamCall:
    """Start a resumable upload of a new object, which exists once its last chunk is stored.

    https://cloud.google.com/storage/docs/performing-resumable-uploads. The session's URL is in the header
    `Location`.
    """
    query = urlencode({"uploadType": "resumable", "name": target.name, "ifGenerationMatch": "0"})
    body: JSON = {"contentType": content_type, "metadata": dict(metadata)}
    return UpstreamCall(f"b/{target.bucket}/o?{query}", body, "upload/storage/v1", "POST", "storage")


def upload_chunk(session: str, content: bytes, offset: int, *, last: bool) -> UpstreamCall:
    """Send the bytes from `offset` on. `session` is the URL that `start_upload` returned."""
    end = offset + len(content)
    byte_range = f"{offset}-{end - 1}" if content else "*"
    headers = {
        "Content-Range": f"bytes {byte_range}/{end if last else '*'}",
        "Content-Type": "application/octet-stream",
    }
    version, path = _session_path(session)
    return UpstreamCall(path, {}, version, "PUT", "storage", content, headers)


def cancel_upload(session: str) -> UpstreamCall:
    """Cancel an upload. Cloud Storage confirms with the status 499."""
    version, path = _session_path(session)
    return UpstreamCall(path, {}, version, "DELETE", "storage")


def stored_bytes(headers: Mapping[str, str]) -> int:
    """Return the number of stored bytes of an upload, from a response before the last."""
    match = re.fullmatch(r"bytes=0-(\d+)", headers.get("Range", ""))
    return int(match[1]) + 1 if match else 0


def insert(
    target: StorageObject, content: bytes, *, expires_at: int | None = None, generation: int | None = None
) -> UpstreamCall:
    """Write an object of JSON in one call.

    `expires_at` (seconds since 1970) becomes its `customTime`, for a lifecycle rule with
    `daysSinceCustomTime`. With a `generation` only that version is replaced (0: no version may exist), else
    the call fails with the status 412. https://cloud.google.com/storage/docs/uploading-objects
    """
    resource: JSON = {"name": target.name, "contentType": "application/json"}
    if expires_at is not None:
        resource["customTime"] = datetime.fromtimestamp(expires_at, UTC).isoformat()
    query = {"uploadType": "multipart"}
    if generation is not None:
        query["ifGenerationMatch"] = str(generation)
    boundary = secrets.token_hex(16)
    body = b"".join(
        [
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode(),
            msgspec.json.encode(resource),
            f"\r\n--{boundary}\r\nContent-Type: application/json\r\n\r\n".encode(),
            content,
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )
    headers = {"Content-Type": f"multipart/related; boundary={boundary}"}
    path = f"b/{target.bucket}/o?{urlencode(query)}"
    return UpstreamCall(path, {}, "upload/storage/v1", "POST", "storage", body, headers)


def _call(path: str, method: str = "GET", query: Mapping[str, str] | None = None) -> UpstreamCall:
    path += f"?{urlencode(query)}" if query else ""
    return UpstreamCall(path, {}, "storage/v1", method, "storage")


def _path(target: StorageObject) -> str:
    return f"b/{target.bucket}/o/{quote(target.name, safe='')}"


def _session_path(url: str) -> tuple[str, str]:
    """Return version and path of a session.

    Its host is ignored, so the token goes to the configured host.
    """
    parts = urlsplit(url)
    version, _, path = parts.path.lstrip("/").partition("/")
    return version, f"{path}?{parts.query}"
