"""A batch in the bucket: its record, named for the job that runs it, and what the job reads and writes.

::

    batches/TOKEN/LOCATION/JOB          what OpenAI's batch has and Vertex's job has not
    batches/TOKEN/failed                the same, of a batch with a file that is no good: there is no job
    batch-data/TOKEN/requests.jsonl     what Vertex reads
    batch-data/TOKEN/lines.jsonl        a line for each request: what it takes to read the answer
    batch-data/TOKEN/output/            what Vertex writes

A batch's id is the name of its record, so an id that was made up leads nowhere: without the record, no job is
asked for.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from vertex_compat import errors, ids
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON, ResourceTarget, UpstreamCall

RECORDS: Final = "batches/"
FAILED: Final = "failed"

_BATCH: Final = "batch_"
_PATH: Final = re.compile(r"([0-9a-f]{28})/([a-z0-9-]{1,40}/[0-9]{1,30}|failed)")
_JOB: Final = re.compile(r"projects/[^/]+/locations/([^/]+)/batchPredictionJobs/([^/]+)")


class BatchMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a batch: nobody else knows it."""

    endpoint: str
    input_file_id: str
    created_at: int
    metadata: dict[str, str] | None = None
    model: str = ""
    publisher: str = ""
    total: int = 0
    project: str | None = None
    account: str | None = None
    problems: list[JSON] = []


_record = msgspec.json.Decoder(BatchMetadata).decode


class Batch(NamedTuple):
    """Where a batch is: its token, and `LOCATION/JOB` or `failed`."""

    token: str
    job: str

    @property
    def id(self) -> str:
        """OpenAI's id."""
        return ids.encode(_BATCH, f"{self.token}/{self.job}")

    @property
    def name(self) -> str:
        """Its record's name."""
        return f"{RECORDS}{self.token}/{self.job}"

    def read(self, bucket: Bucket) -> BatchMetadata:
        """Its record; raises `NotFound`."""
        try:
            return _record(b"".join(bucket.read(self.name)))
        except errors.NotFound:
            raise no_such_batch(self.id) from None

    def ask_for(self, call: UpstreamCall, record: BatchMetadata, context: RequestContext) -> JSON:
        """What Vertex says to a call about its job."""
        location = self.job.partition("/")[0]
        site = ResourceTarget(
            "batchPredictionJobs", (location,), project=record.project, impersonate_account=record.account
        )
        return model_calls.get_json(call, site, context)

    def state(self, record: BatchMetadata, context: RequestContext) -> JSON | None:
        """Its job as it stands, None if it never had one."""
        if self.job == FAILED:
            return None
        try:
            return self.ask_for(batch_jobs.get(self.number), record, context)
        except errors.NotFound:
            gone = {"message": "Vertex AI has no job of this batch any more."}
            return {"state": "JOB_STATE_FAILED", "error": gone}

    @property
    def number(self) -> str:
        """Vertex's id of its job."""
        return self.job.partition("/")[2]


def requests(token: str) -> str:
    """The name of what a batch's job reads."""
    return f"batch-data/{token}/requests.jsonl"


def lines(token: str) -> str:
    """The name of what it takes to read the answers."""
    return f"batch-data/{token}/lines.jsonl"


def output(token: str) -> str:
    """How the names of what a batch's job writes begin."""
    return f"batch-data/{token}/output"


def at(name: str) -> Batch | None:
    """The batch whose record has this name, None if it is no record's."""
    found = _PATH.fullmatch(name.removeprefix(RECORDS)) if name.startswith(RECORDS) else None
    return Batch(*found.groups()) if found else None


def find(identity: str) -> Batch:
    """The batch that an id means; raises `NotFound`."""
    batch = at(RECORDS + (ids.decode(_BATCH, identity) or ""))
    if batch is None:
        raise no_such_batch(identity)
    return batch


def started(token: str, job: JSON) -> Batch:
    """The batch whose job has just been started."""
    named = _JOB.fullmatch(job.get("name", ""))
    if not named:
        raise errors.UpstreamFault("Vertex AI started a job and did not say which.")
    return Batch(token, "/".join(named.groups()))


def no_such_batch(identity: str) -> errors.NotFound:
    """The 404 of a batch."""
    return errors.NotFound(f"No batch found with id '{identity[:300]}'.", param="batch_id")
