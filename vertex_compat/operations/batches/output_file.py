"""A batch's answers as OpenAI's files, made from what Vertex wrote each time they are read.

So nothing has to be converted when a job ends, which no request of a client's would wait for, and nobody has
to remember whether it was. What is made is the same each time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations.batches import batch_metadata
from vertex_compat.operations.batches.batch_metadata import Batch, BatchMetadata
from vertex_compat.operations.batches.row_operations import OPERATIONS, Stamp
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files import jsonl
from vertex_compat.operations.files.bucket import Bucket, no_such_file
from vertex_compat.services import batch_jobs
from vertex_compat.services.batch_jobs import Row
from vertex_compat.types import JSON, UpstreamCall

_log = logging.getLogger(__name__)

OUTPUT: Final = "output"
ERRORS: Final = "errors"

UNANSWERED: Final = {
    "cancelled": ("batch_cancelled", "This request was not answered before the batch was cancelled."),
    "expired": ("batch_expired", "This request was not answered before the batch expired."),
}
_UNANSWERED: Final = ("no_answer", "Vertex AI wrote no answer to this request.")

_NAME: Final = re.compile(rf"(?P<record>.+)/(?P<kind>{OUTPUT}|{ERRORS})\.jsonl")


@dataclass(frozen=True, slots=True)
class Made:
    """The file of a batch's answers, or of its errors."""

    batch: Batch
    kind: str

    @property
    def name(self) -> str:
        """The name of an object that is never stored, and of which the file has its id."""
        return f"{self.batch.name}/{self.kind}.jsonl"

    def about(self, bucket: Bucket, context: RequestContext) -> JSON:
        """What is known of it. How long it will be nobody knows; told is how much Vertex wrote."""
        _, job = self._ended(bucket, context)
        shown = batch_jobs.progress(job, 0)
        return {
            "bytes": sum(int(shard["size"]) for shard in _shards(bucket, self.batch)),
            "created_at": shown.get(f"{shown['status']}_at", 0),
            "filename": f"{self.batch.id}_{self.kind}.jsonl",
            "purpose": "batch_output",
        }

    def read(self, bucket: Bucket, context: RequestContext) -> Iterator[bytes]:
        """Its lines; raises `NotFound` at once if the batch has not ended."""
        record, job = self._ended(bucket, context)
        notes = [line for _, line in jsonl.lines(bucket.read(batch_metadata.lines(self.batch.token)))]
        answers = _Answers(self.batch, record, batch_jobs.progress(job, record.total), notes)
        return answers.written(_rows(bucket, self.batch, record), self.kind)

    def _ended(self, bucket: Bucket, context: RequestContext) -> tuple[BatchMetadata, JSON]:
        record = self.batch.read(bucket)
        job = self.batch.state(record, context)
        if job is None or self.kind not in kinds(job, record):
            raise no_such_file(bucket.at(self.name).id)
        return record, job


def find(name: str) -> Made | None:
    """The file that an object's name stands for, None if there is, or could be, an object of that name."""
    named = _NAME.fullmatch(name)
    batch = batch_metadata.at(named["record"]) if named else None
    return Made(batch, named["kind"]) if named and batch else None


def kinds(job: JSON, record: BatchMetadata) -> set[str]:
    """Which files there are: none before the end, and none that is known to be empty."""
    now = batch_jobs.status(job)
    if now not in batch_jobs.ENDED:
        return set()
    if now == "completed" and not job.get("completionStats"):
        return {OUTPUT, ERRORS}
    done = batch_jobs.counts(job, record.total)["completed"]
    found = {OUTPUT} if done else set()
    # A job that failed as a whole says why itself; otherwise each request that has no answer gets an error.
    return found | {ERRORS} if done < record.total and (done or now != "failed") else found


def _shards(bucket: Bucket, batch: Batch) -> Iterator[JSON]:
    for stored in bucket.list(batch_metadata.output(batch.token)):
        if stored["name"].endswith(".jsonl"):
            yield stored


def _rows(bucket: Bucket, batch: Batch, record: BatchMetadata) -> Iterator[Row]:
    """What Vertex wrote, in the order in which it did, shard after shard."""
    form = batch_jobs.FORMATS[OPERATIONS[record.endpoint].name, record.publisher]
    for shard in _shards(bucket, batch):
        for _, line in jsonl.lines(bucket.read(bucket.name(shard))):
            try:
                written = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError:
                _log.warning("a line of a batch's output is no JSON object")
            else:
                yield batch_jobs.row(written, form)


class _Key(msgspec.Struct):
    """The part of a request's note by which its answer is known."""

    key: str


_key = msgspec.json.Decoder(_Key).decode
msgspec.json.Decoder(UpstreamCall)  # read once, by one thread: see `body`


class _Answers:
    """The answers of one batch, each given back to the request that it is of."""

    def __init__(self, batch: Batch, record: BatchMetadata, progress: JSON, notes: list[bytes]) -> None:
        self._batch = batch
        self._record = record
        self._status = progress["status"]
        self._created = progress.get(f"{self._status}_at", record.created_at)
        self._operation = OPERATIONS[record.endpoint]
        self._open = dict(enumerate(notes))  # the requests whose answers have not come
        self._numbers: dict[str, list[int]] = {}
        for number, note in self._open.items():
            self._numbers.setdefault(_key(note).key, []).append(number)

    def written(self, rows: Iterator[Row], kind: str) -> Iterator[bytes]:
        """The lines of one of the two files. An answer that comes twice counts once."""
        for row in rows:
            for number in self._numbers.pop(row.key or "", ()):
                note: JSON = msgspec.json.decode(self._open.pop(number))
                failed, line = self._answer(row, note, number)
                if failed == (kind == ERRORS):
                    yield line
        if kind == ERRORS:
            for number, left in self._open.items():
                yield self._unanswered(msgspec.json.decode(left), number)

    def _answer(self, row: Row, note: JSON, number: int) -> tuple[bool, bytes]:
        try:
            status, body = 200, self._body(row, note, number)
        except errors.ApiError as error:
            status, body = error.status, error.body()
        response = {"status_code": status, "request_id": f"req_{self._identity(number)}", "body": body}
        return status != 200, self._line(number, note, response, None)

    def _body(self, row: Row, note: JSON, number: int) -> JSON:
        if row.fault:
            raise _fault(row.fault)
        if errors.is_error(row.reply):
            raise errors.from_body(200, row.reply)
        call = msgspec.convert({"path": "", "body": {}} | note["call"], UpstreamCall)
        stamp = Stamp(self._identity(number), self._created, self._record.model)
        return self._operation.response(row.reply, call, self._record.publisher, stamp)

    def _unanswered(self, note: JSON, number: int) -> bytes:
        code, message = UNANSWERED.get(self._status, _UNANSWERED)
        return self._line(number, note, None, {"code": code, "message": message})

    def _line(self, number: int, note: JSON, response: JSON | None, error: JSON | None) -> bytes:
        line = {
            "id": f"batch_req_{self._identity(number)}",
            "custom_id": note["custom_id"],
            "response": response,
            "error": error,
        }
        return msgspec.json.encode(line) + b"\n"

    def _identity(self, number: int) -> str:
        return f"{self._batch.token}_{number}"


def _fault(said: str) -> errors.ApiError:
    """What a row's status means: a text, in which the error of the model's own API may stand as JSON."""
    begin = said.find("{")
    try:
        body: Any = msgspec.json.decode(said[begin:]) if begin >= 0 else None
    except (ValueError, RecursionError):
        body = None
    return errors.from_body(200, body) if errors.is_error(body) else errors.BadRequest(said)
