"""`/messages/batches`: Anthropic's Message Batches as Vertex AI's batch prediction jobs.

https://platform.claude.com/docs/en/api/messages/batches. All requests are checked before the job is started,
and go to one model: a job of Vertex AI has one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.error_formats import ANTHROPIC as ANTHROPIC_ERRORS
from vertex_compat.ids import new_token
from vertex_compat.json_values import member, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.batches import batch_metadata, batches_schema, job_start, results
from vertex_compat.operations.batches.batch_metadata import ANTHROPIC, Batch, BatchMetadata
from vertex_compat.operations.batches.results import BatchResult
from vertex_compat.operations.batches.row_translator import RowTranslator, Translated
from vertex_compat.operations.context import RequestContext, Response, StreamingBody
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.operations.request import body, own_url, paging
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations.messages import answer_types as wire
    from vertex_compat.services.answer_types import BatchRequestCounts

ENDPOINT: Final = "/v1/messages"
DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 1000

MAX_PAGE: Final = 100
"""Batches of one page, each of which takes a call to Vertex AI. Anthropic's clients read on by `has_more`."""

RESULTS_TYPE: Final = "application/x-jsonl"

_DAY_SECONDS: Final = 24 * 60 * 60
_UNANSWERED: Final[dict[str, Literal["canceled", "expired"]]] = {
    "cancelled": "canceled",
    "expired": "expired",
}
"""Status of an ended batch → the result of its requests without a response. Any other is `errored`."""


def create(context: RequestContext) -> Response:
    """Check and translate the requests, then start the job."""
    Bucket(context)  # raises if none is set
    params = body.decode(context.body, batches_schema.CreateMessageBatch)
    token = new_token()
    rows = RowTranslator(ENDPOINT, context)
    job_start.upload(token, _translate(params["requests"], rows), rows, "requests", context)
    metadata = BatchMetadata(endpoint=ENDPOINT, created_at=int(time.time()), total=rows.total)
    context = job_start.without_client(context)
    batch, metadata, job = job_start.start(token, ANTHROPIC, rows, metadata, context)
    ignored = sorted(rows.ignored | (params.keys() - {"requests"}))
    return Response(_batch_object(batch, metadata, job, context), model_calls.ignored_header(ignored))


def _translate(requests: list[JSON], rows: RowTranslator) -> Iterator[Translated]:
    for number, request in enumerate(requests):
        position = f"requests[{number}]"
        try:
            yield rows.translate(request["custom_id"], msgspec.json.encode(request["params"]), position)
        except errors.ApiError as error:
            _name_param(error, position)
            raise


def _name_param(error: errors.ApiError, position: str) -> None:
    """Make an error about one request name the parameter of the batch."""
    inner = error.param
    if inner == "custom_id":
        error.param = f"{position}.custom_id"
    else:
        error.param = f"{position}.params.{inner or ''}".rstrip(".")
    if inner:
        error.message = error.message.replace(f"'{inner}'", f"'{error.param}'")


def retrieve(context: RequestContext) -> Response:
    """Return a batch in its current state."""
    return Response(_current(_find(context), context))


def list_batches(context: RequestContext) -> Response:
    """List the caller's batches, newest first, which is the order of their names."""
    query = context.query()
    size = min(paging.limit(query, DEFAULT_LIMIT, MAX_LIMIT), MAX_PAGE)
    if before := query.get("before_id"):
        last = batch_metadata.from_id(before, context.ids, ANTHROPIC)
        earlier = list(takewhile(lambda batch: batch.name < last.name, _batches(context)))
        page = paging.anthropic_page(_batch_objects(earlier[-size:], context), size)
        page["has_more"] = len(earlier) > size
    else:
        after = query.get("after_id")
        first = batch_metadata.from_id(after, context.ids, ANTHROPIC) if after else None
        page = paging.anthropic_page(
            _batch_objects(islice(_batches(context, first), size + 1), context), size
        )
    return Response(page)


def _batches(context: RequestContext, after: Batch | None = None) -> Iterator[Batch]:
    bucket = Bucket(context)
    for resource in bucket.list(ANTHROPIC.folder, after.name if after else ""):
        batch = batch_metadata.from_name(bucket.resource_name(resource), ANTHROPIC)
        if batch and batch != after:
            yield batch


def _batch_objects(batches: Iterable[Batch], context: RequestContext) -> list[wire.MessageBatch]:
    """Return the batches in their current state, without those that have just been deleted."""

    def show(batch: Batch) -> wire.MessageBatch | None:
        with suppress(errors.NotFound):
            return _current(batch, context)
        return None

    with ThreadPoolExecutor(model_calls.MAX_PARALLEL_CALLS) as pool:
        return list(filter(None, pool.map(show, batches)))


def cancel(context: RequestContext) -> Response:
    """Cancel a batch. Responses that were written by then stay."""
    bucket = Bucket(context)
    batch = _find(context)
    metadata = batch.read(bucket, context)
    job = _job(batch, metadata, context)
    if batch_jobs.status(job) in batch_jobs.END_STATES:
        raise errors.BadRequest("This batch has ended and cannot be canceled.", param=ANTHROPIC.id_param)
    batch.call_job(batch_jobs.cancel(batch.job_id), metadata, context)
    metadata = replace(metadata, cancelled_at=metadata.cancelled_at or int(time.time()))
    bucket.insert(bucket.target(batch.name), msgspec.json.encode(metadata), None, None)
    return Response(_batch_object(batch, metadata, _job(batch, metadata, context), context))


def delete(context: RequestContext) -> Response:
    """Delete an ended batch with its requests and results.

    Its metadata, which names them, goes last.
    """
    bucket = Bucket(context)
    batch = _find(context)
    if batch_jobs.status(_job(batch, batch.read(bucket, context), context)) not in batch_jobs.END_STATES:
        raise errors.BadRequest(
            "This batch has not ended: cancel it and wait for its end before you delete it.",
            param=ANTHROPIC.id_param,
        )
    names = [bucket.resource_name(item) for item in bucket.list(batch_metadata.data_prefix(batch.token))]
    for name in (*names, batch.name):
        with suppress(errors.NotFound):
            bucket.delete(bucket.target(name))
    deletion: wire.DeletedMessageBatch = {"id": batch.id(context.ids), "type": "message_batch_deleted"}
    return Response(deletion)


def list_results(context: RequestContext) -> Response:
    """Return the results of an ended batch, one line each."""
    batch = _find(context)
    metadata = batch.read(Bucket(context), context)
    job = _job(batch, metadata, context)
    if batch_jobs.status(job) not in batch_jobs.END_STATES:
        raise errors.NotFound(
            "This batch has no results yet: they are there when its 'processing_status' is 'ended'.",
            param=ANTHROPIC.id_param,
        )
    outcomes = results.read(batch, metadata, job, context)
    return Response(StreamingBody((_line(result, job) for result in outcomes), RESULTS_TYPE))


def _find(context: RequestContext) -> Batch:
    return batch_metadata.from_id(context.path_args["batch"], context.ids, ANTHROPIC)


def _job(batch: Batch, metadata: BatchMetadata, context: RequestContext) -> JSON:
    return batch.get_job(metadata, context) or {}


def _current(batch: Batch, context: RequestContext) -> wire.MessageBatch:
    metadata = batch.read(Bucket(context), context)
    return _batch_object(batch, metadata, _job(batch, metadata, context), context)


def _batch_object(
    batch: Batch, metadata: BatchMetadata, job: JSON, context: RequestContext
) -> wire.MessageBatch:
    progress = batch_jobs.progress(job, metadata.total)
    status = progress["status"]
    id_ = batch.id(context.ids)
    has_ended = status in batch_jobs.END_STATES
    ended_at = batch_jobs.end_time(job) or metadata.created_at
    in_process: Literal["canceling", "in_progress"] = (
        "canceling" if metadata.cancelled_at or status == "cancelling" else "in_progress"
    )
    return {
        "id": id_,
        "type": "message_batch",
        "processing_status": "ended" if has_ended else in_process,
        "request_counts": _counts(progress["request_counts"], status),
        "created_at": _time(metadata.created_at),
        "expires_at": _time(metadata.created_at + _DAY_SECONDS),
        "cancel_initiated_at": _time(metadata.cancelled_at) if metadata.cancelled_at else None,
        "ended_at": _time(ended_at) if has_ended else None,
        "archived_at": None,
        "results_url": own_url.of(f"/v1/messages/batches/{id_}/results", context) if has_ended else None,
    }


def _counts(counts: BatchRequestCounts, status: str) -> wire.MessageBatchRequestCounts:
    """Return Anthropic's counts: all requests are in process until the batch has ended."""
    answer: wire.MessageBatchRequestCounts = {
        "processing": 0,
        "succeeded": 0,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    }
    if status not in batch_jobs.END_STATES:
        answer["processing"] = counts["total"]
        return answer
    answer["succeeded"] = counts["completed"]
    answer["errored"] = counts["failed"]
    outcome: Literal["canceled", "errored", "expired"] = _UNANSWERED.get(status, "errored")
    answer[outcome] += counts["total"] - counts["completed"] - counts["failed"]
    return answer


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _line(result: BatchResult, job: JSON) -> bytes:
    line: wire.MessageBatchIndividualResponse = {
        "custom_id": result.custom_id,
        "result": _result(result, job),
    }
    return msgspec.json.encode(line) + b"\n"


def _result(result: BatchResult, job: JSON) -> wire.MessageBatchResult:
    if result.response is not None:
        return {"type": "succeeded", "message": result.response}
    if result.error is None and (kind := _UNANSWERED.get(batch_jobs.status(job))):
        return {"type": kind}
    error = result.error or errors.UpstreamFault(_reason(job))
    return {"type": "errored", "error": ANTHROPIC_ERRORS.body(error, "")}


def _reason(job: JSON) -> str:
    """Return why a job that was neither cancelled nor expired has no response to a request."""
    return text(member(job, "error").get("message")) or "Vertex AI wrote no response to this request."
