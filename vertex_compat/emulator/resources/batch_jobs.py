"""`batchPredictionJobs`: reads a file of requests, writes unordered responses to files.

Requests are echoed in the proto's spelling with defaults filled in. A model name with `emulator-job-failed`
or `emulator-job-expired` selects the job's end. A request whose text contains `emulator-status-N` fails, with
`emulator-lost` has no response, with `emulator-twice` has two.
"""

import math
import random
import re
from collections.abc import Iterator
from typing import Any

from vertex_compat.emulator.faults import NO_FAULT
from vertex_compat.emulator.google_models import dispatch
from vertex_compat.emulator.journal import parse_json
from vertex_compat.emulator.partner_models import claude
from vertex_compat.emulator.project import PROJECT
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import (
    AnyField,
    EnumField,
    MapField,
    Message,
    RepeatedField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, RequestRefused, Response, compact_json
from vertex_compat.emulator.resources.jobs import Job, Jobs, now
from vertex_compat.emulator.resources.storage import Storage

SHARDS = 3

JOB = Message(
    "BatchPredictionJob",
    {
        "displayName": StringField(),
        "model": StringField(),
        "modelParameters": AnyField(),
        "labels": MapField(StringField()),
        "inputConfig": Message(
            "BatchPredictionJob.InputConfig",
            {
                "instancesFormat": EnumField("InstancesFormat", ("JSONL",)),
                "gcsSource": Message("GcsSource", {"uris": RepeatedField(StringField())}),
            },
        ),
        "outputConfig": Message(
            "BatchPredictionJob.OutputConfig",
            {
                "predictionsFormat": EnumField("PredictionsFormat", ("JSONL",)),
                "gcsDestination": Message("GcsDestination", {"outputUriPrefix": StringField()}),
            },
        ),
    },
)
REQUIRED = ("displayName", "model", "inputConfig", "outputConfig")
MODEL = re.compile(
    r"publishers/(?P<publisher>google|anthropic)/models/(?P<name>[\w.@-]+)"
    r"|projects/[\w-]+/locations/(?P<location>[\w-]+)/models/(?P<number>\d+)(?:@\d+)?"
)
FREE = {  # fields whose keys the client chooses
    "args",
    "input_schema",
    "labels",
    "parameters",
    "properties",
    "response",
    "responseSchema",
}


class BatchJobs:
    """All batch prediction jobs."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.jobs = Jobs("batchPredictionJobs", self._finish)

    def create(self, location: str, body: JSON) -> Response:
        """Create a job; its file is read when it runs."""
        request = proto_json.read(JOB, body)
        for name in REQUIRED:
            if not request.get(name):
                raise google_errors.invalid_argument(f"Required field is not set: {proto_json.snake(name)}")
        model = MODEL.fullmatch(request["model"])
        if not model or (model["location"] or location) != location:
            raise google_errors.invalid_argument(
                f"The model {request['model']} cannot be used for batch prediction here."
            )
        name = model["name"] or ""
        if "nonexistent" in name or ("emulator-only-" in name and not name.endswith(f"-only-{location}")):
            raise google_errors.model_not_found(f"projects/p/locations/{location}", model["publisher"], name)
        return self.jobs.create(location, request)

    def _finish(self, job: Job, cancelled: bool) -> None:
        model = MODEL.fullmatch(job.request["model"])
        uris = job.request["inputConfig"]["gcsSource"]["uris"]
        contents = [self._storage.read(uri) for uri in uris]
        if "emulator-job-failed" in job.request["model"] or None in contents or not model:
            job.end("JOB_STATE_FAILED", error={"code": 3, "message": "The input could not be read."})
            return
        lines = [line for data in contents for line in (data or b"").splitlines() if line.strip()]
        expired = "emulator-job-expired" in job.request["model"]
        processed = lines[: len(lines) // 2] if cancelled or expired else lines
        rows = [row for line in processed for row in self._rows(job, line)]
        random.Random(job.resource["name"]).shuffle(rows)  # noqa: S311 - reproducible order
        directory = (
            f"{job.request['outputConfig']['gcsDestination']['outputUriPrefix']}/prediction-model-{now()}"
        )
        self._write(directory, rows)
        failed = sum(bool(row["status"]) for row in rows)
        stats = {"successfulCount": str(len(rows) - failed), "failedCount": str(failed)}
        stats["incompleteCount"] = str(len(lines) - len(processed))
        state = "CANCELLED" if cancelled else "EXPIRED" if expired else "SUCCEEDED"
        job.end(
            f"JOB_STATE_{state}",
            outputInfo={"gcsOutputDirectory": directory},
            completionStats={name: count for name, count in stats.items() if count != "0"},
        )

    def _write(self, directory: str, rows: list[JSON]) -> None:
        size = math.ceil(len(rows) / SHARDS) or 1
        for number, first in enumerate(range(0, len(rows), size), start=1):
            name = "predictions.jsonl" if len(rows) == 1 else f"predictions_{number:04}.jsonl"
            shard = "".join(compact_json(row) + "\n" for row in rows[first : first + size])
            self._storage.write(f"{directory}/{name}", shard.encode())
        self._storage.write(f"{directory}/_SUCCESS", b"")

    def _rows(self, job: Job, line: bytes) -> Iterator[JSON]:
        text = line.decode()
        row_input = parse_json(line)
        if "emulator-lost" in text:
            return
        if not isinstance(row_input, dict) or not (request := self._request(job, row_input)):
            yield {"status": "Bad Request: the line is not of the format.", "request": row_input}
            return
        status, reply = self._reply(request, text)
        predict = "content" in row_input
        row = {"instance": row_input} if predict else row_input | {"request": _echo(row_input["request"])}
        row |= {"status": "", "processed_time": now()}
        if status != 200:
            row |= {"status": f"Bad Request: {compact_json(reply)}", "response": {}}
        else:
            row |= {"predictions": reply["predictions"]} if predict else {"response": reply}
        yield row
        if "emulator-twice" in text:
            yield row

    def _request(self, job: Job, line: JSON) -> ModelRequest | None:
        """Return the request in a line, or None if it is not of the model's format."""
        model = MODEL.fullmatch(job.request["model"])
        publisher = (model and model["publisher"]) or "google"
        name = (model and model["name"]) or "gemini-2.5-flash"
        keys = set(line)
        if publisher == "anthropic" and keys == {"custom_id", "request"}:
            verb, body = "rawPredict", line["request"]
        elif "embedding" not in name and keys == {"request"}:
            verb, body = "generateContent", line["request"]
        elif name.startswith("gemini-embedding-2") and keys == {"key", "request"}:
            config = {field: value for field, value in line["request"].items() if field != "content"}
            body = {"content": line["request"]["content"]} | (
                {"embedContentConfig": config} if config else {}
            )
            verb = "embedContent"
        elif "embedding" in name and "content" in keys and keys <= {"content", "task_type", "title"}:
            parameters = (
                {"parameters": job.request["modelParameters"]} if "modelParameters" in job.request else {}
            )
            verb, body = "predict", {"instances": [line]} | parameters
        else:
            return None
        plain = re.sub(r"emulator-[\w-]+", "x", name)
        return ModelRequest("v1", PROJECT, job.location, plain, verb, {}, {}, body, 0, NO_FAULT)

    def _reply(self, request: ModelRequest, text: str) -> tuple[int, Any]:
        if processed := re.search(r"emulator-status-(\d{3})", text):
            code = int(processed[1])
            return code, google_errors.envelope(code, f"Status {code} was requested.")
        try:
            answer = (claude if request.verb == "rawPredict" else dispatch).answer(request)
        except RequestRefused as refused:
            answer = refused.answer
        return answer.status, parse_json(b"".join(step for step in answer.steps if isinstance(step, bytes)))


def _echo(request: JSON) -> JSON:
    """Return a request in the proto's spelling with defaults; Claude's is unchanged."""
    echo: JSON = _snake(request, free=False)
    if "contents" not in echo:
        return request
    echo["generation_config"] = {"candidate_count": 1} | echo.get("generation_config", {})
    return echo | {"safety_settings": echo.get("safety_settings", [])}


def _snake(value: Any, *, free: bool) -> Any:
    if isinstance(value, list):
        return [_snake(item, free=free) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name if free else proto_json.snake(name): _snake(field, free=free or name in FREE)
        for name, field in value.items()
    }
