"""Vertex AI's tuning jobs for Gemini.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/tuning. Vertex AI has no events of a
job, so they are made from its times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

from vertex_compat import vertex
from vertex_compat.json_values import count, integer, items, member, text
from vertex_compat.services.batch_jobs import OWNER_LABEL
from vertex_compat.types import JSON, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.services import answer_types as wire
    from vertex_compat.services import request_types as requests

STATUS: Final[dict[str, wire.FineTuningStatus]] = {
    "JOB_STATE_QUEUED": "queued",
    "JOB_STATE_PENDING": "queued",
    "JOB_STATE_RUNNING": "running",
    "JOB_STATE_UPDATING": "running",
    "JOB_STATE_CANCELLING": "running",
    "JOB_STATE_PAUSED": "running",
    "JOB_STATE_SUCCEEDED": "succeeded",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "succeeded",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_EXPIRED": "failed",
    "JOB_STATE_CANCELLED": "cancelled",
}
"""State of a job → status of OpenAI's fine-tuning job."""

END_STATES: Final = {"succeeded", "failed", "cancelled"}

HYPERPARAMETERS: Final = {
    "n_epochs": "epochCount",
    "learning_rate_multiplier": "learningRateMultiplier",
    "adapter_size": "adapterSize",
}
"""OpenAI's hyperparameter, or LiteLLM's `adapter_size` → Vertex AI's."""

_ADAPTER_SIZES: Final = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}


def hyperparameters(values: Mapping[str, Any]) -> requests.SupervisedHyperParameters:
    """Return Vertex AI's hyperparameters. What is "auto" is not sent."""
    translated = {
        vertex_name: values[name]
        for name, vertex_name in HYPERPARAMETERS.items()
        if values.get(name, "auto") != "auto"
    }
    if (size := translated.get("adapterSize")) in _ADAPTER_SIZES:
        translated["adapterSize"] = f"ADAPTER_SIZE_{_ADAPTER_SIZES[size]}"
    return cast("requests.SupervisedHyperParameters", translated)


def create(
    base_model: str,
    datasets: Mapping[Any, str],
    parameters: requests.SupervisedHyperParameters,
    *,
    owner: str,
    display_name: str,
    description: str,
) -> UpstreamCall:
    """Start to tune a model.

    `datasets` has the URIs of `training_file` and maybe `validation_file`. `description` is stored with the
    job and comes back with it.
    """
    spec: requests.SupervisedTuningSpec = {"trainingDatasetUri": datasets["training_file"]}
    if "validation_file" in datasets:
        spec["validationDatasetUri"] = datasets["validation_file"]
    if parameters:
        spec["hyperParameters"] = parameters
    body: requests.TuningJob = {
        "baseModel": base_model,
        "supervisedTuningSpec": spec,
        "tunedModelDisplayName": display_name,
        "description": description,
        "labels": {OWNER_LABEL: owner},
    }
    return UpstreamCall("tuningJobs", body)


def get(job_id: str) -> UpstreamCall:
    """Get a job."""
    return UpstreamCall(f"tuningJobs/{job_id}", {}, method="GET")


def cancel(job_id: str) -> UpstreamCall:
    """Cancel a job."""
    return UpstreamCall(f"tuningJobs/{job_id}:cancel", {})


def list_jobs(page_token: str) -> UpstreamCall:
    """List one page of the jobs of a location."""
    query = {"pageSize": "100"} | ({"pageToken": page_token} if page_token else {})
    return UpstreamCall(f"tuningJobs?{urlencode(query)}", {}, method="GET")


def owner(job: JSON) -> str:
    """Return the owner of a job, empty for a job that was started elsewhere."""
    return text(member(job, "labels").get(OWNER_LABEL))


def status(job: JSON) -> wire.FineTuningStatus:
    """Return the status of OpenAI's fine-tuning job."""
    return STATUS.get(text(job.get("state")), "queued")


def model_name(endpoint: object) -> str | None:
    """Return the name under which a tuned model is called, None without an endpoint."""
    return f"gemini/{endpoint}" if isinstance(endpoint, str) and endpoint else None


def progress(job: JSON) -> wire.FineTuningProgress:
    """Return the fields of OpenAI's fine-tuning job that Vertex AI's job has."""
    current = status(job)
    has_ended = current in END_STATES and job.get("endTime")
    spec = member(job, "supervisedTuningSpec")
    stats = member(member(job, "tuningDataStats"), "supervisedTuningDataStats")
    values = _hyperparameters(member(spec, "hyperParameters"))
    tuned = model_name(member(job, "tunedModel").get("endpoint"))
    return {
        "model": text(job.get("baseModel")),
        "created_at": vertex.seconds(job.get("createTime")),
        "status": current,
        "finished_at": vertex.seconds(job["endTime"]) if has_ended else None,
        "fine_tuned_model": tuned if current == "succeeded" else None,
        "trained_tokens": integer(stats.get("totalBillableTokenCount")),
        "error": _error(member(job, "error")) if current == "failed" and job.get("error") else None,
        "training_file": text(spec.get("trainingDatasetUri")),
        "validation_file": spec.get("validationDatasetUri"),
        "hyperparameters": values,
        "method": {"type": "supervised", "supervised": {"hyperparameters": values}},
    }


def _hyperparameters(values: JSON) -> wire.Hyperparameters:
    hyperparameters: wire.Hyperparameters = {
        "n_epochs": count(values.get("epochCount")) or "auto",
        "batch_size": "auto",
        "learning_rate_multiplier": values.get("learningRateMultiplier", "auto"),
    }
    if size := values.get("adapterSize"):
        hyperparameters["adapter_size"] = size
    return hyperparameters


def _error(error: JSON) -> wire.FineTuningError:
    return {"code": "job_failed", "message": text(error.get("message")), "param": None}


def events(job: JSON) -> Iterator[wire.FineTuningJobEvent]:
    """Yield the events of a job, latest first."""
    current = status(job)
    ends: dict[str, tuple[wire.EventLevel, str]] = {
        "succeeded": ("info", "The job has succeeded."),
        "failed": ("error", f"The job has failed: {text(member(job, 'error').get('message'))}"),
        "cancelled": ("warn", "The job was cancelled."),
    }
    if current in ends and job.get("endTime"):
        yield _event("endTime", job, *ends[current])
    if job.get("startTime"):
        yield _event("startTime", job, "info", "The job has started.")
    yield _event("createTime", job, "info", "The job was created.")


def _event(time_field: str, job: JSON, level: wire.EventLevel, message: str) -> wire.FineTuningJobEvent:
    return {
        "id": f"ftevent-{time_field.removesuffix('Time')}-{_job_id(job)}",
        "object": "fine_tuning.job.event",
        "created_at": vertex.seconds(job.get(time_field)),
        "level": level,
        "message": message,
        "type": "message",
        "data": None,
    }


def checkpoints(job: JSON, id_: str) -> Iterator[wire.FineTuningJobCheckpoint]:
    """Yield the checkpoints of the job with OpenAI's id `id_`, latest first.

    Each is a model of its own.
    """
    for checkpoint in reversed(items(member(job, "tunedModel").get("checkpoints"))):
        yield {
            "id": f"ftckpt-{text(checkpoint.get('checkpointId'))}-{_job_id(job)}",
            "object": "fine_tuning.job.checkpoint",
            "created_at": vertex.seconds(job.get("endTime") or job.get("updateTime")),
            "fine_tuned_model_checkpoint": model_name(checkpoint.get("endpoint")) or "",
            "fine_tuning_job_id": id_,
            "metrics": {},
            "step_number": count(checkpoint.get("step")),
        }


def _job_id(job: JSON) -> str:
    return text(job.get("name")).rpartition("/")[2]
