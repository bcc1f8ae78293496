"""`/files`: objects in the operator's bucket, and what the requests of a batch were answered.

Uploads and downloads pass through piece by piece. An id says where its object is; wherever the API takes an
id, it takes the object's `gs://` URI too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from werkzeug.sansio.multipart import File

from vertex_compat import errors, vertex
from vertex_compat.operations import model_calls
from vertex_compat.operations.batches import output_file
from vertex_compat.operations.context import RequestContext, Response, StreamingBody
from vertex_compat.operations.files.bucket import Bucket, Upload, no_such_file, token
from vertex_compat.operations.request import multipart, paging
from vertex_compat.types import JSON

FOLDER: Final = "files/"

PURPOSES: Final = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")

MAX_LISTED: Final = 10_000

_MAX_FIELD: Final = 1024


def create(context: RequestContext) -> Response:
    """Store an upload while it comes. One that breaks off, or that is wrong, leaves nothing."""
    bucket = Bucket(context)
    fields: dict[str, str] = {}
    upload: Upload | None = None
    with ExitStack() as stack:
        for part, data, _ in multipart.iter_parts(context, context.iter_body()):
            name = part.name or ""
            if isinstance(part, File) and name == "file":
                if upload is None:
                    upload = stack.enter_context(_begun(bucket, part, fields))
                upload.write(data)
            elif len(known := fields.get(name, "")) <= _MAX_FIELD:
                fields[name] = known + data.decode("utf-8", "replace")
        purpose = _purpose(fields.get("purpose"))
        if upload is None:
            raise _missing("file")
        upload.metadata["purpose"] = purpose
        stored = upload.finish()
    expires = any(name.startswith("expires_after") for name in fields)  # a bucket's rules say what does
    return Response(_file(bucket, stored), model_calls.ignored_header(["expires_after"] if expires else ()))


def _begun(bucket: Bucket, part: File, fields: dict[str, str]) -> Upload:
    if len(part.filename) > _MAX_FIELD:
        raise errors.BadRequest(f"The name of the file has more than {_MAX_FIELD} characters.", param="file")
    metadata = {"filename": part.filename}
    if "purpose" in fields:
        metadata["purpose"] = _purpose(fields["purpose"])
    # The ending stays: by it a model knows what kind of file it is given.
    ending = re.search(r"\.[A-Za-z0-9]{1,8}$", part.filename)
    name = f"{FOLDER}{token()}{ending[0] if ending else ''}"
    content_type = part.headers.get("Content-Type") or "application/octet-stream"
    return bucket.upload(name, content_type, metadata)


def _purpose(given: str | None) -> str:
    if given is None:
        raise _missing("purpose")
    if given not in PURPOSES:
        raise errors.BadRequest(
            f"Invalid value for 'purpose': expected one of {', '.join(PURPOSES)}.",
            param="purpose",
            code="invalid_value",
        )
    return given


def _missing(name: str) -> errors.BadRequest:
    return errors.BadRequest(
        f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
    )


def list_files(context: RequestContext) -> Response:
    """The uploaded files, the newest first unless the client says otherwise."""
    bucket = Bucket(context)
    size = paging.limit(context.query(), MAX_LISTED, MAX_LISTED)
    last = context.query().get("after")
    if context.query().get("order") == "asc":
        return Response(
            paging.page(paging.after(reversed(list(_files(bucket, context))), context.query()), size)
        )
    start = bucket.find(last) if last else ""
    newest = (file for file in _files(bucket, context, start) if file["id"] != last)
    return Response(paging.page(newest, size))


def _files(bucket: Bucket, context: RequestContext, start: str = "") -> Iterator[JSON]:
    """The files, the newest first: their names are in that order."""
    for stored in bucket.list(FOLDER, start):
        file = _file(bucket, stored)
        if context.query().get("purpose", file["purpose"]) == file["purpose"]:
            yield file


def retrieve(context: RequestContext) -> Response:
    """What is known of a file."""
    bucket = Bucket(context)
    name = bucket.find(context.path_args["file"])
    if made := output_file.find(name):
        return Response(_known(bucket, name, **made.about(bucket, context)))
    return Response(_file(bucket, bucket.stat(name)))


def content(context: RequestContext) -> Response:
    """The bytes of a file."""
    bucket = Bucket(context)
    return Response(StreamingBody(read(bucket, context, bucket.find(context.path_args["file"]))))


def read(bucket: Bucket, context: RequestContext, name: str) -> Iterator[bytes]:
    """The bytes of a file, stored or made; raises `NotFound` at once."""
    if made := output_file.find(name):
        return made.read(bucket, context)
    return bucket.read(name)


def delete(context: RequestContext) -> Response:
    """Delete a file. What is made when it is read cannot be."""
    bucket = Bucket(context)
    name = bucket.find(context.path_args["file"])
    if output_file.find(name):
        raise errors.BadRequest(
            "The files of a batch's results are made when they are read, so they cannot be deleted. "
            "Delete what Vertex AI wrote in the bucket instead.",
            param="id",
        )
    if not name.startswith(FOLDER):
        raise no_such_file(context.path_args["file"])
    bucket.delete(name)
    return Response({"id": bucket.at(name).id, "object": "file", "deleted": True})


def _file(bucket: Bucket, stored: JSON) -> JSON:
    """OpenAI's file object of an object."""
    name = bucket.name(stored)
    metadata = stored.get("metadata", {})
    return _known(
        bucket,
        name,
        bytes=int(stored["size"]),
        created_at=vertex.seconds(stored["timeCreated"]),
        filename=metadata.get("filename") or name.rpartition("/")[2],
        purpose=metadata.get("purpose") or "user_data",
    )


def _known(bucket: Bucket, name: str, **about: int | str) -> JSON:
    return {
        "id": bucket.at(name).id,
        "object": "file",
        **about,
        "status": "processed",
        "expires_at": None,
        "status_details": None,
    }
