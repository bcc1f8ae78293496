"""Vertex's tuning jobs for Gemini.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/tuning. There are no events; what has
happened shows in a job's times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from vertex_compat import vertex
from vertex_compat.types import JSON, UpstreamCall

STATUS: Final = {
    "JOB_STATE_QUEUED": "queued",
    "JOB_STATE_PENDING": "queued",
    "JOB_STATE_RUNNING": "running",
    "JOB_STATE_UPDATING": "running",
    "JOB_STATE_CANCELLING": "running",
    "JOB_STATE_PAUSED": "paused",
    "JOB_STATE_SUCCEEDED": "succeeded",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "succeeded",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_EXPIRED": "failed",
    "JOB_STATE_CANCELLED": "cancelled",
}
"""State of a job → status of OpenAI's fine-tuning job."""

ENDED: Final = {"succeeded", "failed", "cancelled"}

SENT: Final = {
    "n_epochs": "epochCount",
    "learning_rate_multiplier": "learningRateMultiplier",
    "adapter_size": "adapterSize",
}
"""OpenAI's hyperparameters, and LiteLLM's one more → Vertex's."""

_SIZES: Final = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}


def hyperparameters(given: Mapping[str, Any]) -> JSON:
    """Vertex's hyperparameters; what is left to it ("auto") is not sent."""
    sent = {theirs: given[ours] for ours, theirs in SENT.items() if given.get(ours, "auto") != "auto"}
    if (size := sent.get("adapterSize")) in _SIZES:
        sent["adapterSize"] = f"ADAPTER_SIZE_{_SIZES[size]}"
    return sent


def create(base: str, training: str, validation: str | None, parameters: JSON, **about: str) -> UpstreamCall:
    """Start to tune the model `base` on what stands at `training`; `about` are names and texts of the job."""
    spec: JSON = {"trainingDatasetUri": training}
    if validation:
        spec["validationDatasetUri"] = validation
    if parameters:
        spec["hyperParameters"] = parameters
    return UpstreamCall("tuningJobs", {"baseModel": base, "supervisedTuningSpec": spec, **about})


def get(job: str) -> UpstreamCall:
    """A job as it stands."""
    return UpstreamCall(f"tuningJobs/{job}", {}, method="GET")


def cancel(job: str) -> UpstreamCall:
    """Ask a job to end."""
    return UpstreamCall(f"tuningJobs/{job}:cancel", {})


def listing(page: str) -> UpstreamCall:
    """One page of the jobs of a location."""
    query = {"pageSize": "100"} | ({"pageToken": page} if page else {})
    return UpstreamCall(f"tuningJobs?{urlencode(query)}", {}, method="GET")


def status(job: JSON) -> str:
    """OpenAI's status of a job."""
    return STATUS.get(job.get("state", ""), "queued")


def model(endpoint: str | None) -> str | None:
    """The name by which a tuned model chats."""
    return f"gemini/{endpoint}" if endpoint else None


def progress(job: JSON) -> JSON:
    """How a job stands, in OpenAI's words."""
    now = status(job)
    spec = job.get("supervisedTuningSpec", {})
    used = spec.get("hyperParameters", {})
    stats = job.get("tuningDataStats", {}).get("supervisedTuningDataStats", {})
    said = job.get("error") if now == "failed" else None
    epochs = used.get("epochCount")
    hyper = {
        "n_epochs": int(epochs) if epochs else "auto",
        "batch_size": "auto",
        "learning_rate_multiplier": used.get("learningRateMultiplier", "auto"),
    }
    if size := used.get("adapterSize"):
        hyper["adapter_size"] = size
    return {
        "model": job.get("baseModel", ""),
        "created_at": vertex.seconds(job["createTime"]),
        "status": now,
        "finished_at": vertex.seconds(job["endTime"]) if now in ENDED and "endTime" in job else None,
        "fine_tuned_model": model(job.get("tunedModel", {}).get("endpoint")) if now == "succeeded" else None,
        "trained_tokens": int(stats["totalBillableTokenCount"])
        if "totalBillableTokenCount" in stats
        else None,
        "error": {"code": "job_failed", "message": said.get("message", ""), "param": None} if said else None,
        "training_file": spec.get("trainingDatasetUri", ""),
        "validation_file": spec.get("validationDatasetUri"),
        "hyperparameters": hyper,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyper}},
    }


def events(job: JSON) -> Iterator[JSON]:
    """What has happened, the latest first."""
    now = status(job)
    ends = {
        "succeeded": ("info", "The job has succeeded."),
        "failed": ("error", f"The job has failed: {job.get('error', {}).get('message', '')}"),
        "cancelled": ("warn", "The job was cancelled."),
    }
    if now in ends and "endTime" in job:
        yield _event("endTime", job, *ends[now])
    if "startTime" in job:
        yield _event("startTime", job, "info", "The job has started.")
    yield _event("createTime", job, "info", "The job was created.")


def _event(time: str, job: JSON, level: str, message: str) -> JSON:
    return {
        "id": f"ftevent-{time.removesuffix('Time')}-{job['name'].rpartition('/')[2]}",
        "object": "fine_tuning.job.event",
        "created_at": vertex.seconds(job[time]),
        "level": level,
        "message": message,
        "type": "message",
        "data": None,
    }


def checkpoints(job: JSON, identity: str) -> Iterator[JSON]:
    """The checkpoints that a job has left, the latest first; each chats."""
    for checkpoint in reversed(job.get("tunedModel", {}).get("checkpoints", [])):
        yield {
            "id": f"ftckpt-{checkpoint['checkpointId']}-{job['name'].rpartition('/')[2]}",
            "object": "fine_tuning.job.checkpoint",
            "created_at": vertex.seconds(job.get("endTime") or job["updateTime"]),
            "fine_tuned_model_checkpoint": model(checkpoint.get("endpoint")) or "",
            "fine_tuning_job_id": identity,
            "metrics": {},
            "step_number": int(checkpoint.get("step", 0)),
        }
