"""The parts of OpenAI's objects that Google's services provide.

Of batches, tuning jobs and moderations: https://platform.openai.com/docs/api-reference. Types for mypy only:
no module imports this one when the function runs.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

BatchStatus: TypeAlias = Literal[
    "validating",
    "failed",
    "in_progress",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
]


class BatchRequestCounts(TypedDict):
    """Numbers of requests."""

    total: int
    completed: int
    failed: int


class BatchError(TypedDict):
    """A problem of a batch; `line` is that of its file."""

    code: str
    message: str
    param: str | None
    line: int | None


class BatchErrors(TypedDict):
    """The reasons for which a batch has failed."""

    object: Literal["list"]
    data: list[BatchError]


class BatchProgress(TypedDict):
    """The fields of a batch that its job has."""

    status: BatchStatus
    request_counts: BatchRequestCounts
    errors: BatchErrors | None
    in_progress_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None


FineTuningStatus: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]

EventLevel: TypeAlias = Literal["info", "warn", "error"]


class Hyperparameters(TypedDict):
    """Hyperparameters; `adapter_size` is LiteLLM's."""

    n_epochs: int | Literal["auto"]
    batch_size: int | Literal["auto"]
    learning_rate_multiplier: float | Literal["auto"]
    adapter_size: NotRequired[str]


class SupervisedMethod(TypedDict):
    """Supervised tuning."""

    hyperparameters: Hyperparameters


class Method(TypedDict):
    """The method of tuning: Vertex AI has one."""

    type: Literal["supervised"]
    supervised: SupervisedMethod


class FineTuningError(TypedDict):
    """The reason for which a job has failed."""

    code: str
    message: str
    param: None


class FineTuningProgress(TypedDict):
    """The fields of a fine-tuning job that Vertex AI's job has."""

    model: str
    created_at: int
    status: FineTuningStatus
    finished_at: int | None
    fine_tuned_model: str | None
    trained_tokens: int | None
    error: FineTuningError | None
    training_file: str
    validation_file: str | None
    hyperparameters: Hyperparameters
    method: Method


class FineTuningJobEvent(TypedDict):
    """An event of a job."""

    id: str
    object: Literal["fine_tuning.job.event"]
    created_at: int
    level: EventLevel
    message: str
    type: Literal["message"]
    data: None


class Metrics(TypedDict):
    """The metrics of a checkpoint, which Vertex AI does not have."""


class FineTuningJobCheckpoint(TypedDict):
    """A model of an earlier step of a job."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"]
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    metrics: Metrics
    step_number: int


class Moderation(TypedDict):
    """The moderation of one input; `google_categories` are Natural Language's own.

    The others are keyed by OpenAI's categories: see `natural_language.COUNTERPARTS`.
    """

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text"]]]
    google_categories: dict[str, float]
