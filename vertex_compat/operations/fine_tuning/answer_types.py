"""The JSON of fine-tuning jobs that clients get.

https://platform.openai.com/docs/api-reference/fine-tuning/object. Events and checkpoints are in
`services.answer_types`. Types for mypy only: no module imports this one when the function runs.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from vertex_compat.services.answer_types import FineTuningProgress


class StoredParams(TypedDict, total=False):
    """The parameters of the client that the job's description holds."""

    training_file: str
    validation_file: str
    metadata: dict[str, str] | None
    seed: int


class FineTuningJob(FineTuningProgress):
    """A fine-tuning job."""

    id: str
    object: Literal["fine_tuning.job"]
    organization_id: str
    result_files: list[str]
    seed: int
    integrations: list[object]
    estimated_finish: None
    metadata: dict[str, str] | None
