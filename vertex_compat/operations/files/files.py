"""`/files`: objects in the caller's folder of the bucket, and the results of its batches.

Uploads and downloads pass through in chunks. An id holds the object's URI; where the API takes an id, the
object's `gs://` URI is accepted as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Unpack

from werkzeug.sansio.multipart import File

from vertex_compat import errors, vertex
from vertex_compat.ids import new_token
from vertex_compat.json_values import count, mapping, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.batches import output_file
from vertex_compat.operations.context import RequestContext, Response, StreamingBody
from vertex_compat.operations.files.bucket import Bucket, Upload, no_such_file
from vertex_compat.operations.request import multipart, paging
from vertex_compat.services.storage import StorageObject
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire

FOLDER: Final = "files/"

PURPOSES: Final = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")

MAX_LISTED: Final = 10_000

_MAX_FIELD_LENGTH: Final = 1024


def create(context: RequestContext) -> Response:
    """Upload a file. An upload that is wrong or incomplete stores nothing."""
    bucket = Bucket(context)
    fields: dict[str, str] = {}
    upload: Upload | None = None
    file: File | None = None
    with ExitStack() as stack:
        for part, data, _ in multipart.iter_parts(context, context.iter_body()):
            name = part.name or ""
            if isinstance(part, File) and name == "file":
                if upload is None:
                    upload = stack.enter_context(_start_upload(bucket, part, fields))
                    file = part
                if part is not file:
                    raise multipart.several_files(name)
                upload.write(data)
            elif len(value := fields.get(name, "")) <= _MAX_FIELD_LENGTH:
                fields[name] = value + data.decode("utf-8", "replace")
        purpose = _purpose(fields.get("purpose"))
        if upload is None:
            raise errors.missing_parameter("file")
        upload.metadata["purpose"] = purpose
        resource = upload.finish()
    expires = any(name.startswith("expires_after") for name in fields)  # a rule of the bucket can do that
    return Response(_file(bucket, resource), model_calls.ignored_header(["expires_after"] if expires else ()))


def _start_upload(bucket: Bucket, part: File, fields: dict[str, str]) -> Upload:
    if len(part.filename) > _MAX_FIELD_LENGTH:
        reason = f"The name of the file has more than {_MAX_FIELD_LENGTH} characters."
        raise errors.BadRequest(reason, param="file")
    metadata = {"filename": part.filename}
    if "purpose" in fields:
        metadata["purpose"] = _purpose(fields["purpose"])
    # Models take the type of a file from its extension.
    extension = re.search(r"\.[A-Za-z0-9]{1,8}$", part.filename)
    name = f"{FOLDER}{new_token()}{extension[0] if extension else ''}"
    content_type = part.headers.get("Content-Type") or "application/octet-stream"
    return bucket.upload(name, content_type, metadata)


def _purpose(value: str | None) -> str:
    if value is None:
        raise errors.missing_parameter("purpose")
    if value not in PURPOSES:
        raise errors.BadRequest(
            f"Invalid value for 'purpose': expected one of {', '.join(PURPOSES)}.",
            param="purpose",
            code="invalid_value",
        )
    return value


def list_files(context: RequestContext) -> Response:
    """List the caller's uploaded files, newest first by default."""
    bucket = Bucket(context)
    query = context.query()
    size = paging.limit(query, MAX_LISTED, MAX_LISTED)
    if paging.order(query) == "asc":
        oldest_first = reversed(list(_iter_files(bucket, query.get("purpose"))))
        return Response(paging.page(paging.after(oldest_first, query), size))
    last_id = query.get("after")
    start = bucket.name_of(bucket.resolve(last_id)) or "" if last_id else ""
    files = _iter_files(bucket, query.get("purpose"), start)
    return Response(paging.page((file for file in files if file["id"] != last_id), size))


def _iter_files(bucket: Bucket, purpose: str | None, start: str = "") -> Iterator[wire.FileObject]:
    """Yield the files, newest first, which is the order of their names."""
    for resource in bucket.list(FOLDER, start):
        file = _file(bucket, resource)
        if purpose in {None, file["purpose"]}:
            yield file


def retrieve(context: RequestContext) -> Response:
    """Return one file's metadata."""
    bucket = Bucket(context)
    target = bucket.resolve(context.path_args["file"])
    if virtual_file := _virtual_file(bucket, target):
        return Response(_file_object(bucket.id_of(target), **virtual_file.metadata(bucket, context)))
    return Response(_file(bucket, bucket.metadata(target), target))


def content(context: RequestContext) -> Response:
    """Return the bytes of a file."""
    bucket = Bucket(context)
    target = bucket.resolve(context.path_args["file"])
    if virtual_file := _virtual_file(bucket, target):
        return Response(StreamingBody(virtual_file.read(bucket, context)))
    return bucket.file_response(target, "application/octet-stream")


def read(bucket: Bucket, context: RequestContext, target: StorageObject) -> Iterator[bytes]:
    """Return an iterator over the bytes of an uploaded file or a batch's results.

    Raises `NotFound`.
    """
    if virtual_file := _virtual_file(bucket, target):
        return virtual_file.read(bucket, context)
    return bucket.read(target)


def delete(context: RequestContext) -> Response:
    """Delete an uploaded file."""
    bucket = Bucket(context)
    target = bucket.resolve(context.path_args["file"])
    if _virtual_file(bucket, target):
        raise errors.BadRequest(
            "The result files of a batch are made when they are read, so they cannot be deleted. "
            "Delete what Vertex AI wrote in the bucket instead.",
            param="id",
        )
    if not (bucket.name_of(target) or "").startswith(FOLDER):
        raise no_such_file(context.path_args["file"])
    bucket.delete(target)
    deletion: wire.FileDeleted = {"id": bucket.id_of(target), "object": "file", "deleted": True}
    return Response(deletion)


def _virtual_file(bucket: Bucket, target: StorageObject) -> output_file.VirtualFile | None:
    return output_file.find(bucket.name_of(target) or "")


def _file(bucket: Bucket, resource: JSON, target: StorageObject | None = None) -> wire.FileObject:
    """Return OpenAI's file object for an object, by default one in the caller's folder."""
    name = bucket.resource_name(resource)
    metadata = mapping(resource.get("metadata"))
    return _file_object(
        bucket.id_of(target or bucket.target(name)),
        bytes=count(resource.get("size")),
        created_at=vertex.seconds(resource.get("timeCreated")),
        filename=text(metadata.get("filename")) or name.rpartition("/")[2],
        purpose=text(metadata.get("purpose")) or "user_data",
    )


def _file_object(file_id: str, **metadata: Unpack[wire.FileMetadata]) -> wire.FileObject:
    return {
        "id": file_id,
        "object": "file",
        **metadata,
        "status": "processed",
        "expires_at": None,
        "status_details": None,
    }
