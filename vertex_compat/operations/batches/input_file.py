"""A batch's file, checked line by line and translated for the publisher that its model is of.

All that is wrong is found before anything is started, as OpenAI does: each problem with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.operations.batches import batches_schema
from vertex_compat.operations.batches.row_operations import OPERATIONS
from vertex_compat.operations.files import jsonl
from vertex_compat.operations.request import body
from vertex_compat.routing.router import Router
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON, Model, UpstreamCall

MAX_LINES: Final = 200_000
"""https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini"""

MAX_PROBLEMS: Final = 100
"""Told of one file."""

_OF_THE_REQUEST: Final = frozenset(
    {"body", "content", "headers", "ignored", "method", "path", "service", "version"}
)
"""The fields of a call that reading its answer does not take."""


def endpoint(given: str) -> str:
    """The endpoint that a client means; raises `BadRequest`."""
    meant = f"/v1{given.removeprefix('/v1')}"
    if meant not in OPERATIONS:
        raise errors.BadRequest(
            f"Invalid value for 'endpoint': expected one of {', '.join(OPERATIONS)}.",
            param="endpoint",
            code="invalid_value",
        )
    return meant


class Translated(NamedTuple):
    """One request: what Vertex reads, and what it takes to read the answer."""

    request: bytes
    note: bytes


class Reader:
    """Reads one file. `model` is None before the first line that names one; `parameters` are the job's."""

    def __init__(self, endpoint: str, router: Router) -> None:
        self.model: Model | None = None
        self.parameters: JSON = {}
        self.total = 0
        self.problems: list[JSON] = []
        self.ignored: set[str] = set()
        self._endpoint = endpoint
        self._operation = OPERATIONS[endpoint]
        self._router = router
        self._seen: dict[str, int] = {}

    def translate(self, blocks: Iterable[bytes]) -> Iterator[Translated]:
        """The requests in `blocks`, up to the first problem; the problems are listed when it has ended."""
        for number, line in jsonl.lines(blocks):
            try:
                translated = self._line(line, number)
            except errors.ApiError as error:
                self._problem(error, number)
                if len(self.problems) == MAX_PROBLEMS:
                    return
            else:
                if not self.problems:
                    yield translated
        if not self.total and not self.problems:
            self._problem(errors.BadRequest("The file has no requests.", code="empty_file"), None)

    def _problem(self, error: errors.ApiError, number: int | None) -> None:
        code = error.code or "invalid_request"
        self.problems.append({"code": code, "message": error.message, "param": error.param, "line": number})

    def _line(self, content: bytes, number: int) -> Translated:
        line = _decoded(content)
        self._check(line, number)
        given = self._operation.parse(msgspec.json.encode(line["body"]))
        model = self._model(given["model"])
        call = self._operation.request(given, model)
        self._check_parameters(batch_jobs.parameters(call.body))
        self.ignored.update(call.ignored)
        form = batch_jobs.FORMATS[self._operation.name, model.publisher]
        written = form.line(call.body, str(self.total))
        note = {"custom_id": line["custom_id"], "key": form.key(written), "call": _kept(call)}
        self.total += 1
        return Translated(msgspec.json.encode(written) + b"\n", msgspec.json.encode(note) + b"\n")

    def _check(self, line: JSON, number: int) -> None:
        if (url := line["url"].removeprefix("/v1")) != self._endpoint.removeprefix("/v1"):
            raise errors.BadRequest(
                f"The url {url[:200]!r} is not the batch's endpoint, {self._endpoint!r}.",
                param="url",
                code="invalid_url",
            )
        first = self._seen.setdefault(line["custom_id"], number)
        if first != number:
            raise errors.BadRequest(
                f"The custom_id {line['custom_id'][:100]!r} is that of line {first} too.",
                param="custom_id",
                code="duplicate_custom_id",
            )
        if self.total == MAX_LINES:
            raise errors.BadRequest(f"The file has more than {MAX_LINES} requests.", code="too_many_tasks")

    def _model(self, name: str) -> Model:
        """The model of all lines: a job has one."""
        if self.model is None:
            model = self._router.candidates(name)[0]
            if (self._operation.name, model.publisher) not in batch_jobs.FORMATS:
                raise errors.BadRequest(
                    f"Vertex AI runs no such batches of {name[:200]!r}: only of Gemini, Claude and Google's "
                    "embeddings.",
                    param="model",
                    code="model_not_supported",
                )
            self.model = model
        if name != self.model.requested_name:
            raise errors.BadRequest(
                f"All requests of a batch go to one model; this one is to {name[:200]!r}, "
                f"one before it to {self.model.requested_name!r}.",
                param="model",
                code="mismatched_model",
            )
        return self.model

    def _check_parameters(self, given: JSON) -> None:
        if self.total == 0:
            self.parameters = given
        elif given != self.parameters:
            raise errors.BadRequest(
                "All requests of a batch have the same parameters beside their input.",
                code="mismatched_parameters",
            )


def _decoded(content: bytes) -> JSON:
    try:
        line: Any = msgspec.json.decode(content)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise errors.BadRequest("This line is not a JSON object.", code="invalid_json_line")
    body.validate(line, batches_schema.Line)
    return line


def _kept(call: UpstreamCall) -> JSON:
    """What reading the answer takes."""
    return {
        field.name: value
        for field in msgspec.structs.fields(call)
        if field.name not in _OF_THE_REQUEST and (value := getattr(call, field.name))
    }
