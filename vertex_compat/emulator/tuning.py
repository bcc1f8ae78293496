"""`tuningJobs`: a file of conversations in, an endpoint with a tuned Gemini out.

A model whose name contains `emulator-job-failed` cannot be tuned in the end. Files in buckets that hold
nothing here are taken to be good.
"""

import json
from typing import Any

from vertex_compat.emulator import google, proto
from vertex_compat.emulator.answers import JSON, Answer
from vertex_compat.emulator.jobs import Job, Jobs
from vertex_compat.emulator.metadata import PROJECT_NUMBER
from vertex_compat.emulator.proto import Count, Decimal, Entries, Enum, Message, Truth, Words
from vertex_compat.emulator.storage import Storage

DATASETS = ("trainingDatasetUri", "validationDatasetUri")
ADAPTERS = ("ONE", "TWO", "FOUR", "EIGHT", "SIXTEEN", "THIRTY_TWO")
JOB = Message(
    "TuningJob",
    {
        "baseModel": Words(),
        "tunedModelDisplayName": Words(),
        "description": Words(),
        "labels": Entries(Words()),
        "supervisedTuningSpec": Message(
            "SupervisedTuningSpec",
            {
                "trainingDatasetUri": Words(),
                "validationDatasetUri": Words(),
                "exportLastCheckpointOnly": Truth(),
                "hyperParameters": Message(
                    "SupervisedHyperParameters",
                    {
                        "epochCount": Count("TYPE_INT64"),
                        "learningRateMultiplier": Decimal("TYPE_DOUBLE"),
                        "adapterSize": Enum(
                            "SupervisedHyperParameters.AdapterSize",
                            ("ADAPTER_SIZE_UNSPECIFIED", *(f"ADAPTER_SIZE_{size}" for size in ADAPTERS)),
                        ),
                    },
                ),
            },
        ),
    },
)


class TuningJobs:
    """All tuning jobs."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.jobs = Jobs("tuningJobs", self._finish)

    def create(self, location: str, body: JSON) -> Answer:
        """Take a job on."""
        asked = proto.read(JOB, body)
        if location in {"global", "us", "eu"}:
            raise google.invalid(f"Tuning is not supported in the location {location}.")
        if not asked.get("baseModel", "").startswith("gemini-"):
            raise google.invalid(f"Base model {asked.get('baseModel')} is not supported.")
        spec = asked.get("supervisedTuningSpec", {})
        if not spec.get("trainingDatasetUri", "").startswith("gs://"):
            raise google.invalid("Required field is not set: training_dataset_uri")
        parameters = spec.get("hyperParameters", {})
        if "epochCount" in parameters:
            parameters["epochCount"] = str(parameters["epochCount"])
        return self.jobs.create(location, asked)

    def _finish(self, job: Job, cancelled: bool) -> None:
        spec = job.asked["supervisedTuningSpec"]
        examples = [self._examples(spec[name]) for name in DATASETS if name in spec]
        if cancelled:
            job.end("JOB_STATE_CANCELLED")
        elif "emulator-job-failed" in job.asked["baseModel"] or None in examples:
            job.end("JOB_STATE_FAILED", error={"code": 3, "message": "The dataset is not of the format."})
        else:
            number = job.shown["name"].rpartition("/")[2]
            place = f"projects/{PROJECT_NUMBER}/locations/{job.location}"
            endpoint = f"{place}/endpoints/{number}"
            checkpoint = {"checkpointId": "1", "epoch": "1", "step": "10", "endpoint": endpoint}
            tuned = {"model": f"{place}/models/{number}@1", "endpoint": endpoint, "checkpoints": [checkpoint]}
            stats = {"tuningDatasetExampleCount": str(examples[0]), "totalBillableTokenCount": "1234"}
            job.end(
                "JOB_STATE_SUCCEEDED",
                tunedModel=tuned,
                tuningDataStats={"supervisedTuningDataStats": stats},
            )

    def _examples(self, uri: str) -> int | None:
        """Count the examples; None for a file that is no good."""
        data = self._storage.read(uri)
        if data is None:
            return 100 if uri.removeprefix("gs://").partition("/")[0] not in self._storage.objects else None
        lines = [json.loads(line) for line in data.splitlines() if line.strip()]
        return len(lines) if lines and all(map(_good, lines)) else None


def _good(line: Any) -> bool:
    known = {"contents", "systemInstruction", "tools"}
    contents = line.get("contents") or [{}] if isinstance(line, dict) else [{}]
    return set(line) <= known and contents[-1].get("role") == "model"
