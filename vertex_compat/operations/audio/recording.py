"""The form of a transcription: its fields, and the recording in memory or in the bucket."""

from __future__ import annotations

import base64
import re
from contextlib import ExitStack, suppress
from typing import Final, Self

from werkzeug.datastructures import Headers
from werkzeug.sansio.multipart import File

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.json_values import count, text
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket, Upload
from vertex_compat.operations.request import multipart
from vertex_compat.publishers import media_types
from vertex_compat.server.client_connection import ClientDisconnected
from vertex_compat.types import JSON

MAX_BYTES: Final = 25 * 1024 * 1024
"""OpenAI's limit of a file; a deployment with a bucket takes larger ones."""

MAX_INLINE_BYTES: Final = 14 * 1024 * 1024
"""Largest file that fits, in base64, into the 20 MB of a request. Larger files go through the bucket."""

MAX_FIELD_BYTES: Final = 65_536

FOLDER: Final = "audio/"

TYPES: Final = ("audio/", "video/mp4", "video/mpeg", "video/quicktime", "video/webm")


class Recording:
    """A recording while it is received and transcribed.

    It leaves no object in the bucket behind.
    """

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._data = bytearray()
        self._mime = ""
        self._name = ""
        self._upload: Upload | None = None
        self._object = ""
        self._uri = ""
        self._size = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the object; safe to call twice."""
        self._stack.close()

    def begin(self, part: File, data: bytes = b"") -> None:
        """Start with the head of the file's part and the first of its bytes.

        Raises `BadRequest` for another kind of file.
        """
        self._name = part.filename
        declared = media_types.normalize(part.headers.get("Content-Type")) or ""
        name_type = media_types.of_name(part.filename) or declared
        # A name such as a.webm can be audio or video; the declared type decides.
        other_kind = name_type.partition("/")[0] != declared.partition("/")[0]
        self._mime = declared if other_kind and declared.startswith(TYPES) else name_type
        self._mime = self._mime or media_types.of_sound(data) or ""
        if not self._mime.startswith(TYPES):
            raise errors.BadRequest(
                "The file is not a known kind of recording: its name should end in .flac, .m4a, .mp3, .mp4, "
                ".mpeg, .mpga, .ogg, .wav or .webm.",
                param="file",
                code="invalid_value",
            )

    def refer(self, reference: str) -> None:
        """Take a file of the caller in the bucket instead: its id or `gs://` URI.

        Raises `BadRequest`.
        """
        bucket = Bucket(self._context)
        try:
            target = bucket.resolve(reference)
            metadata = bucket.metadata(target)
        except errors.NotFound as error:
            raise errors.BadRequest(error.message, param="file", code="invalid_value") from None
        headers = Headers({"Content-Type": text(metadata.get("contentType"))})
        self.begin(File("file", target.name, headers))
        self._uri, self._size = target.uri, count(metadata.get("size"))

    def write(self, data: bytes) -> None:
        """Take the next bytes; raises `PayloadTooLarge`."""
        self._size += len(data)
        if self._upload:
            self._upload.write(data)
            return
        self._data += data
        if len(self._data) > MAX_INLINE_BYTES and self._context.settings.bucket:
            self._move_to_bucket()
        elif len(self._data) > MAX_BYTES:
            raise errors.PayloadTooLarge(
                f"The file has more than {MAX_BYTES} bytes. Larger files need a Cloud Storage bucket: set "
                "GCS_BUCKET_NAME.",
                param="file",
            )

    def _move_to_bucket(self) -> None:
        bucket = Bucket(self._context)
        ending = re.search(r"\.[A-Za-z0-9]{1,8}$", self._name)
        self._object = f"{FOLDER}{new_token()}{ending[0] if ending else ''}"
        self._upload = self._stack.enter_context(bucket.upload(self._object, self._mime))
        self._upload.write(bytes(self._data))
        self._data.clear()

    def finish(self) -> JSON:
        """Return the recording as a `TranscriptionAdapter` takes it: base64, or a `gs://` URI."""
        if self._upload:
            bucket = Bucket(self._context)
            self._upload.finish()
            self._stack.callback(self._delete, bucket)
            self._upload, self._uri = None, bucket.target(self._object).uri
        if self._uri:
            return {"mime": self._mime, "size": self._size, "uri": self._uri}
        if not self._data:
            if self._mime:
                raise errors.BadRequest("The file is empty.", param="file", code="invalid_value")
            raise errors.missing_parameter("file")
        return {
            "mime": self._mime,
            "size": self._size,
            "data": base64.b64encode(self._data).decode(),
            "storable": self._context.settings.bucket is not None,
        }

    def store(self) -> JSON:
        """Return the recording as an object of the bucket; raises `BadRequest` without a bucket."""
        if self._context.settings.bucket is None:
            raise errors.BadRequest(
                "This model reads a large recording, or one whose speakers it separates, from Cloud Storage: "
                "set GCS_BUCKET_NAME.",
                param="file",
                code="bucket_not_set",
            )
        if not self._uri:
            self._move_to_bucket()
        return self.finish()

    def _delete(self, bucket: Bucket) -> None:
        """Delete the object; one that cannot be deleted is left to the bucket's lifecycle rules."""
        with suppress(errors.ApiError, ClientDisconnected):
            bucket.delete(bucket.target(self._object))


def read(context: RequestContext, recording: Recording) -> multipart.Form:
    """Read the form; `recording` receives the file."""
    form = multipart.Form({}, {})
    texts: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    file: File | None = None
    for part, data, more in multipart.iter_parts(context, context.iter_body()):
        name = part.name or ""
        if isinstance(part, File):
            if name != "file":
                form.files[name.removesuffix("[]")] = [multipart.UploadedFile(part.filename, "", b"")]
                continue
            if file is None:
                recording.begin(part, data)
                file = part
            if part is not file:
                raise multipart.several_files(name)
            recording.write(data)
            continue
        texts[name] = texts.get(name, "") + data.decode("utf-8", "replace")
        if len(texts[name]) > MAX_FIELD_BYTES:
            raise errors.PayloadTooLarge(
                f"The field {name[:64]!r} has more than {MAX_FIELD_BYTES} bytes.", param=name
            )
        if not more:
            text = texts.pop(name)
            if name == "file" and text:
                recording.refer(text)
            elif name.endswith("[]"):
                lists.setdefault(name.removesuffix("[]"), []).append(text)
            else:
                form.fields[name.partition("[")[0]] = text
    return multipart.Form(form.fields | lists, form.files)
