"""The results of a batch as OpenAI's files, made from what Vertex AI wrote each time they are read.

So nothing has to be converted when a job ends, and no state has to be kept. The content is the same each
time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import count, text
from vertex_compat.operations.batches import batch_metadata
from vertex_compat.operations.batches.batch_metadata import Batch, BatchMetadata
from vertex_compat.operations.batches.row_operations import OPERATIONS, ResponseIdentity
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files import jsonl
from vertex_compat.operations.files.bucket import Bucket, no_such_file
from vertex_compat.services import batch_jobs
from vertex_compat.services.batch_jobs import Row
from vertex_compat.types import JSON, UpstreamCall

_log = logging.getLogger(__name__)

OUTPUT: Final = "output"
ERRORS: Final = "errors"

NO_RESPONSE: Final = {
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was answered."),
    "expired": ("batch_expired", "The batch expired before this request was answered."),
}
_NO_RESPONSE: Final = ("no_answer", "Vertex AI wrote no response to this request.")

_NAME: Final = re.compile(rf"(?P<batch>.+)/(?P<kind>{OUTPUT}|{ERRORS})\.jsonl")


@dataclass(frozen=True, slots=True)
class VirtualFile:
    """The output file or the error file of a batch."""

    batch: Batch
    kind: str

    @property
    def name(self) -> str:
        """The object name that the file's id encodes. The object itself does not exist."""
        return f"{self.batch.name}/{self.kind}.jsonl"

    def metadata(self, bucket: Bucket, context: RequestContext) -> dict[str, int | str]:
        """Return what a file object needs. `bytes` is the size of what Vertex AI wrote."""
        _, job = self._ended_job(bucket, context)
        progress = batch_jobs.progress(job, 0)
        return {
            "bytes": sum(count(shard.get("size")) for shard in _shards(bucket, self.batch)),
            "created_at": count(progress.get(f"{progress['status']}_at")),
            "filename": f"{self.batch.id(context.ids)}_{self.kind}.jsonl",
            "purpose": "batch_output",
        }

    def read(self, bucket: Bucket, context: RequestContext) -> Iterator[bytes]:
        """Return an iterator over the lines; raises `NotFound` at once if the batch has not ended."""
        metadata, job = self._ended_job(bucket, context)
        target = bucket.target(batch_metadata.lines_name(self.batch.token))
        lines = [line for _, line in jsonl.lines(bucket.read(target))]
        results = _Results(self.batch, metadata, batch_jobs.progress(job, metadata.total), lines)
        return results.lines(_rows(bucket, self.batch, metadata), self.kind)

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
    """Return the kinds of files that a batch has: none before its end, and none that must be empty."""
    status = batch_jobs.status(job)
    if status not in batch_jobs.ENDED:
        return set()
    if status == "completed" and not job.get("completionStats"):
        return {OUTPUT, ERRORS}
    completed = batch_jobs.counts(job, metadata.total)["completed"]
    found = {OUTPUT} if completed else set()
    # A job that failed as a whole has an error of its own; else each request without a response gets one.
    has_errors = completed < metadata.total and (completed or status != "failed")
    return found | {ERRORS} if has_errors else found


def _shards(bucket: Bucket, batch: Batch) -> Iterator[JSON]:
    for resource in bucket.list(batch_metadata.output_prefix(batch.token)):
        if text(resource.get("name")).endswith(".jsonl"):
            yield resource


def _rows(bucket: Bucket, batch: Batch, metadata: BatchMetadata) -> Iterator[Row]:
    """Yield what Vertex AI wrote, in its order, shard by shard."""
    codec = batch_jobs.CODECS[OPERATIONS[metadata.endpoint].name, metadata.publisher]
    for shard in _shards(bucket, batch):
        for _, line in jsonl.lines(bucket.read(bucket.target(bucket.resource_name(shard)))):
            try:
                row = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError:
                _log.warning("a line of a batch's output is not a JSON object")
            else:
                yield batch_jobs.decode_row(row, codec)


class _LineKey(msgspec.Struct):
    """The part of a line that tells which response is its own."""

    key: str


_decode_key = msgspec.json.Decoder(_LineKey).decode
msgspec.json.Decoder(UpstreamCall)  # prepares the type in one thread: see `request.body`


class _Results:
    """The responses of one batch, each matched with its request."""

    def __init__(self, batch: Batch, metadata: BatchMetadata, progress: JSON, lines: list[bytes]) -> None:
        self._batch = batch
        self._metadata = metadata
        self._status = progress["status"]
        self._created = count(progress.get(f"{self._status}_at")) or metadata.created_at
        self._operation = OPERATIONS[metadata.endpoint]
        self._pending = dict(enumerate(lines))  # requests without a response so far
        self._numbers: dict[str, list[int]] = {}
        for number, line in self._pending.items():
            self._numbers.setdefault(_decode_key(line).key, []).append(number)

    def lines(self, rows: Iterator[Row], kind: str) -> Iterator[bytes]:
        """Yield the lines of one of the two files. A response that comes twice is used once."""
        for row in rows:
            for number in self._numbers.pop(row.key or "", ()):
                request: JSON = msgspec.json.decode(self._pending.pop(number))
                failed, line = self._result(row, request, number)
                if failed == (kind == ERRORS):
                    yield line
        if kind == ERRORS:
            for number, request_line in self._pending.items():
                yield self._without_response(msgspec.json.decode(request_line), number)

    def _result(self, row: Row, request: JSON, number: int) -> tuple[bool, bytes]:
        try:
            status, body = 200, self._body(row, request, number)
        except errors.ApiError as error:
            status, body = error.status, error.body()
        response = {"status_code": status, "request_id": f"req_{self._id(number)}", "body": body}
        return status != 200, self._line(number, request, response, None)

    def _body(self, row: Row, request: JSON, number: int) -> JSON:
        if row.error:
            raise _row_error(row.error)
        if errors.is_error(row.response):
            raise errors.from_body(200, row.response)
        call = msgspec.convert({"path": "", "body": {}} | request["call"], UpstreamCall)
        identity = ResponseIdentity(self._id(number), self._created, self._metadata.model)
        return self._operation.response(row.response, call, self._metadata.publisher, identity)

    def _without_response(self, request: JSON, number: int) -> bytes:
        code, message = NO_RESPONSE.get(self._status, _NO_RESPONSE)
        return self._line(number, request, None, {"code": code, "message": message})

    def _line(self, number: int, request: JSON, response: JSON | None, error: JSON | None) -> bytes:
        line = {
            "id": f"batch_req_{self._id(number)}",
            "custom_id": request["custom_id"],
            "response": response,
            "error": error,
        }
        return msgspec.json.encode(line) + b"\n"

    def _id(self, number: int) -> str:
        return f"{self._batch.token}_{number}"


def _row_error(status: str) -> errors.ApiError:
    """Return the error in a row's status, a text that may hold the model's own error as JSON."""
    start = status.find("{")
    try:
        body: Any = msgspec.json.decode(status[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        body = None
    return errors.from_body(200, body) if errors.is_error(body) else errors.BadRequest(status)
