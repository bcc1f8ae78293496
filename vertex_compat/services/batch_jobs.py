"""The input and output lines of Vertex AI's batch prediction jobs.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini and
https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/batch. Rows are written in any
order. A request comes back with its response, maybe in the proto's spelling and with defaults filled in. So
each request carries a key in a field that neither side changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from vertex_compat import vertex
from vertex_compat.json_values import count, member, text
from vertex_compat.types import JSON, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.services import answer_types as wire
    from vertex_compat.services import request_types as requests

LINE_LABEL: Final = "vertex-compat-line"
"""Label with the key of a request to Gemini, whose body has no other field for one."""

OWNER_LABEL: Final = "vertex-compat-owner"
"""Label with the owner of a job."""

_SNAKE_CASE: Final = {"outputDimensionality": "output_dimensionality", "taskType": "task_type"}

STATUS: Final[dict[str, wire.BatchStatus]] = {
    "JOB_STATE_QUEUED": "validating",
    "JOB_STATE_PENDING": "validating",
    "JOB_STATE_RUNNING": "in_progress",
    "JOB_STATE_UPDATING": "in_progress",
    "JOB_STATE_PAUSED": "in_progress",
    "JOB_STATE_SUCCEEDED": "completed",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "completed",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_CANCELLING": "cancelling",
    "JOB_STATE_CANCELLED": "cancelled",
    "JOB_STATE_EXPIRED": "expired",
}
"""State of a job → status of OpenAI's batch."""

END_STATES: Final = {"completed", "failed", "cancelled", "expired"}


class Row(NamedTuple):
    """One result: its request's key (None if unknown), and a response or Vertex AI's error."""

    key: str | None
    response: JSON
    error: str


class RowCodec(NamedTuple):
    """Encodes requests as lines, and finds the key of a line.

    `encode` gets a request's body and a key for it. Lines without a field for a key are known by a hash of
    their input, so equal requests share one response.
    """

    encode: Callable[[Mapping[str, Any], str], JSON]
    key: Callable[[JSON], str | None]


def _gemini_line(request: Mapping[str, Any], key: str) -> JSON:
    return {"request": {**request, "labels": {**member(request, "labels"), LINE_LABEL: key}}}


def _gemini_key(row: JSON) -> str | None:
    return text(member(member(row, "request"), "labels").get(LINE_LABEL)) or None


def _claude_line(request: Mapping[str, Any], key: str) -> JSON:
    return {"custom_id": key, "request": request}


def _claude_key(row: JSON) -> str | None:
    return text(row.get("custom_id")) or None


def _embedding_line(request: Mapping[str, Any], key: str) -> JSON:
    if "instances" in request:
        instance: JSON = request["instances"][0]
        return instance
    config = member(request, "embedContentConfig")
    fields = {_SNAKE_CASE.get(name, name): value for name, value in config.items()}
    return {"key": key, "request": {"content": request["content"], **fields}}


def _embedding_key(row: JSON) -> str | None:
    if "key" in row:
        return str(row["key"])
    instance = member(row, "instance") or row
    fields = [
        instance.get("content"),
        instance.get("task_type", instance.get("taskType")),
        instance.get("title"),
    ]
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


CODECS: Final = {
    ("chat", "google"): RowCodec(_gemini_line, _gemini_key),
    ("chat", "anthropic"): RowCodec(_claude_line, _claude_key),
    ("embeddings", "google"): RowCodec(_embedding_line, _embedding_key),
    ("messages", "google"): RowCodec(_gemini_line, _gemini_key),
    ("messages", "anthropic"): RowCodec(_claude_line, _claude_key),
}
"""Operation and publisher → codec. Vertex AI has no batches of the others."""


def parameters(request: Mapping[str, Any]) -> JSON:
    """Return the parameters of all requests of a job; lines have no field for them."""
    return member(request, "parameters") if "instances" in request else {}


def decode_row(row: JSON, codec: RowCodec) -> Row:
    """Read one line that a job has written."""
    response = {"predictions": row["predictions"]} if row.get("predictions") else member(row, "response")
    return Row(codec.key(row), response, str(row.get("status") or ""))


def create(*, name: str, model: str, source: str, target: str, parameters: JSON, owner: str) -> UpstreamCall:
    """Start a job that reads the file `source` and writes below `target`, both `gs://` URIs."""
    body: requests.BatchPredictionJob = {
        "displayName": name,
        "model": model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [source]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": target}},
        "labels": {OWNER_LABEL: owner},
    }
    if parameters:
        body["modelParameters"] = parameters
    return UpstreamCall("batchPredictionJobs", body)


def get(job_id: str) -> UpstreamCall:
    """Get a job."""
    return UpstreamCall(f"batchPredictionJobs/{job_id}", {}, method="GET")


def get_endpoint(resource: str) -> UpstreamCall:
    """Get an endpoint, with the models that are deployed there."""
    return UpstreamCall(resource, {}, method="GET")


def cancel(job_id: str) -> UpstreamCall:
    """Cancel a job. It ends later, and keeps the rows that it has written."""
    return UpstreamCall(f"batchPredictionJobs/{job_id}:cancel", {})


def status(job: JSON) -> wire.BatchStatus:
    """Return the status of OpenAI's batch."""
    return STATUS.get(text(job.get("state")), "failed")


def end_time(job: JSON) -> int | None:
    """Return the time at which a job has ended, None if it runs or its end is not known."""
    if status(job) not in END_STATES:
        return None
    return vertex.seconds(job.get("endTime") or job.get("updateTime")) or None


def progress(job: JSON, total: int) -> wire.BatchProgress:
    """Return status, times and counts of OpenAI's batch object, of `total` requests."""
    current, ended_at = status(job), end_time(job)
    return {
        "status": current,
        "request_counts": counts(job, total),
        "errors": _errors(member(job, "error")) if current == "failed" and job.get("error") else None,
        "in_progress_at": vertex.seconds(job.get("startTime")) or None,
        "completed_at": ended_at if current == "completed" else None,
        "failed_at": ended_at if current == "failed" else None,
        "expired_at": ended_at if current == "expired" else None,
        "cancelling_at": vertex.seconds(job.get("updateTime")) or None if current == "cancelling" else None,
        "cancelled_at": ended_at if current == "cancelled" else None,
    }


def counts(job: JSON, total: int) -> wire.BatchRequestCounts:
    """Return how many requests have a response and how many failed.

    A completed job has no others.
    """
    stats = member(job, "completionStats")
    completed = min(count(stats.get("successfulCount")), total)
    failed = min(count(stats.get("failedCount")), total - completed)
    if status(job) == "completed":
        completed = completed if stats else total
        failed = total - completed
    return {"total": total, "completed": completed, "failed": failed}


def _errors(error: JSON) -> wire.BatchErrors:
    message = text(error.get("message"))
    return {
        "object": "list",
        "data": [{"code": "batch_failed", "message": message, "param": None, "line": None}],
    }
