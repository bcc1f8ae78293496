"""Vertex's batch prediction jobs: what they take, a line a request, and what they write.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini and
https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/batch. Rows are written in no
order, and a request comes back with its row, maybe in the proto's spelling and with defaults filled in. So
each carries a key in a place that both sides leave alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from vertex_compat import vertex
from vertex_compat.types import JSON, UpstreamCall

LABEL: Final = "vertex-compat-line"
"""Holds the key of a request to Gemini, whose own fields have no room for one."""

_SNAKE: Final = {"outputDimensionality": "output_dimensionality", "taskType": "task_type"}

STATUS: Final = {
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

ENDED: Final = {"completed", "failed", "cancelled", "expired"}


class Row(NamedTuple):
    """One answer: whose it is (None if that cannot be told), and what the model or else Vertex said."""

    key: str | None
    reply: JSON
    fault: str


class Format(NamedTuple):
    """How requests are written, and what is read of the answers.

    `line` makes what Vertex reads of a request, given a key for it; `key` finds that of an answer. Where
    there is no place for a key, it is made from what was asked, so what is the same has the same answer.
    """

    line: Callable[[JSON, str], JSON]
    key: Callable[[JSON], str | None]


def _gemini(request: JSON, key: str) -> JSON:
    return {"request": request | {"labels": request.get("labels", {}) | {LABEL: key}}}


def _gemini_key(row: JSON) -> str | None:
    key: str | None = (_dict(row, "request").get("labels") or {}).get(LABEL)
    return key


def _claude(request: JSON, key: str) -> JSON:
    return {"custom_id": key, "request": request}


def _claude_key(row: JSON) -> str | None:
    key: str | None = row.get("custom_id")
    return key


def _embedding(request: JSON, key: str) -> JSON:
    if "instances" in request:
        instance: JSON = request["instances"][0]
        return instance
    config = {_SNAKE.get(name, name): value for name, value in request.get("embedContentConfig", {}).items()}
    return {"key": key, "request": {"content": request["content"], **config}}


def _embedding_key(row: JSON) -> str | None:
    if "key" in row:
        return str(row["key"])
    asked = _dict(row, "instance") or row
    given = [asked.get("content"), asked.get("task_type", asked.get("taskType")), asked.get("title")]
    return hashlib.sha256(msgspec.json.encode(given)).hexdigest()


def _dict(row: JSON, name: str) -> JSON:
    held = row.get(name)
    return held if isinstance(held, dict) else {}


FORMATS: Final = {
    ("chat", "google"): Format(_gemini, _gemini_key),
    ("chat", "anthropic"): Format(_claude, _claude_key),
    ("embeddings", "google"): Format(_embedding, _embedding_key),
}
"""Operation and publisher → how they are batched. Others have no batches on Vertex."""


def parameters(request: JSON) -> JSON:
    """What holds for all requests of a job, since its lines have no room for it."""
    return request["parameters"] if "instances" in request else {}


def row(written: JSON, form: Format) -> Row:
    """One line of what a job has written."""
    reply = (
        {"predictions": written["predictions"]} if "predictions" in written else _dict(written, "response")
    )
    return Row(form.key(written), reply, str(written.get("status") or ""))


def create(name: str, model: str, source: str, target: str, given: JSON) -> UpstreamCall:
    """Start a job that answers what is in `source`; `target` is where it writes, `gs://` both.

    `given` are parameters that hold for all requests.
    """
    body: JSON = {
        "displayName": name,
        "model": model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [source]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": target}},
    }
    if given:
        body["modelParameters"] = given
    return UpstreamCall("batchPredictionJobs", body)


def get(job: str) -> UpstreamCall:
    """A job as it stands."""
    return UpstreamCall(f"batchPredictionJobs/{job}", {}, method="GET")


def endpoint(resource: str) -> UpstreamCall:
    """What is known of an endpoint, and of the models that are deployed there."""
    return UpstreamCall(resource, {}, method="GET")


def cancel(job: str) -> UpstreamCall:
    """Ask a job to end. It ends later, and keeps what it has."""
    return UpstreamCall(f"batchPredictionJobs/{job}:cancel", {})


def status(job: JSON) -> str:
    """OpenAI's status of a job."""
    return STATUS.get(job.get("state", ""), "failed")


def progress(job: JSON, total: int) -> JSON:
    """How a job stands, in OpenAI's words: status, times, and how many of `total` requests are done."""
    now = status(job)
    times = {"in_progress_at": job.get("startTime")}
    if now in ENDED:
        times[f"{now}_at"] = job.get("endTime") or job.get("updateTime")
    elif now == "cancelling":
        times["cancelling_at"] = job.get("updateTime")
    error = job.get("error") if now == "failed" else None
    return {
        "status": now,
        "request_counts": counts(job, total),
        "errors": _errors(error) if error else None,
        **{name: vertex.seconds(time) for name, time in times.items() if time},
    }


def counts(job: JSON, total: int) -> JSON:
    """How many requests are answered and how many have failed. When a job has ended, none is left."""
    stats = job.get("completionStats", {})
    completed = min(int(stats.get("successfulCount", 0)), total)
    failed = min(int(stats.get("failedCount", 0)), total - completed)
    if status(job) == "completed":
        completed = completed if stats else total
        failed = total - completed
    return {"total": total, "completed": completed, "failed": failed}


def _errors(error: JSON) -> JSON:
    said = {"code": "batch_failed", "message": error.get("message", ""), "param": None, "line": None}
    return {"object": "list", "data": [said]}
