"""The results of a batch, translated from Vertex AI's output each time they are read.

So nothing has to be converted when a job ends, and no state has to be kept. The content is the same each
time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import text
from vertex_compat.operations.batches import batch_metadata
from vertex_compat.operations.batches.batch_metadata import Batch, BatchMetadata
from vertex_compat.operations.batches.row_operations import OPERATIONS, ResponseIdentity
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files import jsonl
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.services import batch_jobs
from vertex_compat.services.batch_jobs import Row
from vertex_compat.types import JSON, UpstreamCall

_log = logging.getLogger(__name__)


class BatchResult(NamedTuple):
    """The outcome of one request: a response, or an error, or neither if no model was called."""

    id: str
    custom_id: str
    response: Mapping[str, object] | None = None
    error: errors.ApiError | None = None


def read(batch: Batch, metadata: BatchMetadata, job: JSON, context: RequestContext) -> Iterator[BatchResult]:
    """Return an iterator over the results of an ended job.

    Raises `NotFound` immediately if there are none.
    """
    bucket = Bucket(context)
    target = bucket.target(batch_metadata.lines_name(batch.token))
    lines = [line for _, line in jsonl.lines(bucket.read(target))]
    return _Requests(batch, metadata, job, lines).results(_rows(bucket, batch, metadata))


def shards(bucket: Bucket, batch: Batch) -> Iterator[JSON]:
    """Yield the object resources of what Vertex AI wrote."""
    for resource in bucket.list(batch_metadata.output_prefix(batch.token)):
        if text(resource.get("name")).endswith(".jsonl"):
            yield resource


def _rows(bucket: Bucket, batch: Batch, metadata: BatchMetadata) -> Iterator[Row]:
    """Yield what Vertex AI wrote, in its order, shard by shard."""
    codec = batch_jobs.CODECS[OPERATIONS[metadata.endpoint].name, metadata.publisher]
    for shard in shards(bucket, batch):
        for _, line in jsonl.lines(bucket.read(bucket.target(bucket.resource_name(shard)))):
            try:
                row = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError:
                _log.warning("a line of a batch's output is not a JSON object")
            else:
                yield batch_jobs.decode_row(row, codec)


class _LineKey(msgspec.Struct):
    """The part of a line that identifies its response."""

    key: str


_decode_key = msgspec.json.Decoder(_LineKey).decode
msgspec.json.Decoder(UpstreamCall)  # prepares the type in one thread: see `request.body`


class _Requests:
    """The requests of one batch, each matched with its response."""

    def __init__(self, batch: Batch, metadata: BatchMetadata, job: JSON, lines: list[bytes]) -> None:
        self._token = batch.token
        self._metadata = metadata
        self._created = batch_jobs.end_time(job) or metadata.created_at
        self._operation = OPERATIONS[metadata.endpoint]
        self._pending = dict(enumerate(lines))  # requests without a response so far
        self._numbers: dict[str, list[int]] = {}
        for number, line in self._pending.items():
            self._numbers.setdefault(_decode_key(line).key, []).append(number)

    def results(self, rows: Iterator[Row]) -> Iterator[BatchResult]:
        """Yield the results, those without a response last.

        A response that comes twice is used once.
        """
        for row in rows:
            for number in self._numbers.pop(row.key or "", ()):
                yield self._result(row, msgspec.json.decode(self._pending.pop(number)), self._id(number))
        for number, line in self._pending.items():
            yield BatchResult(self._id(number), msgspec.json.decode(line)["custom_id"])

    def _result(self, row: Row, request: JSON, id_: str) -> BatchResult:
        try:
            return BatchResult(id_, request["custom_id"], self._response(row, request, id_))
        except errors.ApiError as error:
            return BatchResult(id_, request["custom_id"], error=error)

    def _response(self, row: Row, request: JSON, id_: str) -> Mapping[str, object]:
        if row.error:
            raise _row_error(row.error)
        if errors.is_error(row.response):
            raise errors.from_body(200, row.response)
        call = msgspec.convert({"path": "", "body": {}} | request["call"], UpstreamCall)
        identity = ResponseIdentity(id_, self._created, self._metadata.model)
        return self._operation.response(
            row.response, call, self._metadata.publisher, identity, request.get("params") or {}
        )

    def _id(self, number: int) -> str:
        return f"{self._token}_{number}"


def _row_error(status: str) -> errors.ApiError:
    """Return the error in a row's status, a text that may hold the model's own error as JSON."""
    start = status.find("{")
    try:
        body: Any = msgspec.json.decode(status[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        body = None
    return errors.from_body(200, body) if errors.is_error(body) else errors.BadRequest(status)
