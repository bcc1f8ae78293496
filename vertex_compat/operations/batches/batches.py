"""`/batches`: OpenAI's batches as Vertex AI's batch prediction jobs.

A wrong request is refused. A wrong file makes a batch with the status `failed`, whose `errors` name the
lines, and starts no job. OpenAI does the same, and its clients look there.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, cast

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.operations import model_calls
from vertex_compat.operations.batches import (
    batch_metadata,
    batches_schema,
    input_file,
    job_start,
    output_file,
)
from vertex_compat.operations.batches.batch_metadata import OPENAI, Batch, BatchMetadata
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.files import files
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.operations.request import body, paging
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire
    from vertex_compat.services.answer_types import BatchError, BatchProgress

COMPLETION_WINDOW: Final = "24h"
FILE_KEYS: Final[dict[str, Literal["output_file_id", "error_file_id"]]] = {
    output_file.OUTPUT: "output_file_id",
    output_file.ERRORS: "error_file_id",
}

_DAY_SECONDS: Final = 24 * 60 * 60


def create(context: RequestContext) -> Response:
    """Check and translate the file, then start the job."""
    bucket = Bucket(context)
    params = body.drop_nulls(body.decode(context.body, batches_schema.Create))
    endpoint = input_file.parse_endpoint(params["endpoint"])
    source = bucket.resolve(params["input_file_id"])
    token = new_token()
    reader = input_file.InputReader(endpoint, context)
    translated = reader.translate(files.read(bucket, context, source))
    job_start.upload(token, translated, reader.rows, "input_file_id", context, reader.problems)
    metadata = BatchMetadata(
        endpoint=endpoint,
        input_file_id=params["input_file_id"],
        created_at=int(time.time()),
        metadata=params.get("metadata"),
        total=reader.rows.total,
        problems=reader.problems,
    )
    context = job_start.without_client(context)
    if reader.problems or reader.rows.model is None:
        batch, job = Batch(token, batch_metadata.FAILED), None
        Bucket(context).write_json(batch.name, metadata)
    else:
        batch, metadata, job = job_start.start(token, OPENAI, reader.rows, metadata, context)
    batch_object = _batch_object(batch, metadata, job, context)
    return Response(batch_object, model_calls.ignored_header(sorted(reader.rows.ignored)))


def retrieve(context: RequestContext) -> Response:
    """Return a batch in its current state."""
    return Response(_current(batch_metadata.from_id(context.path_args["batch"], context.ids), context))


def cancel(context: RequestContext) -> Response:
    """Cancel a batch. Responses that were written by then stay."""
    bucket = Bucket(context)
    batch = batch_metadata.from_id(context.path_args["batch"], context.ids)
    status = _current(batch, context)["status"]
    if status in batch_jobs.END_STATES:
        raise errors.Conflict(f"Cannot cancel a batch with status '{status}'.", param="batch_id")
    batch.call_job(batch_jobs.cancel(batch.job_id), batch.read(bucket, context), context)
    batch_object = _current(batch, context)
    if batch_object["status"] not in batch_jobs.END_STATES:  # the job's state follows later
        batch_object["status"] = "cancelling"
    return Response(batch_object)


def list_batches(context: RequestContext) -> Response:
    """List the caller's batches, newest first, which is the order of their names."""
    bucket = Bucket(context)
    size = paging.limit(context.query(), 20, 100)
    last_id = context.query().get("after")
    last = batch_metadata.from_id(last_id, context.ids) if last_id else None
    resources = bucket.list(OPENAI.folder, last.name if last else "")
    names = (batch_metadata.from_name(bucket.resource_name(resource)) for resource in resources)
    batches = (batch for batch in names if batch and batch != last)
    with ThreadPoolExecutor(model_calls.MAX_PARALLEL_CALLS) as pool:
        batch_objects = pool.map(lambda batch: _current(batch, context), islice(batches, size + 1))
        return Response(paging.page(batch_objects, size))


def _current(batch: Batch, context: RequestContext) -> wire.Batch:
    metadata = batch.read(Bucket(context), context)
    return _batch_object(batch, metadata, batch.get_job(metadata, context), context)


def _batch_object(
    batch: Batch, metadata: BatchMetadata, job: JSON | None, context: RequestContext
) -> wire.Batch:
    """Return OpenAI's batch object. Without a job, the batch failed before one was started."""
    progress = batch_jobs.progress(job, metadata.total) if job else _failed_progress(metadata)
    bucket = Bucket(context)
    kinds = output_file.kinds(job, metadata) if job else ()
    batch_object: wire.Batch = {
        "id": batch.id(context.ids),
        "object": "batch",
        "endpoint": metadata.endpoint,
        "model": metadata.model or None,
        "input_file_id": metadata.input_file_id,
        "completion_window": COMPLETION_WINDOW,
        "output_file_id": None,
        "error_file_id": None,
        "created_at": metadata.created_at,
        "expires_at": metadata.created_at + _DAY_SECONDS,
        "finalizing_at": None,
        "metadata": metadata.metadata,
        **progress,
    }
    for kind in kinds:
        name = output_file.VirtualFile(batch, kind).name
        batch_object[FILE_KEYS[kind]] = bucket.id_of(bucket.target(name))
    return batch_object


def _failed_progress(metadata: BatchMetadata) -> BatchProgress:
    return {
        "status": "failed",
        "request_counts": {"total": metadata.total, "completed": 0, "failed": 0},
        "errors": {"object": "list", "data": cast("list[BatchError]", metadata.problems)},
        "in_progress_at": None,
        "completed_at": None,
        "failed_at": metadata.created_at,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
    }
