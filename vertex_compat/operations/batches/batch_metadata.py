"""A batch in the bucket: its metadata, and the files that its job reads and writes.

::

    batches/TOKEN/LOCATION/JOB          what OpenAI's batch object has and Vertex AI's job has not
    batches/TOKEN/failed                the same for a batch whose file is wrong, which has no job
    message-batches/TOKEN/LOCATION/JOB  the same for a batch of Anthropic's API
    batch-data/TOKEN/requests.jsonl     what Vertex AI reads
    batch-data/TOKEN/lines.jsonl        for each request, what is needed to read its response
    batch-data/TOKEN/output/            what Vertex AI writes

All of it is in the owner's folder. A batch's id holds the name of its metadata: without that object in the
caller's folder, no job is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.ids import IdSigner
from vertex_compat.json_values import text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON, ResourceTarget, UpstreamCall

FAILED: Final = "failed"

_NAME: Final = re.compile(r"([0-9a-f]{28})/([a-z0-9-]{1,40}/[0-9]{1,30}|failed)")
_JOB_NAME: Final = re.compile(r"projects/[^/]+/locations/([^/]+)/batchPredictionJobs/([^/]+)")


class BatchKind(NamedTuple):
    """The batches of one client API: their metadata's folder, and their ids' prefix and name."""

    folder: str
    id_prefix: str
    id_param: str


OPENAI: Final = BatchKind("batches/", "batch_", "batch_id")
ANTHROPIC: Final = BatchKind("message-batches/", "msgbatch_", "message_batch_id")


class BatchMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """Facts about a batch that its job does not have.

    `project` and `account` are of the starting call.
    """

    endpoint: str
    created_at: int
    input_file_id: str = ""
    cancelled_at: int | None = None
    metadata: dict[str, str] | None = None
    model: str = ""
    publisher: str = ""
    total: int = 0
    project: str | None = None
    account: str | None = None
    problems: Sequence[Mapping[str, Any]] = []


_decode_metadata = msgspec.json.Decoder(BatchMetadata).decode


class Batch(NamedTuple):
    """A batch's token, and `LOCATION/JOB` or `failed`."""

    token: str
    job: str
    kind: BatchKind = OPENAI

    @property
    def name(self) -> str:
        """The name of its metadata object."""
        return f"{self.kind.folder}{self.token}/{self.job}"

    @property
    def location(self) -> str:
        """The location of its job."""
        return self.job.partition("/")[0]

    @property
    def job_id(self) -> str:
        """Vertex AI's id of its job."""
        return self.job.partition("/")[2]

    def id(self, signer: IdSigner) -> str:
        """Return the client's id."""
        return signer.encode(self.kind.id_prefix, f"{self.token}/{self.job}")

    def read(self, bucket: Bucket, context: RequestContext) -> BatchMetadata:
        """Return its metadata; raises `NotFound` if it is not the caller's."""
        try:
            return _decode_metadata(b"".join(bucket.read(bucket.target(self.name))))
        except (errors.NotFound, msgspec.DecodeError):
            raise no_such_batch(self.id(context.ids), self.kind) from None

    def call_job(self, call: UpstreamCall, metadata: BatchMetadata, context: RequestContext) -> JSON:
        """Return the response to a call to its job.

        Raises `Forbidden` in a location that is not allowed.
        """
        context.router.check_location(self.location)
        target = ResourceTarget(
            "batchPredictionJobs",
            (self.location,),
            project=metadata.project,
            impersonate_account=metadata.account,
        )
        return model_calls.get_json(call, target, context)

    def get_job(self, metadata: BatchMetadata, context: RequestContext) -> JSON | None:
        """Return its job, None if it has none."""
        if self.job == FAILED:
            return None
        try:
            return self.call_job(batch_jobs.get(self.job_id), metadata, context)
        except errors.NotFound:
            reason = {"message": "Vertex AI has no job of this batch any more."}
            return {"state": "JOB_STATE_FAILED", "error": reason}


def data_prefix(token: str) -> str:
    """Return the prefix of the names of all files of a batch but its metadata."""
    return f"batch-data/{token}/"


def requests_name(token: str) -> str:
    """Return the name of the file that a batch's job reads."""
    return f"{data_prefix(token)}requests.jsonl"


def lines_name(token: str) -> str:
    """Return the name of the file with what is needed to read the responses."""
    return f"{data_prefix(token)}lines.jsonl"


def output_prefix(token: str) -> str:
    """Return the prefix of the names of what a batch's job writes."""
    return f"{data_prefix(token)}output"


def from_name(name: str, kind: BatchKind = OPENAI) -> Batch | None:
    """Return the batch whose metadata object has this name, None for any other name."""
    match = _NAME.fullmatch(name.removeprefix(kind.folder)) if name.startswith(kind.folder) else None
    return Batch(match[1], match[2], kind) if match else None


def from_id(id_: str, signer: IdSigner, kind: BatchKind = OPENAI) -> Batch:
    """Return the batch of an id; raises `NotFound` for an id that was not made here."""
    batch = from_name(kind.folder + (signer.decode(kind.id_prefix, id_) or ""), kind)
    if batch is None:
        raise no_such_batch(id_, kind)
    return batch


def from_job(token: str, job: JSON, kind: BatchKind) -> Batch:
    """Return the batch of a job that has just been started."""
    match = _JOB_NAME.fullmatch(text(job.get("name")))
    if not match:
        raise errors.UpstreamFault("Vertex AI started a job and did not name it.")
    return Batch(token, "/".join(match.groups()), kind)


def no_such_batch(id_: str, kind: BatchKind) -> errors.NotFound:
    """Return the 404 for a batch."""
    return errors.NotFound(f"No batch found with id '{id_[:300]}'.", param=kind.id_param)
