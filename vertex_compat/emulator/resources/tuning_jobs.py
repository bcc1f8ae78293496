"""`tuningJobs`: reads a file of conversations, creates an endpoint with a tuned Gemini.

A model name with `emulator-job-failed` makes the job fail. Files in buckets without any objects are assumed
to be valid.
"""

import json
from typing import Any

from vertex_compat.emulator.project import PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.proto_json import (
    BoolField,
    EnumField,
    IntegerField,
    MapField,
    Message,
    NumberField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, Response
from vertex_compat.emulator.resources.jobs import Job, Jobs
from vertex_compat.emulator.resources.storage import Storage

DATASETS = ("trainingDatasetUri", "validationDatasetUri")
ADAPTERS = ("ONE", "TWO", "FOUR", "EIGHT", "SIXTEEN", "THIRTY_TWO")
JOB = Message(
    "TuningJob",
    {
        "baseModel": StringField(),
        "tunedModelDisplayName": StringField(),
        "description": StringField(),
        "labels": MapField(StringField()),
        "supervisedTuningSpec": Message(
            "SupervisedTuningSpec",
            {
                "trainingDatasetUri": StringField(),
                "validationDatasetUri": StringField(),
                "exportLastCheckpointOnly": BoolField(),
                "hyperParameters": Message(
                    "SupervisedHyperParameters",
                    {
                        "epochCount": IntegerField("TYPE_INT64"),
                        "learningRateMultiplier": NumberField("TYPE_DOUBLE"),
                        "adapterSize": EnumField(
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

    def create(self, location: str, body: JSON) -> Response:
        """Create a job."""
        request = proto_json.read(JOB, body)
        if location in {"global", "us", "eu"}:
            raise google_errors.invalid_argument(f"Tuning is not supported in the location {location}.")
        if not request.get("baseModel", "").startswith("gemini-"):
            raise google_errors.invalid_argument(f"Base model {request.get('baseModel')} is not supported.")
        spec = request.get("supervisedTuningSpec", {})
        if not spec.get("trainingDatasetUri", "").startswith("gs://"):
            raise google_errors.invalid_argument("Required field is not set: training_dataset_uri")
        parameters = spec.get("hyperParameters", {})
        if "epochCount" in parameters:
            parameters["epochCount"] = str(parameters["epochCount"])
        return self.jobs.create(location, request)

    def _finish(self, job: Job, cancelled: bool) -> None:
        spec = job.request["supervisedTuningSpec"]
        examples = [self._examples(spec[name]) for name in DATASETS if name in spec]
        if cancelled:
            job.end("JOB_STATE_CANCELLED")
        elif "emulator-job-failed" in job.request["baseModel"] or None in examples:
            job.end("JOB_STATE_FAILED", error={"code": 3, "message": "The dataset is not of the format."})
        else:
            number = job.resource["name"].rpartition("/")[2]
            parent = f"projects/{PROJECT_NUMBER}/locations/{job.location}"
            endpoint = f"{parent}/endpoints/{number}"
            checkpoint = {"checkpointId": "1", "epoch": "1", "step": "10", "endpoint": endpoint}
            tuned = {
                "model": f"{parent}/models/{number}@1",
                "endpoint": endpoint,
                "checkpoints": [checkpoint],
            }
            stats = {"tuningDatasetExampleCount": str(examples[0]), "totalBillableTokenCount": "1234"}
            job.end(
                "JOB_STATE_SUCCEEDED",
                tunedModel=tuned,
                tuningDataStats={"supervisedTuningDataStats": stats},
            )

    def _examples(self, uri: str) -> int | None:
        """Return the number of examples, None for an invalid file."""
        data = self._storage.read(uri)
        if data is None:
            return 100 if uri.removeprefix("gs://").partition("/")[0] not in self._storage.objects else None
        lines = [json.loads(line) for line in data.splitlines() if line.strip()]
        return len(lines) if lines and all(map(_good, lines)) else None


def _good(line: Any) -> bool:
    fields = {"contents", "systemInstruction", "tools"}
    contents = line.get("contents") or [{}] if isinstance(line, dict) else [{}]
    return set(line) <= fields and contents[-1].get("role") == "model"
