"""Cloud Storage's JSON API: objects, lists, resumable uploads.

https://cloud.google.com/storage/docs/json_api/v1. Every bucket exists, but these names select faults.
`emulator-missing` does not exist, and `emulator-denied` denies access. `emulator-partial` stores half of each
uploaded chunk. `emulator-flaky` answers every other chunk with a 503. A download from `emulator-cut` is reset
midway.
"""

import base64
import datetime as dt
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request

from vertex_compat.emulator.protocol.responses import (
    JSON,
    Cut,
    RequestRefused,
    Response,
    Step,
    pretty_json_response,
    whole,
)

UPLOADS = "/upload/storage/"
UPLOAD_GRANULARITY = 256 * 1024
BLOCK = 256 * 1024
MAX_LOGGED_BYTES = 2048  # of an upload, in the journal
REASONS = {400: "invalid", 403: "forbidden", 404: "notFound", 412: "conditionNotMet", 503: "backendError"}

ROUTES = Map(
    [
        Rule("/storage/v1/b/<bucket>/o", endpoint="list", methods=["GET"]),
        Rule("/storage/v1/b/<bucket>/o/<path:name>", endpoint="object", methods=["GET", "DELETE", "PATCH"]),
        Rule("/upload/storage/v1/b/<bucket>/o", endpoint="upload", methods=["POST", "PUT", "DELETE"]),
    ],
    merge_slashes=False,
)
PARAMETERS = {"prefix", "startOffset", "pageToken", "maxResults", "alt", "uploadType", "name", "upload_id"}
PARAMETERS |= {"fields", "ifGenerationMatch"}
RANGE = re.compile(r"bytes (?:(?P<first>\d+)-(?P<last>\d+)|\*)/(?P<total>\d+|\*)")


@dataclass(slots=True)
class Stored:
    """An object."""

    data: bytes | bytearray
    content_type: str
    metadata: dict[str, str]
    generation: int
    created: str
    custom_time: str | None = None


@dataclass(slots=True)
class Session:
    """A resumable upload."""

    bucket: str
    name: str
    content_type: str
    metadata: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    pieces: int = 0


class Storage:
    """All buckets, in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Stored]] = {}
        self.sessions: dict[str, Session] = {}
        self._numbers = itertools.count(1_700_000_000_000_000)
        self._lock = threading.Lock()

    def read(self, uri: str) -> bytes | None:
        """Return the bytes at a `gs://` URI, or None."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        stored = self.objects.get(bucket, {}).get(name)
        return bytes(stored.data) if stored else None

    def write(self, uri: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store an object at a `gs://` URI."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        self._store(bucket, name, data, content_type, {})

    def names(self, bucket: str) -> list[str]:
        """Return the names of all objects in a bucket."""
        return sorted(self.objects.get(bucket, {}))

    def answer(self, request: Request) -> Response | None:
        """Answer a request, or return None if it is not for Cloud Storage."""
        try:
            kind, path_args = ROUTES.bind_to_environ(request.environ).match()
        except HTTPException:
            return None
        unknown = request.args.keys() - PARAMETERS
        if unknown:
            raise _refused(400, f"Unknown parameter: {min(unknown)}")
        bucket = path_args["bucket"]
        if "emulator-denied" in bucket:
            raise _refused(
                403,
                "emulator@emulated-project.invalid does not have storage.objects access to the Google Cloud "
                "Storage bucket. Permission denied on resource (or it may not exist).",
            )
        if "emulator-missing" in bucket:
            raise _refused(404, "The specified bucket does not exist.")
        with self._lock:
            if kind == "list":
                return self._list(bucket, request)
            if kind == "upload":
                return self._upload(bucket, request)
            return self._object(bucket, path_args["name"], request)

    def _list(self, bucket: str, request: Request) -> Response:
        prefix, start = request.args.get("prefix", ""), request.args.get("startOffset", "")
        token = base64.urlsafe_b64decode(request.args.get("pageToken", "")).decode()
        most = min(int(request.args.get("maxResults", "1000")), 1000)
        objects = self.objects.get(bucket, {})
        names = [
            name for name in sorted(objects) if name.startswith(prefix) and name >= start and name > token
        ]
        page: JSON = {"kind": "storage#objects"}
        if names[most:]:
            page["nextPageToken"] = base64.urlsafe_b64encode(names[most - 1].encode()).decode()
        items = [_resource(bucket, name, objects[name]) for name in names[:most]]
        return pretty_json_response(page | ({"items": items} if items else {}))

    def _object(self, bucket: str, name: str, request: Request) -> Response:
        raw = request.environ.get("REQUEST_URI", "").partition("?")[0]
        if raw and "/" in raw.partition("/o/")[2]:  # a slash in a name must be %2F
            raise _refused(404, "Not Found")
        stored = self.objects.get(bucket, {}).get(name)
        if stored is None:
            if request.args.get("alt") == "media":
                return whole(404, f"No such object: {bucket}/{name}".encode(), "text/html; charset=UTF-8")
            raise _refused(404, f"No such object: {bucket}/{name}")
        if request.method == "DELETE":
            del self.objects[bucket][name]
            return Response(204, (b"",))
        if request.method == "PATCH":
            stored.metadata |= _json(request).get("metadata", {})
        elif request.args.get("alt") == "media":
            headers = {"Content-Type": stored.content_type, "Content-Length": str(len(stored.data))}
            headers["x-goog-generation"] = str(stored.generation)
            if "Range" in request.headers:
                return _part(stored.data, request.headers["Range"], headers)
            return Response(200, _blocks(stored.data, cut="emulator-cut" in bucket), headers)
        return pretty_json_response(_resource(bucket, name, stored))

    def _upload(self, bucket: str, request: Request) -> Response:
        identity = request.args.get("upload_id", "")
        if request.method == "POST" and request.args.get("uploadType") == "multipart":
            return self._insert(bucket, request)
        if request.method == "POST":
            return self._begin(bucket, request)
        session = self.sessions.get(identity)
        if session is None or session.bucket != bucket:
            raise _refused(404, "No such upload.")
        if request.method == "DELETE":
            del self.sessions[identity]
            return Response(499, (b"",))
        session.pieces += 1
        if "emulator-flaky" in bucket and session.pieces % 2:
            raise _refused(503, "We encountered an internal error. Please try again.")
        return self._piece(identity, session, request)

    def _begin(self, bucket: str, request: Request) -> Response:
        name = request.args.get("name", "")
        if request.args.get("uploadType") != "resumable" or not name:
            raise _refused(400, "Only resumable uploads with a name and multipart uploads are emulated.")
        self._check_generation(bucket, name, request)
        body = _json(request)
        if body.keys() - {"contentType", "metadata"}:
            raise _refused(400, "Only contentType and metadata are emulated.")
        identity = hashlib.sha256(f"{next(self._numbers)}".encode()).hexdigest()
        kind = str(body.get("contentType", "application/octet-stream"))
        self.sessions[identity] = Session(bucket, name, kind, dict(body.get("metadata", {})))
        query = f"uploadType=resumable&name={quote(name, safe='')}&ifGenerationMatch=0&upload_id={identity}"
        # The real service names its own host, to which a client must not send the emulator's token.
        location = f"https://storage.googleapis.com/upload/storage/v1/b/{bucket}/o?{query}"
        return Response(200, (b"",), {"Location": location, "Content-Length": "0"})

    def _insert(self, bucket: str, request: Request) -> Response:
        """Store an object whose resource and data come in one multipart/related body."""
        if "emulator-flaky" in bucket and next(self._numbers) % 2:
            raise _refused(503, "We encountered an internal error. Please try again.")
        resource, data = _multipart_parts(request)
        if not resource.get("name") or resource.keys() - {"name", "contentType", "customTime", "metadata"}:
            raise _refused(400, "Only name, contentType, customTime and metadata are emulated.")
        name = resource["name"]
        self._check_generation(bucket, name, request)
        kind = str(resource.get("contentType", "application/octet-stream"))
        stored = self._store(bucket, name, data, kind, dict(resource.get("metadata", {})))
        if custom_time := resource.get("customTime"):
            stored.custom_time = dt.datetime.fromisoformat(custom_time).isoformat()
        return pretty_json_response(_resource(bucket, name, stored))

    def _check_generation(self, bucket: str, name: str, request: Request) -> None:
        expected = request.args.get("ifGenerationMatch")
        stored = self.objects.get(bucket, {}).get(name)
        if expected is not None and expected != str(stored.generation if stored else 0):
            raise _refused(412, "At least one of the pre-conditions you specified did not hold.")

    def _piece(self, identity: str, session: Session, request: Request) -> Response:
        content = request.get_data()
        content_range = RANGE.fullmatch(request.headers.get("Content-Range", ""))
        if not content_range or (
            content_range["first"]
            and int(content_range["last"]) - int(content_range["first"]) + 1 != len(content)
        ):
            raise _refused(400, "Failed to parse Content-Range header.")
        first = int(content_range["first"] or len(session.data))
        final = content_range["total"] != "*"
        if first > len(session.data) or (not final and len(content) % UPLOAD_GRANULARITY):
            raise _refused(400, "Invalid request. There were bytes missing, or the length is not a multiple.")
        new_bytes = memoryview(content)[len(session.data) - first :]
        if "emulator-partial" in session.bucket and len(new_bytes) > UPLOAD_GRANULARITY:
            new_bytes = new_bytes[
                : len(new_bytes) // 2 // UPLOAD_GRANULARITY * UPLOAD_GRANULARITY or UPLOAD_GRANULARITY
            ]
        session.data += new_bytes
        if not final or len(session.data) < int(content_range["total"]):
            range_header = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
            return Response(308, (b"",), {"Content-Length": "0"} | range_header)
        del self.sessions[identity]
        self._check_generation(session.bucket, session.name, request)
        stored = self._store(
            session.bucket, session.name, session.data, session.content_type, session.metadata
        )
        return pretty_json_response(_resource(session.bucket, session.name, stored))

    def _store(
        self, bucket: str, name: str, data: bytes | bytearray, content_type: str, metadata: dict[str, str]
    ) -> Stored:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        stored = Stored(data, content_type, metadata, next(self._numbers), now)
        self.objects.setdefault(bucket, {})[name] = stored
        return stored


def _part(data: bytes | bytearray, header: str, headers: dict[str, str]) -> Response:
    """Return one range of an object; every other form of `Range` is refused."""
    first, last = header.removeprefix("bytes=").split("-")
    total = len(data)
    begin = int(first) if first else max(0, total - int(last))
    stop = total if not first or not last else min(total, int(last) + 1)
    if begin >= stop:
        return whole(416, b"The requested range cannot be satisfied.", "text/html; charset=UTF-8")
    part = bytes(data[begin:stop])
    headers |= {"Content-Length": str(len(part)), "Content-Range": f"bytes {begin}-{stop - 1}/{total}"}
    return Response(206, (part,), headers)


def _blocks(data: bytes | bytearray, *, cut: bool) -> Iterator[Step]:
    end = len(data) // 2 if cut else len(data)
    for first in range(0, end, BLOCK):
        yield bytes(memoryview(data)[first : min(first + BLOCK, end)])
    if cut:
        yield Cut()


def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.get_data() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _refused(400, "Parse Error")
    return body


def _multipart_parts(request: Request) -> tuple[JSON, bytes]:
    """Return the two parts of a multipart/related body: https://www.rfc-editor.org/rfc/rfc2387."""
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    delimiter = b"\r\n--" + options.get("boundary", "").encode()
    parts = (b"\r\n" + request.get_data()).split(delimiter)
    if kind != "multipart/related" or len(parts) != 4 or parts[0] or parts[3].strip() != b"--":
        raise _refused(400, "Malformed multipart body.")
    head, data = (part.partition(b"\r\n\r\n")[2] for part in parts[1:3])
    try:
        resource = json.loads(head)
    except ValueError:
        resource = None
    if not isinstance(resource, dict):
        raise _refused(400, "Parse Error")
    return resource, data


def _resource(bucket: str, name: str, stored: Stored) -> JSON:
    """Return the object resource; numbers are strings, empty fields are absent."""
    resource: JSON = {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{stored.generation}",
        "name": name,
        "bucket": bucket,
        "generation": str(stored.generation),
        "metageneration": "1",
        "contentType": stored.content_type,
        "size": str(len(stored.data)),
        "timeCreated": stored.created,
        "updated": stored.created,
    }
    resource |= {"customTime": stored.custom_time} if stored.custom_time else {}
    return resource | ({"metadata": stored.metadata} if stored.metadata else {})


def _refused(code: int, message: str) -> RequestRefused:
    """Return the exception with Cloud Storage's error envelope, which has no `status`."""
    errors = [{"message": message, "domain": "global", "reason": REASONS[code]}]
    return RequestRefused(
        pretty_json_response({"error": {"code": code, "message": message, "errors": errors}}, code)
    )
