"""The start of a batch: its input in the bucket, its job, and its metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import items, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.batches import batch_metadata
from vertex_compat.operations.batches.batch_metadata import Batch, BatchKind, BatchMetadata
from vertex_compat.operations.batches.row_translator import RowTranslator, Translated
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON, Model


def upload(
    token: str,
    translated: Iterable[Translated],
    rows: RowTranslator,
    param: str,
    context: RequestContext,
    problems: Sequence[object] = (),
) -> None:
    """Write the input of a job.

    Nothing is stored after an error, or if there are `problems` at the end. `param` names the client's
    parameter that holds the requests.
    """
    bucket = Bucket(context)
    with (
        bucket.upload(batch_metadata.requests_name(token)) as requests,
        bucket.upload(batch_metadata.lines_name(token)) as lines,
    ):
        for row in translated:
            requests.write(row.request)
            lines.write(row.line)
        if rows.model and rows.model.model_armor:
            raise errors.Forbidden(
                f"{rows.model.requested_name!r} is checked by Model Armor, which does not check batches.",
                param=param,
            )
        if not problems:
            lines.finish()
            requests.finish()


def without_client(context: RequestContext) -> RequestContext:
    """Return a context whose calls go on if the client leaves.

    With it, job and metadata are made both or not at all.
    """
    return msgspec.structs.replace(context, client=ClientConnection())


def start(
    token: str, kind: BatchKind, rows: RowTranslator, metadata: BatchMetadata, context: RequestContext
) -> tuple[Batch, BatchMetadata, JSON]:
    """Start the job and write its metadata.

    If the metadata cannot be written, the job is cancelled.
    """
    model = rows.model
    if model is None:
        raise errors.BadRequest("The batch has no requests.")
    metadata = msgspec.structs.replace(
        metadata,
        model=model.requested_name,
        publisher=model.publisher,
        project=model.project,
        account=model.impersonate_account,
    )
    job = _start_job(token, model, rows.parameters, context)
    batch = batch_metadata.from_job(token, job, kind)
    try:
        Bucket(context).write_json(batch.name, metadata)
    except errors.ApiError:
        with suppress(errors.ApiError):
            batch.call_job(batch_jobs.cancel(batch.job_id), metadata, context)
        raise
    return batch, metadata, job


def _start_job(token: str, model: Model, parameters: JSON, context: RequestContext) -> JSON:
    """Return the job. If it cannot be started, its input is deleted."""
    bucket = Bucket(context)
    source = bucket.target(batch_metadata.requests_name(token))
    try:
        call = batch_jobs.create(
            name=f"vertex_compat {token}",
            model=_job_model(model, context),
            source=source.uri,
            target=bucket.target(batch_metadata.output_prefix(token)).uri,
            parameters=parameters,
            owner=context.owner,
        )
        return model_calls.get_json(call, model, context, retries=0)
    except errors.ApiError:
        for target in (source, bucket.target(batch_metadata.lines_name(token))):
            with suppress(errors.ApiError):
                bucket.delete(target)
        raise


def _job_model(model: Model, context: RequestContext) -> str:
    """Return the model's name for a job; for an endpoint, the name of its deployed model."""
    if not model.resource.startswith("endpoints/"):
        return model.resource
    endpoint = model_calls.get_json(batch_jobs.get_endpoint(model.resource), model, context)
    deployed = items(endpoint.get("deployedModels"))
    return (text(deployed[0].get("model")) if deployed else "") or model.resource
