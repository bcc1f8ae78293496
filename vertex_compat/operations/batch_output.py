"""A batch's answers as OpenAI's files, made from what Vertex wrote each time they are read.

So nothing has to be converted when a job ends, which no request of a client's would wait for, and nobody has
to remember whether it was. What is made is the same each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations import Ask, batch_record, chat, jsonl
from vertex_compat.operations.batch_record import Batch, Record
from vertex_compat.operations.bucket import Bucket, no_such_file
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.services import batch_jobs
from vertex_compat.services.batch_jobs import Row
from vertex_compat.wire import JSON, UpstreamCall

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

    def about(self, bucket: Bucket, ask: Ask) -> JSON:
        """What is known of it. How long it will be nobody knows; told is how much Vertex wrote."""
        _, job = self._ended(bucket, ask)
        shown = batch_jobs.progress(job, 0)
        return {
            "bytes": sum(int(shard["size"]) for shard in _shards(bucket, self.batch)),
            "created_at": shown.get(f"{shown['status']}_at", 0),
            "filename": f"{self.batch.id}_{self.kind}.jsonl",
            "purpose": "batch_output",
        }

    def read(self, bucket: Bucket, ask: Ask) -> Iterator[bytes]:
        """Its lines; raises `NotFound` at once if the batch has not ended."""
        record, job = self._ended(bucket, ask)
        notes = [line for _, line in jsonl.lines(bucket.read(batch_record.lines(self.batch.token)))]
        answers = _Answers(self.batch, record, batch_jobs.progress(job, record.total), notes)
        return answers.written(_rows(bucket, self.batch, record), self.kind)

    def _ended(self, bucket: Bucket, ask: Ask) -> tuple[Record, JSON]:
        record = self.batch.read(bucket)
        job = self.batch.state(record, ask)
        if self.kind not in kinds(job, record):
            raise no_such_file(bucket.object(self.name).id)
        return record, job


def find(name: str) -> Made | None:
    """The file that an object's name stands for, None if there is, or could be, an object of that name."""
    named = _NAME.fullmatch(name)
    batch = batch_record.at(named["record"]) if named else None
    return Made(batch, named["kind"]) if named and batch else None


def kinds(job: JSON, record: Record) -> set[str]:
    """Which files there are: none before the end, and none that would be empty."""
    now = batch_jobs.status(job)
    if now not in batch_jobs.ENDED:
        return set()
    done = batch_jobs.counts(job, record.total)["completed"]
    found = {OUTPUT} if done else set()
    # A job that failed as a whole says why itself; otherwise each request that has no answer gets an error.
    return found | {ERRORS} if done < record.total and (done or now != "failed") else found


def _shards(bucket: Bucket, batch: Batch) -> Iterator[JSON]:
    for stored in bucket.list(batch_record.output(batch.token)):
        if stored["name"].endswith(".jsonl"):
            yield stored


def _rows(bucket: Bucket, batch: Batch, record: Record) -> Iterator[Row]:
    """What Vertex wrote, in the order in which it did, shard after shard."""
    form = batch_jobs.FORMATS[record.publisher]
    for shard in _shards(bucket, batch):
        for _, line in jsonl.lines(bucket.read(bucket.name(shard))):
            yield batch_jobs.row(msgspec.json.decode(line), form)


class _Answers:
    def __init__(self, batch: Batch, record: Record, progress: JSON, notes: list[bytes]) -> None:
        self._batch = batch
        self._record = record
        self._status = progress["status"]
        self._created = progress.get(f"{self._status}_at", record.created_at)
        self._notes = notes
        self._open = bytearray(b"\1" * len(notes))  # one for each request whose answer has not come

    def written(self, rows: Iterator[Row], kind: str) -> Iterator[bytes]:
        """The lines of one of the two files."""
        for row in rows:
            if (number := self._number(row)) is None:
                continue
            self._open[number] = 0
            failed, line = self._answer(row, number)
            if failed == (kind == ERRORS):
                yield line
        if kind == ERRORS:
            for number, _ in filter(lambda one: one[1], enumerate(self._open)):
                yield self._unanswered(number)

    def _number(self, row: Row) -> int | None:
        """Which request is answered; None if it was answered before, or is none of ours."""
        number = int(row.key) if row.key and row.key.isdecimal() else -1
        return number if 0 <= number < len(self._open) and self._open[number] else None

    def _answer(self, row: Row, number: int) -> tuple[bool, bytes]:
        note: JSON = msgspec.json.decode(self._notes[number])
        try:
            status, body = 200, self._completion(row, note, number)
        except errors.ApiError as error:
            status, body = error.status, error.body()
        identity = f"{self._batch.token}_{number}"
        response = {"status_code": status, "request_id": f"req_{identity}", "body": body}
        return status != 200, self._line(number, note, response, None)

    def _completion(self, row: Row, note: JSON, number: int) -> JSON:
        if row.fault:
            raise _fault(row.fault)
        if errors.is_error(row.reply):
            raise errors.from_body(200, row.reply)
        call = msgspec.convert({"path": "", "body": {}} | note["call"], UpstreamCall)
        operation = PUBLISHERS[self._record.publisher].chat
        pieces = [(0, piece) for piece in operation.response(row.reply, call)] if operation else []
        identity = f"chatcmpl-{self._batch.token}{number}"
        return chat.completion(pieces, self._record.model, identity, self._created)

    def _unanswered(self, number: int) -> bytes:
        code, message = UNANSWERED.get(self._status, _UNANSWERED)
        note = msgspec.json.decode(self._notes[number])
        return self._line(number, note, None, {"code": code, "message": message})

    def _line(self, number: int, note: JSON, response: JSON | None, error: JSON | None) -> bytes:
        line = {
            "id": f"batch_req_{self._batch.token}_{number}",
            "custom_id": note["custom_id"],
            "response": response,
            "error": error,
        }
        return msgspec.json.encode(line) + b"\n"


def _fault(said: str) -> errors.ApiError:
    """What a row's status means: a text, in which the error of the model's own API may stand as JSON."""
    begin = said.find("{")
    try:
        body: Any = msgspec.json.decode(said[begin:]) if begin >= 0 else None
    except (msgspec.DecodeError, RecursionError):
        body = None
    return errors.from_body(200, body) if errors.is_error(body) else errors.BadRequest(said)
