"""The input file of a batch, checked line by line and translated for the publisher of its model.

All mistakes are found before a job is started, each with its line, as OpenAI does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.operations.batches import batches_schema
from vertex_compat.operations.batches.row_operations import OPERATIONS
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files import jsonl
from vertex_compat.operations.request import body
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON, Model, UpstreamCall

MAX_LINES: Final = 200_000
"""https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini"""

MAX_PROBLEMS: Final = 100
"""Problems that are listed for one file."""

_REQUEST_FIELDS: Final = frozenset(
    {"body", "content", "headers", "ignored", "method", "path", "service", "version"}
)
"""The fields of a call that are not needed to read its response."""


def parse_endpoint(value: str) -> str:
    """Return the batch's endpoint with `/v1` before it; raises `BadRequest`."""
    endpoint = f"/v1{value.removeprefix('/v1')}"
    if endpoint not in OPERATIONS:
        raise errors.BadRequest(
            f"Invalid value for 'endpoint': expected one of {', '.join(OPERATIONS)}.",
            param="endpoint",
            code="invalid_value",
        )
    return endpoint


class Translated(NamedTuple):
    """One request: the line that Vertex AI reads, and the line that is needed to read its response."""

    request: bytes
    line: bytes


class Reader:
    """Reads one file. `model` is None before the first line; `parameters` are the same for all lines."""

    def __init__(self, endpoint: str, context: RequestContext) -> None:
        self.model: Model | None = None
        self.parameters: JSON = {}
        self.total = 0
        self.problems: list[JSON] = []
        self.ignored: set[str] = set()
        self._endpoint = endpoint
        self._operation = OPERATIONS[endpoint]
        self._context = context
        self._seen: dict[str, int] = {}

    def translate(self, chunks: Iterable[bytes]) -> Iterator[Translated]:
        """Yield the requests up to the first problem. All problems are listed when it has ended."""
        for number, line in jsonl.lines(chunks):
            try:
                translated = self._translate_line(line, number)
            except errors.ApiError as error:
                self._add_problem(error, number)
                if len(self.problems) == MAX_PROBLEMS:
                    return
            else:
                if not self.problems:
                    yield translated
        if not self.total and not self.problems:
            self._add_problem(errors.BadRequest("The file has no requests.", code="empty_file"), None)

    def _add_problem(self, error: errors.ApiError, number: int | None) -> None:
        code = error.code or "invalid_request"
        self.problems.append({"code": code, "message": error.message, "param": error.param, "line": number})

    def _translate_line(self, content: bytes, number: int) -> Translated:
        line = _decode_line(content)
        self._check(line, number)
        params = self._operation.parse(msgspec.json.encode(line["body"]), self._context)
        model = self._resolve_model(params["model"])
        call = self._operation.request(params, model)
        call = self._context.resources.checked(call, model, lambda: self._context.transport.project(model))
        self._check_parameters(batch_jobs.parameters(call.body))
        self.ignored.update(call.ignored)
        codec = batch_jobs.CODECS[self._operation.name, model.publisher]
        row = codec.encode(call.body, str(self.total))
        restore = {"custom_id": line["custom_id"], "key": codec.key(row), "call": _response_fields(call)}
        self.total += 1
        return Translated(msgspec.json.encode(row) + b"\n", msgspec.json.encode(restore) + b"\n")

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
                f"The custom_id {line['custom_id'][:100]!r} is used in line {first} too.",
                param="custom_id",
                code="duplicate_custom_id",
            )
        if self.total == MAX_LINES:
            raise errors.BadRequest(f"The file has more than {MAX_LINES} requests.", code="too_many_tasks")

    def _resolve_model(self, name: str) -> Model:
        """Return the model, which is the same for all lines of a job."""
        if self.model is None:
            model = self._context.router.candidates(name)[0]
            if (self._operation.name, model.publisher) not in batch_jobs.CODECS:
                raise errors.BadRequest(
                    f"Vertex AI runs no such batches with {name[:200]!r}, only with Gemini, Claude and "
                    "Google's embeddings.",
                    param="model",
                    code="model_not_supported",
                )
            self.model = model
        if name != self.model.requested_name:
            raise errors.BadRequest(
                f"All requests of a batch go to one model; this one is to {name[:200]!r}, "
                f"an earlier one to {self.model.requested_name!r}.",
                param="model",
                code="mismatched_model",
            )
        return self.model

    def _check_parameters(self, parameters: JSON) -> None:
        if self.total == 0:
            self.parameters = parameters
        elif parameters != self.parameters:
            raise errors.BadRequest(
                "All requests of a batch have the same parameters; only their input may differ.",
                code="mismatched_parameters",
            )


def _decode_line(content: bytes) -> JSON:
    try:
        line: Any = msgspec.json.decode(content)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise errors.BadRequest("This line is not a JSON object.", code="invalid_json_line")
    body.validate(line, batches_schema.Line)
    return line


def _response_fields(call: UpstreamCall) -> JSON:
    """Return the fields of a call that are needed to read its response."""
    return {
        field.name: value
        for field in msgspec.structs.fields(call)
        if field.name not in _REQUEST_FIELDS and (value := getattr(call, field.name))
    }
