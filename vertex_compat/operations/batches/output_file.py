"""The results of a batch as OpenAI's files: one of responses, one of errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat.json_values import count
from vertex_compat.operations.batches import batch_metadata, results
from vertex_compat.operations.batches.batch_metadata import Batch, BatchMetadata
from vertex_compat.operations.batches.results import BatchResult
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket, no_such_file
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire

OUTPUT: Final = "output"
ERRORS: Final = "errors"

NO_RESPONSE: Final = {
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was answered."),
    "expired": ("batch_expired", "The batch expired before this request was answered."),
}
_NO_RESPONSE: Final = ("no_answer", "Vertex AI wrote no response to this request.")

_NAME: Final = re.compile(rf"(?P<batch>.+)/(?P<kind>{OUTPUT}|{ERRORS})\.jsonl")


class VirtualFile(msgspec.Struct, frozen=True):
    """The output file or the error file of a batch."""

    batch: Batch
    kind: str

    @property
    def name(self) -> str:
        """The object name that the file's id encodes. The object itself does not exist."""
        return f"{self.batch.name}/{self.kind}.jsonl"

    def metadata(self, bucket: Bucket, context: RequestContext) -> wire.FileMetadata:
        """Return what a file object needs. `bytes` is the size of what Vertex AI wrote."""
        _, job = self._ended_job(bucket, context)
        return {
            "bytes": sum(count(shard.get("size")) for shard in results.shards(bucket, self.batch)),
            "created_at": batch_jobs.end_time(job) or 0,
            "filename": f"{self.batch.id(context.ids)}_{self.kind}.jsonl",
            "purpose": "batch_output",
        }

    def read(self, bucket: Bucket, context: RequestContext) -> Iterator[bytes]:
        """Return the lines; raises `NotFound` immediately if the batch has not ended."""
        metadata, job = self._ended_job(bucket, context)
        status = batch_jobs.status(job)
        outcomes = results.read(self.batch, metadata, job, context)
        return (
            _line(result, status) for result in outcomes if (result.response is None) == (self.kind == ERRORS)
        )

    def _ended_job(self, bucket: Bucket, context: RequestContext) -> tuple[BatchMetadata, JSON]:
        metadata = self.batch.read(bucket, context)
        job = self.batch.get_job(metadata, context)
        if job is None or self.kind not in kinds(job, metadata):
            raise no_such_file(bucket.id_of(bucket.target(self.name)))
        return metadata, job


def find(name: str) -> VirtualFile | None:
    """Return the result file with an object name, None if the name is that of a stored object."""
    match = _NAME.fullmatch(name)
    batch = batch_metadata.from_name(match["batch"]) if match else None
    return VirtualFile(batch, match["kind"]) if match and batch else None


def kinds(job: JSON, metadata: BatchMetadata) -> set[str]:
    """Return the kinds of files that a batch has.

    There are none before its end, and none that must be empty.
    """
    status = batch_jobs.status(job)
    if status not in batch_jobs.END_STATES:
        return set()
    if status == "completed" and not job.get("completionStats"):
        return {OUTPUT, ERRORS}
    completed = batch_jobs.counts(job, metadata.total)["completed"]
    present = {OUTPUT} if completed else set()
    # A job that failed as a whole has an error of its own; else each request without a response gets one.
    has_errors = completed < metadata.total and (completed or status != "failed")
    return present | {ERRORS} if has_errors else present


def _line(result: BatchResult, status: str) -> bytes:
    """Return the line of a result of a batch that ended with `status`."""
    response: wire.BatchRequestResponse | None = None
    failure: wire.BatchRequestError | None = None
    if result.response is not None:
        response = _response(result, 200, result.response)
    elif result.error:
        response = _response(result, result.error.status, result.error.body())
    else:
        code, message = NO_RESPONSE.get(status, _NO_RESPONSE)
        failure = {"code": code, "message": message}
    line: wire.BatchRequestOutput = {
        "id": f"batch_req_{result.id}",
        "custom_id": result.custom_id,
        "response": response,
        "error": failure,
    }
    return msgspec.json.encode(line) + b"\n"


def _response(result: BatchResult, status: int, body: Mapping[str, object]) -> wire.BatchRequestResponse:
    return {"status_code": status, "request_id": f"req_{result.id}", "body": body}
