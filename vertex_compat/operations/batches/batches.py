"""`/batches`: OpenAI's batches as Vertex's batch prediction jobs.

A wrong request is refused; a file that is no good makes a batch that has `failed`, with `errors` that name
the lines, and nothing is started. That is what OpenAI does, so it is what its clients look for.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.batches import batch_metadata, batches_schema, input_file, output_file
from vertex_compat.operations.batches.batch_metadata import Batch, BatchMetadata
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.files import files
from vertex_compat.operations.files.bucket import Bucket, token
from vertex_compat.operations.request import body, paging
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON, Model

WINDOW: Final = "24h"
FILES: Final = {output_file.OUTPUT: "output_file_id", output_file.ERRORS: "error_file_id"}

_DAY: Final = 24 * 60 * 60


def create(context: RequestContext) -> Response:
    """Check and translate the file, then start the job."""
    bucket = Bucket(context)
    given = body.drop_nulls(body.decode(context.body, batches_schema.Create))
    endpoint = input_file.endpoint(given["endpoint"])
    source = bucket.find(given["input_file_id"])
    new = token()
    reader = input_file.Reader(endpoint, context.router)
    with (
        bucket.upload(batch_metadata.requests(new)) as requests,
        bucket.upload(batch_metadata.lines(new)) as notes,
    ):
        for translated in reader.translate(files.read(bucket, context, source)):
            requests.write(translated.request)
            notes.write(translated.note)
        if not reader.problems:
            notes.finish()
            requests.finish()
    record = BatchMetadata(
        endpoint=endpoint,
        input_file_id=given["input_file_id"],
        created_at=int(time.time()),
        metadata=given.get("metadata"),
        total=reader.total,
        problems=reader.problems,
    )
    # What is begun is brought to its end, whoever waits for it.
    context = msgspec.structs.replace(context, client=ClientConnection())
    if reader.problems or reader.model is None:
        batch, job = Batch(new, batch_metadata.FAILED), None
        Bucket(context).write_json(batch.name, record)
    else:
        record = msgspec.structs.replace(
            record,
            model=reader.model.requested_name,
            publisher=reader.model.publisher,
            project=reader.model.project,
            account=reader.model.impersonate_account,
        )
        batch, job = _started(new, reader.model, reader.parameters, record, context)
    return Response(_shown(batch, record, job, bucket), model_calls.ignored_header(sorted(reader.ignored)))


def _started(
    new: str, model: Model, parameters: JSON, record: BatchMetadata, context: RequestContext
) -> tuple[Batch, JSON]:
    """Start the job and write the record that is named for it: both, or neither."""
    bucket = Bucket(context)
    names = (batch_metadata.requests(new), batch_metadata.lines(new))
    try:
        source, target = bucket.at(names[0]).uri, bucket.at(batch_metadata.output(new)).uri
        name = f"vertex_compat {new}"
        call = batch_jobs.create(name, _resource(model, context), source, target, parameters)
        job = model_calls.get_json(call, model, context, retries=0)
    except errors.ApiError:
        for name in names:
            with suppress(errors.ApiError):
                bucket.delete(name)
        raise
    batch = batch_metadata.started(new, job)
    try:
        bucket.write_json(batch.name, record)
    except errors.ApiError:
        with suppress(errors.ApiError):
            batch.ask_for(batch_jobs.cancel(batch.number), record, context)
        raise
    return batch, job


def _resource(model: Model, context: RequestContext) -> str:
    """What a job calls the model: where the client names an endpoint, the model that is deployed there."""
    if not model.resource.startswith("endpoints/"):
        return model.resource
    endpoint = model_calls.get_json(batch_jobs.endpoint(model.resource), model, context)
    deployed = endpoint.get("deployedModels") or [{}]
    return str(deployed[0].get("model", model.resource))


def retrieve(context: RequestContext) -> Response:
    """A batch as it stands."""
    return Response(_now(batch_metadata.find(context.path_args["batch"]), Bucket(context), context))


def cancel(context: RequestContext) -> Response:
    """Ask a batch to end. What is answered by then stays."""
    bucket = Bucket(context)
    batch = batch_metadata.find(context.path_args["batch"])
    before = _now(batch, bucket, context)["status"]
    if before in batch_jobs.ENDED:
        raise errors.Conflict(f"Cannot cancel a batch with status '{before}'.", param="batch_id")
    batch.ask_for(batch_jobs.cancel(batch.number), batch.read(bucket), context)
    shown = _now(batch, bucket, context)
    if shown["status"] not in batch_jobs.ENDED:  # Vertex takes its time
        shown["status"] = "cancelling"
    return Response(shown)


def list_batches(context: RequestContext) -> Response:
    """The batches, the newest first: the records' names are in that order."""
    bucket = Bucket(context)
    size = paging.limit(context.query(), 20, 100)
    last = batch_metadata.find(context.query()["after"]) if context.query().get("after") else None
    stored = bucket.list(batch_metadata.RECORDS, last.name if last else "")
    found = (batch for one in stored if (batch := batch_metadata.at(bucket.name(one))) and batch != last)
    with ThreadPoolExecutor(model_calls.MAX_PARALLEL_CALLS) as pool:
        shown = pool.map(lambda batch: _now(batch, bucket, context), islice(found, size + 1))
        return Response(paging.page(shown, size))


def _now(batch: Batch, bucket: Bucket, context: RequestContext) -> JSON:
    record = batch.read(bucket)
    return _shown(batch, record, batch.state(record, context), bucket)


def _shown(batch: Batch, record: BatchMetadata, job: JSON | None, bucket: Bucket) -> JSON:
    """OpenAI's batch object; without a job it has failed before there was one."""
    stands: JSON = {
        "status": "failed",
        "failed_at": record.created_at,
        "errors": {"object": "list", "data": record.problems},
    }
    if job:
        stands = batch_jobs.progress(job, record.total)
    kinds = output_file.kinds(job, record) if job else ()
    times = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": record.endpoint,
        "model": record.model or None,
        "errors": None,
        "input_file_id": record.input_file_id,
        "completion_window": WINDOW,
        "output_file_id": None,
        "error_file_id": None,
        "created_at": record.created_at,
        "expires_at": record.created_at + _DAY,
        **{f"{time}_at": None for time in times},
        "request_counts": {"total": record.total, "completed": 0, "failed": 0},
        "metadata": record.metadata,
        **stands,
        **{FILES[kind]: bucket.at(output_file.Made(batch, kind).name).id for kind in kinds},
    }
