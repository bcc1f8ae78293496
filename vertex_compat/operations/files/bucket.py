"""The caller's folder in the bucket, for files, batches, fine-tuning and stored responses.

The folder of a key named `alice` is `PREFIX/k-alice/`; callers without a key share `PREFIX/shared/`.
Operations read and write in the caller's folder only. A reference to any other object is a 404, even if this
function's account could read it. `shared_prefixes` of the settings file can be read by all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, Self

import msgspec

from vertex_compat import errors, ids
from vertex_compat.json_values import count, items, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response, StreamingBody
from vertex_compat.operations.files import byte_ranges
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.services import storage
from vertex_compat.services.storage import StorageObject
from vertex_compat.types import JSON, ResourceTarget, UpstreamCall
from vertex_compat.upstream.response import UpstreamResponse

UPLOAD_CHUNK: Final = 16 * storage.CHUNK_GRANULARITY
"""Bytes of an upload that are sent in one call: 4 MiB, the most that an upload holds in memory."""

JSON_LINES: Final = "application/jsonl"

_TARGET: Final = ResourceTarget("storage", ("global",))


class Bucket:
    """The caller's folder, for one request; raises `BadRequest` if no bucket is set.

    A `name` is an object's name without the folder.
    """

    def __init__(self, context: RequestContext) -> None:
        if context.settings.bucket is None:
            raise errors.BadRequest(
                "Files, batches and training files of your own need a Cloud Storage bucket, and this "
                "deployment has none: set GCS_BUCKET_NAME.",
                code="bucket_not_set",
            )
        self._context = context
        self._bucket, prefix = context.settings.bucket
        self._folder = f"{prefix}{context.owner}/"
        self._shared = tuple(context.settings.routing.file.shared_prefixes)

    def target(self, name: str) -> StorageObject:
        """Return the object with a name."""
        return StorageObject(self._bucket, self._folder + name)

    def id_of(self, target: StorageObject) -> str:
        """Return the file id of an object."""
        return self._context.ids.encode(ids.FILE, target.uri)

    def resolve(self, reference: str) -> StorageObject:
        """Return the object of a file id or a `gs://` URI.

        Raises `NotFound` if the caller has none there.
        """
        target = storage.parse_uri(self._context.ids.decode(ids.FILE, reference) or reference)
        if target is None or target.bucket != self._bucket:
            raise no_such_file(reference)
        if not target.name.startswith((self._folder, *self._shared)):
            raise no_such_file(reference)
        return target

    def name_of(self, target: StorageObject) -> str | None:
        """Return the name of an object in the folder, None for one elsewhere."""
        inside = target.bucket == self._bucket and target.name.startswith(self._folder)
        return target.name.removeprefix(self._folder) if inside else None

    def resource_name(self, resource: JSON) -> str:
        """Return the name of an object from its object resource."""
        return text(resource.get("name")).removeprefix(self._folder)

    def metadata(self, target: StorageObject) -> JSON:
        """Return the object resource; raises `NotFound`."""
        return self._json(storage.get_metadata(target), no_such_file(target.uri))

    def read(self, target: StorageObject) -> Iterator[bytes]:
        """Return an iterator over the bytes of an object; raises `NotFound` immediately."""
        response = self._open(storage.download(target), no_such_file(target.uri))
        return model_calls.iter_response(response, self._context)

    def file_response(self, target: StorageObject, content_type: str) -> Response:
        """Return an object, or the part of it that the client requests, as a response as it comes.

        Raises `NotFound` and `RangeNotSatisfiable` immediately.
        """
        if self._context.head_only:
            return self._file_headers(target, content_type)
        requested = byte_ranges.requested_range(self._context)
        call = storage.download(target, requested.header if requested else None)
        try:
            response = self._open(call, no_such_file(target.uri))
        except errors.RangeNotSatisfiable:
            raise byte_ranges.not_satisfiable(count(self.metadata(target).get("size"))) from None
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"  # it is decoded here
        names = ("Content-Range",) if encoded else ("Content-Range", "Content-Length")
        passed = {name: value for name in names if (value := response.headers.get(name))}
        return Response(
            StreamingBody(model_calls.iter_response(response, self._context), content_type),
            byte_ranges.ACCEPTED | passed,
            206 if "Content-Range" in passed else 200,
        )

    def _file_headers(self, target: StorageObject, content_type: str) -> Response:
        """Return the headers of an object's download without the download."""
        resource = self.metadata(target)
        encoded = text(resource.get("contentEncoding")) not in {"", "identity"}
        length = {} if encoded else {"Content-Length": str(count(resource.get("size")))}
        return Response(StreamingBody(iter(()), content_type), byte_ranges.ACCEPTED | length)

    def read_with_generation(self, target: StorageObject) -> tuple[bytes, int]:
        """Return an object's bytes and generation; raises `NotFound`."""
        headers, content = self.send(storage.download(target), no_such_file(target.uri))
        return content, int(headers.get("x-goog-generation", "0"))

    def insert(
        self, target: StorageObject, content: bytes, expires_at: int | None, generation: int | None
    ) -> None:
        """Write an object of JSON in one call; raises `Conflict` if it has another generation."""
        self.send(storage.insert(target, content, expires_at=expires_at, generation=generation))

    def write_json(self, name: str, value: object) -> None:
        """Write a new object that holds `value`."""
        self.insert(self.target(name), msgspec.json.encode(value), None, 0)

    def upload(
        self, name: str, content_type: str = JSON_LINES, metadata: Mapping[str, str] | None = None
    ) -> Upload:
        """Return an upload of a new object, chunk by chunk."""
        return Upload(self, self.target(name), content_type, dict(metadata or {}))

    def delete(self, target: StorageObject) -> None:
        """Delete an object; raises `NotFound`."""
        self.send(storage.delete(target), no_such_file(target.uri))

    def list(self, prefix: str, start: str = "") -> Iterator[JSON]:
        """Yield the objects whose names begin with `prefix`, sorted by name, from `start` on."""
        first, page_token = self._folder + start if start else "", ""
        while True:
            call = storage.list_objects(self._bucket, self._folder + prefix, first, page_token)
            page = self._json(call)
            yield from items(page.get("items"))
            if not (page_token := text(page.get("nextPageToken"))):
                return

    def send(
        self, call: UpstreamCall, not_found: errors.ApiError | None = None
    ) -> tuple[Mapping[str, str], bytes]:
        """Make a call; returns headers and body. Raises `not_found` at a 404."""
        response = self._open(call, not_found)
        return response.headers, b"".join(model_calls.iter_response(response, self._context))

    def _open(self, call: UpstreamCall, not_found: errors.ApiError | None) -> UpstreamResponse:
        with self._explain_errors(not_found):
            return self._context.transport.open(call, _TARGET, self._context.client)

    def set_metadata(self, target: StorageObject, metadata: Mapping[str, str]) -> JSON:
        """Set an object's own metadata; returns the object resource."""
        return self._json(storage.set_metadata(target, metadata))

    def cancel_upload(self, session: str) -> None:
        """Cancel an upload, whether or not the client is still connected."""
        with suppress(errors.ApiError):  # success is a 499; a session that is left open ends after a week
            self._context.transport.open(storage.cancel_upload(session), _TARGET, ClientConnection()).close()

    def _json(self, call: UpstreamCall, not_found: errors.ApiError | None = None) -> JSON:
        return model_calls.decode_object(self.send(call, not_found)[1])

    @contextmanager
    def _explain_errors(self, not_found: errors.ApiError | None) -> Iterator[None]:
        """Replace Cloud Storage's 403 and 404 by errors that say what to do."""
        try:
            yield
        except errors.NotFound:
            raise not_found or errors.BadRequest(
                f"The bucket {self._bucket!r}, which GCS_BUCKET_NAME names, does not exist.",
                code="bucket_not_found",
            ) from None
        except errors.Forbidden as error:
            raise errors.Forbidden(
                f"This function may not do that in the bucket {self._bucket!r}: its service account needs "
                f"the role roles/storage.objectUser there. Cloud Storage says: {error.message}"
            ) from None


class Upload:
    """Upload of one object. Without `finish`, no object is created.

    `metadata` may change until then: fields of a form can come after its file.
    """

    def __init__(
        self, bucket: Bucket, target: StorageObject, content_type: str, metadata: dict[str, str]
    ) -> None:
        self.metadata = metadata
        self._bucket = bucket
        self._target = target
        self._content_type = content_type
        self._sent_metadata = metadata
        self._session: str | None = None
        self._offset = 0
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session:
            self._bucket.cancel_upload(self._session)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._buffer += data
        while len(self._buffer) > UPLOAD_CHUNK:
            self._send(UPLOAD_CHUNK, last=False)

    def finish(self) -> JSON:
        """Send the rest; returns the object resource."""
        while not (content := self._send(len(self._buffer), last=True)):
            pass
        self._session = None
        if self.metadata != self._sent_metadata:
            return self._bucket.set_metadata(self._target, self.metadata)
        return model_calls.decode_object(content)

    def _send(self, size: int, *, last: bool) -> bytes:
        """Send the first `size` bytes of the buffer.

        The response has content if the object is complete.
        """
        session = self._session or self._start()
        chunk = bytes(memoryview(self._buffer)[:size])
        headers, content = self._bucket.send(storage.upload_chunk(session, chunk, self._offset, last=last))
        if not content:
            stored = storage.stored_bytes(headers) - self._offset
            if stored <= 0:
                raise errors.Unavailable("Cloud Storage did not store the file. Send the request again.")
            del self._buffer[:stored]
            self._offset += stored
        return content

    def _start(self) -> str:
        self._sent_metadata = dict(self.metadata)
        call = storage.start_upload(self._target, self._content_type, self.metadata)
        session = self._bucket.send(call)[0].get("Location")
        if not session:
            raise errors.UpstreamFault("Cloud Storage started an upload and did not say where.")
        self._session = session
        return session


def no_such_file(reference: str) -> errors.NotFound:
    """Return the 404 for a file."""
    return errors.NotFound(f"No such File object: {reference[:300]}", param="id")
