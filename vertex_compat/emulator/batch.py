"""`batchPredictionJobs`: a file of requests in, answers out, in no order and in several files.

A request comes back with its answer in the proto's spelling, with defaults filled in. The end of a job can be
asked for by a model whose name contains `emulator-job-failed` or `emulator-job-expired`; what becomes of a
request, by its text: `emulator-status-N` fails, `emulator-lost` is never answered, `emulator-twice` is twice.
"""

import math
import random
import re
from collections.abc import Iterator
from typing import Any

from vertex_compat.emulator import claude, google, google_models, proto
from vertex_compat.emulator.answers import JSON, Answer, Refused, compact
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.faults import NONE
from vertex_compat.emulator.jobs import Job, Jobs, now
from vertex_compat.emulator.journal import parsed
from vertex_compat.emulator.metadata import PROJECT
from vertex_compat.emulator.proto import Entries, Enum, Message, Repeated, Value, Words
from vertex_compat.emulator.storage import Storage

SHARDS = 3

JOB = Message(
    "BatchPredictionJob",
    {
        "displayName": Words(),
        "model": Words(),
        "modelParameters": Value(),
        "labels": Entries(Words()),
        "inputConfig": Message(
            "BatchPredictionJob.InputConfig",
            {
                "instancesFormat": Enum("InstancesFormat", ("JSONL",)),
                "gcsSource": Message("GcsSource", {"uris": Repeated(Words())}),
            },
        ),
        "outputConfig": Message(
            "BatchPredictionJob.OutputConfig",
            {
                "predictionsFormat": Enum("PredictionsFormat", ("JSONL",)),
                "gcsDestination": Message("GcsDestination", {"outputUriPrefix": Words()}),
            },
        ),
    },
)
REQUIRED = ("displayName", "model", "inputConfig", "outputConfig")
MODEL = re.compile(
    r"publishers/(?P<publisher>google|anthropic)/models/(?P<name>[\w.@-]+)"
    r"|projects/[\w-]+/locations/(?P<location>[\w-]+)/models/(?P<number>\d+)(?:@\d+)?"
)
FREE = {  # the names in these are the client's own
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

    def create(self, location: str, body: JSON) -> Answer:
        """Take a job on; whether its file is any good shows when it runs."""
        asked = proto.read(JOB, body)
        for name in REQUIRED:
            if not asked.get(name):
                raise google.invalid(f"Required field is not set: {proto.snake(name)}")
        model = MODEL.fullmatch(asked["model"])
        if not model or (model["location"] or location) != location:
            raise google.invalid(f"The model {asked['model']} cannot be used for batch prediction here.")
        name = model["name"] or ""
        if "nonexistent" in name or ("emulator-only-" in name and not name.endswith(f"-only-{location}")):
            raise google.no_such_model(f"projects/p/locations/{location}", model["publisher"], name)
        return self.jobs.create(location, asked)

    def _finish(self, job: Job, cancelled: bool) -> None:
        model = MODEL.fullmatch(job.asked["model"])
        uris = job.asked["inputConfig"]["gcsSource"]["uris"]
        found = [self._storage.read(uri) for uri in uris]
        if "emulator-job-failed" in job.asked["model"] or None in found or not model:
            job.end("JOB_STATE_FAILED", error={"code": 3, "message": "The input could not be read."})
            return
        lines = [line for data in found for line in (data or b"").splitlines() if line.strip()]
        expired = "emulator-job-expired" in job.asked["model"]
        wanted = lines[: len(lines) // 2] if cancelled or expired else lines
        rows = [row for line in wanted for row in self._rows(job, line)]
        random.Random(job.shown["name"]).shuffle(rows)  # noqa: S311 - the same one each time
        directory = (
            f"{job.asked['outputConfig']['gcsDestination']['outputUriPrefix']}/prediction-model-{now()}"
        )
        self._write(directory, rows)
        failed = sum(bool(row["status"]) for row in rows)
        stats = {"successfulCount": str(len(rows) - failed), "failedCount": str(failed)}
        stats["incompleteCount"] = str(len(lines) - len(wanted))
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
            shard = "".join(compact(row) + "\n" for row in rows[first : first + size])
            self._storage.write(f"{directory}/{name}", shard.encode())
        self._storage.write(f"{directory}/_SUCCESS", b"")

    def _rows(self, job: Job, line: bytes) -> Iterator[JSON]:
        text = line.decode()
        given = parsed(line)
        if "emulator-lost" in text:
            return
        if not isinstance(given, dict) or not (asked := self._asked(job, given)):
            yield {"status": "Bad Request: the line is not of the format.", "request": given}
            return
        status, reply = self._reply(asked, text)
        predicted = "content" in given
        row = {"instance": given} if predicted else given | {"request": _echo(given["request"])}
        row |= {"status": "", "processed_time": now()}
        if status != 200:
            row |= {"status": f"Bad Request: {compact(reply)}", "response": {}}
        else:
            row |= {"predictions": reply["predictions"]} if predicted else {"response": reply}
        yield row
        if "emulator-twice" in text:
            yield row

    def _asked(self, job: Job, line: JSON) -> Asked | None:
        """Give the call that a line stands for, if it is of the format that the model takes."""
        model = MODEL.fullmatch(job.asked["model"])
        publisher = (model and model["publisher"]) or "google"
        name = (model and model["name"]) or "gemini-2.5-flash"
        keys = set(line)
        if publisher == "anthropic" and keys == {"custom_id", "request"}:
            verb, body = "rawPredict", line["request"]
        elif "embedding" not in name and keys == {"request"}:
            verb, body = "generateContent", line["request"]
        elif name.startswith("gemini-embedding-2") and keys == {"key", "request"}:
            config = {held: value for held, value in line["request"].items() if held != "content"}
            body = {"content": line["request"]["content"]} | (
                {"embedContentConfig": config} if config else {}
            )
            verb = "embedContent"
        elif "embedding" in name and "content" in keys and keys <= {"content", "task_type", "title"}:
            parameters = (
                {"parameters": job.asked["modelParameters"]} if "modelParameters" in job.asked else {}
            )
            verb, body = "predict", {"instances": [line]} | parameters
        else:
            return None
        plain = re.sub(r"emulator-[\w-]+", "x", name)
        return Asked("v1", PROJECT, job.location, plain, verb, {}, {}, body, 0, NONE)

    def _reply(self, asked: Asked, text: str) -> tuple[int, Any]:
        if wanted := re.search(r"emulator-status-(\d{3})", text):
            code = int(wanted[1])
            return code, google.envelope(code, f"Status {code} was asked for.")
        try:
            answer = (claude if asked.verb == "rawPredict" else google_models).answer(asked)
        except Refused as refused:
            answer = refused.answer
        return answer.status, parsed(b"".join(step for step in answer.steps if isinstance(step, bytes)))


def _echo(request: JSON) -> JSON:
    """Spell a request as the proto does, with defaults that nobody gave; Claude's is its own."""
    shown: JSON = _snake(request, free=False)
    if "contents" not in shown:
        return request
    shown["generation_config"] = {"candidate_count": 1} | shown.get("generation_config", {})
    return shown | {"safety_settings": shown.get("safety_settings", [])}


def _snake(value: Any, *, free: bool) -> Any:
    if isinstance(value, list):
        return [_snake(one, free=free) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name if free else proto.snake(name): _snake(held, free=free or name in FREE)
        for name, held in value.items()
    }
