"""The operator's bucket, as files, batches and fine-tuning use it.

Everything that this function reads and writes stands in it under one prefix, and nothing else is touched: a
reference to anything else is not found, whoever else may read it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, Self

import msgspec

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.services import storage
from vertex_compat.services.storage import Object
from vertex_compat.types import JSON, ResourceTarget, UpstreamCall

PIECE: Final = 16 * storage.PIECE
"""Bytes of an upload that are sent at once: 4 MiB, all that an upload holds in memory."""

JSON_LINES: Final = "application/jsonl"

_SITE: Final = ResourceTarget("storage", ("global",))


def token() -> str:
    """A part of a name that no other thing has. What is newer sorts before what is older."""
    milliseconds = int(time.time() * 1000)
    return f"{(1 << 48) - milliseconds:012x}{secrets.token_hex(8)}"


class Bucket:
    """The bucket, for one request; raises `BadRequest` if there is none.

    A `name` is what follows the prefix.
    """

    def __init__(self, context: RequestContext) -> None:
        if context.settings.bucket is None:
            raise errors.BadRequest(
                "Files, batches and training files of your own need a Cloud Storage bucket, and this "
                "deployment has none: set GCS_BUCKET_NAME.",
                code="bucket_not_set",
            )
        self._context = context
        self._bucket, self._prefix = context.settings.bucket
        self._no_bucket = errors.BadRequest(
            f"The bucket {self._bucket!r}, which GCS_BUCKET_NAME names, does not exist.",
            code="bucket_not_found",
        )

    def at(self, name: str) -> Object:
        """The object of a name."""
        return Object(self._bucket, self._prefix + name)

    def find(self, reference: str) -> str:
        """The name of the object that an id or a `gs://` URI means; raises `NotFound` if it is not ours."""
        found = storage.find(reference)
        if found is None or found.bucket != self._bucket or not found.name.startswith(self._prefix):
            raise no_such_file(reference)
        return found.name.removeprefix(self._prefix)

    def stat(self, name: str) -> JSON:
        """What is known of an object; raises `NotFound`."""
        one = self.at(name)
        return self._json(storage.stat(one), no_such_file(one.id))

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of an object as they come; raises `NotFound` at once."""
        one = self.at(name)
        with self._told(no_such_file(one.id)):
            return model_calls.iter_body(storage.download(one), _SITE, self._context)

    def write_json(self, name: str, value: object) -> None:
        """Make an object that holds `value`."""
        with self.upload(name, "application/json") as upload:
            upload.write(msgspec.json.encode(value))
            upload.finish()

    def upload(
        self, name: str, content_type: str = JSON_LINES, metadata: Mapping[str, str] | None = None
    ) -> Upload:
        """Make an object piece by piece."""
        return Upload(self, self.at(name), content_type, dict(metadata or {}))

    def delete(self, name: str) -> None:
        """End an object; raises `NotFound`."""
        one = self.at(name)
        self.send(storage.delete(one), no_such_file(one.id))

    def list(self, begin: str, start: str = "") -> Iterator[JSON]:
        """The objects whose names begin with `begin`, in order, from the name `start` on."""
        prefix, first, page = self._prefix + begin, self._prefix + start if start else "", ""
        while True:
            found = self._json(storage.listing(self._bucket, prefix, first, page))
            yield from found.get("items", [])
            if not (page := found.get("nextPageToken", "")):
                return

    def name(self, found: JSON) -> str:
        """The name of an object as Cloud Storage knows it."""
        return str(found["name"]).removeprefix(self._prefix)

    def send(
        self, call: UpstreamCall, missing: errors.ApiError | None = None
    ) -> tuple[Mapping[str, str], bytes]:
        """Make a call; its answer's headers and content. `missing` is what a 404 means."""
        with self._told(missing):
            answer = self._context.transport.open(call, _SITE, self._context.client)
            return answer.headers, b"".join(model_calls.iter_response(answer, self._context))

    def describe(self, one: Object, metadata: Mapping[str, str]) -> JSON:
        """Set an object's metadata."""
        return self._json(storage.describe(one, metadata))

    def abandon(self, session: str) -> None:
        """Give an upload up, whether the client is still there or not."""
        with suppress(errors.ApiError):  # a 499 is how it says yes; what it forgets to end, ends in a week
            self._context.transport.open(storage.abandon(session), _SITE, ClientConnection()).close()

    def _json(self, call: UpstreamCall, missing: errors.ApiError | None = None) -> JSON:
        value: JSON = msgspec.json.decode(self.send(call, missing)[1])
        return value

    @contextmanager
    def _told(self, missing: errors.ApiError | None) -> Iterator[None]:
        """Cloud Storage's refusals, in words that help."""
        try:
            yield
        except errors.NotFound:
            raise missing or self._no_bucket from None
        except errors.Forbidden as error:
            raise errors.Forbidden(
                f"This function may not do that in the bucket {self._bucket!r}: its service account needs "
                f"the role roles/storage.objectUser there. Cloud Storage says: {error.message}"
            ) from None


class Upload:
    """An object in the making. Where `finish` is not reached, there is none."""

    def __init__(self, bucket: Bucket, one: Object, content_type: str, metadata: dict[str, str]) -> None:
        self.metadata = metadata
        self._bucket = bucket
        self._object = one
        self._content_type = content_type
        self._described = metadata
        self._session: str | None = None
        self._sent = 0
        self._held = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session:
            self._bucket.abandon(self._session)

    def write(self, data: bytes) -> None:
        """The next bytes."""
        self._held += data
        while len(self._held) > PIECE:
            self._send(PIECE, last=False)

    def finish(self) -> JSON:
        """The object, as Cloud Storage knows it now."""
        while not (known := self._send(len(self._held), last=True)):
            pass
        self._session = None
        if self.metadata != self._described:  # the client told more after the file
            return self._bucket.describe(self._object, self.metadata)
        made: JSON = msgspec.json.decode(known)
        return made

    def _send(self, size: int, *, last: bool) -> bytes:
        """Send the first `size` of the bytes that are held; the answer's content, where it was the last."""
        session = self._session or self._begun()
        piece = storage.piece(session, bytes(memoryview(self._held)[:size]), self._sent, last=last)
        headers, content = self._bucket.send(piece)
        if not content:
            taken = storage.taken(headers) - self._sent
            if taken <= 0:
                raise errors.Unavailable("Cloud Storage does not take the file.")
            del self._held[:taken]
            self._sent += taken
        return content

    def _begun(self) -> str:
        self._described = dict(self.metadata)
        headers, _ = self._bucket.send(storage.begin(self._object, self._content_type, self.metadata))
        self._session = headers["Location"]
        return self._session


def no_such_file(reference: str) -> errors.NotFound:
    """The 404 of a file."""
    return errors.NotFound(f"No such File object: {reference[:300]}", param="id")
