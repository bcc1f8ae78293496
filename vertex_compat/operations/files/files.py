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
from vertex_compat.operations.context import Ask, Download, Reply
from vertex_compat.operations.files.bucket import Bucket, Upload, no_such_file, token
from vertex_compat.operations.request import multipart, paging
from vertex_compat.types import JSON

FOLDER: Final = "files/"

PURPOSES: Final = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")

MOST_LISTED: Final = 10_000

_LONGEST_FIELD: Final = 1024


def create(ask: Ask) -> Reply:
    """Store an upload while it comes. One that breaks off, or that is wrong, leaves nothing."""
    bucket = Bucket(ask)
    fields: dict[str, str] = {}
    upload: Upload | None = None
    with ExitStack() as stack:
        for part, data, _ in multipart.pieces(ask, ask.blocks()):
            name = part.name or ""
            if isinstance(part, File) and name == "file":
                if upload is None:
                    upload = stack.enter_context(_begun(bucket, part, fields))
                upload.write(data)
            elif len(known := fields.get(name, "")) <= _LONGEST_FIELD:
                fields[name] = known + data.decode("utf-8", "replace")
        purpose = _purpose(fields.get("purpose"))
        if upload is None:
            raise _missing("file")
        upload.metadata["purpose"] = purpose
        stored = upload.finish()
    expires = any(name.startswith("expires_after") for name in fields)  # a bucket's rules say what does
    return Reply(_file(bucket, stored), model_calls.ignored(["expires_after"] if expires else ()))


def _begun(bucket: Bucket, part: File, fields: dict[str, str]) -> Upload:
    if len(part.filename) > _LONGEST_FIELD:
        raise errors.BadRequest(
            f"The name of the file has more than {_LONGEST_FIELD} characters.", param="file"
        )
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


def list_files(ask: Ask) -> Reply:
    """The uploaded files, the newest first unless the client says otherwise."""
    bucket = Bucket(ask)
    size = paging.limit(ask.query(), MOST_LISTED, MOST_LISTED)
    last = ask.query().get("after")
    if ask.query().get("order") == "asc":
        return Reply(paging.page(paging.after(reversed(list(_files(bucket, ask))), ask.query()), size))
    start = bucket.find(last) if last else ""
    newest = (file for file in _files(bucket, ask, start) if file["id"] != last)
    return Reply(paging.page(newest, size))


def _files(bucket: Bucket, ask: Ask, start: str = "") -> Iterator[JSON]:
    """The files, the newest first: their names are in that order."""
    for stored in bucket.list(FOLDER, start):
        file = _file(bucket, stored)
        if ask.query().get("purpose", file["purpose"]) == file["purpose"]:
            yield file


def retrieve(ask: Ask) -> Reply:
    """What is known of a file."""
    bucket = Bucket(ask)
    name = bucket.find(ask.arguments["file"])
    if made := output_file.find(name):
        return Reply(_known(bucket, name, **made.about(bucket, ask)))
    return Reply(_file(bucket, bucket.stat(name)))


def content(ask: Ask) -> Reply:
    """The bytes of a file."""
    bucket = Bucket(ask)
    return Reply(Download(read(bucket, ask, bucket.find(ask.arguments["file"]))))


def read(bucket: Bucket, ask: Ask, name: str) -> Iterator[bytes]:
    """The bytes of a file, stored or made; raises `NotFound` at once."""
    if made := output_file.find(name):
        return made.read(bucket, ask)
    return bucket.read(name)


def delete(ask: Ask) -> Reply:
    """Delete a file. What is made when it is read cannot be."""
    bucket = Bucket(ask)
    name = bucket.find(ask.arguments["file"])
    if output_file.find(name):
        raise errors.BadRequest(
            "The files of a batch's results are made when they are read, so they cannot be deleted. "
            "Delete what Vertex AI wrote in the bucket instead.",
            param="id",
        )
    if not name.startswith(FOLDER):
        raise no_such_file(ask.arguments["file"])
    bucket.delete(name)
    return Reply({"id": bucket.at(name).id, "object": "file", "deleted": True})


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
