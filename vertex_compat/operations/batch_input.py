"""A batch's file, checked line by line and translated for the publisher that its model is of.

All that is wrong is found before anything is started, as OpenAI does: each problem with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.operations import batches_schema, body, chat, jsonl
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import Router
from vertex_compat.services import batch_jobs
from vertex_compat.wire import JSON, Model, UpstreamCall

CHAT: Final = "/v1/chat/completions"
ENDPOINTS: Final = (CHAT,)

MOST_LINES: Final = 200_000
"""https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini"""

MOST_PROBLEMS: Final = 100
"""Told of one file."""

_OF_THE_REQUEST: Final = frozenset(
    {"body", "content", "headers", "ignored", "method", "path", "service", "version"}
)
"""The fields of a call that reading its answer does not take."""


def endpoint(given: str) -> str:
    """The endpoint that a client means; raises `BadRequest`."""
    meant = f"/v1{given.removeprefix('/v1')}"
    if meant not in ENDPOINTS:
        raise errors.BadRequest(
            f"Invalid value for 'endpoint': expected one of {', '.join(ENDPOINTS)}.",
            param="endpoint",
            code="invalid_value",
        )
    return meant


class Translated(NamedTuple):
    """One request: what Vertex reads, and what it takes to read the answer."""

    request: bytes
    note: bytes


class Reader:
    """Reads one file. `model` is None before the first good line."""

    def __init__(self, endpoint: str, router: Router) -> None:
        self.model: Model | None = None
        self.total = 0
        self.problems: list[JSON] = []
        self.ignored: set[str] = set()
        self._endpoint = endpoint
        self._router = router
        self._seen: dict[str, int] = {}

    def translate(self, blocks: Iterable[bytes]) -> Iterator[Translated]:
        """The requests in `blocks`, up to the first problem; the problems are listed when it has ended."""
        for number, line in jsonl.lines(blocks):
            try:
                translated = self._line(line, number)
            except errors.ApiError as error:
                self._problem(error, number)
                if len(self.problems) == MOST_PROBLEMS:
                    return
            else:
                if not self.problems:
                    yield translated
        if not self.total and not self.problems:
            self._problem(errors.BadRequest("The file has no requests.", code="empty_file"), None)

    def _problem(self, error: errors.ApiError, number: int | None) -> None:
        code = error.code or "invalid_request"
        self.problems.append(
            {"code": code, "message": error.message, "param": error.param, "line": number}
        )

    def _line(self, content: bytes, number: int) -> Translated:
        line = _decoded(content)
        self._check(line, number)
        given = chat.parse(msgspec.json.encode(line["body"]))
        model = self._model(given["model"])
        call = _call(given, model)
        self.ignored.update(call.ignored)
        key = str(self.total)
        self.total += 1
        written = batch_jobs.FORMATS[model.publisher].line(call.body, key)
        return Translated(
            msgspec.json.encode(written) + b"\n",
            msgspec.json.encode({"custom_id": line["custom_id"], "call": _kept(call)}) + b"\n",
        )

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
        if self.total == MOST_LINES:
            raise errors.BadRequest(f"The file has more than {MOST_LINES} requests.", code="too_many_tasks")

    def _model(self, name: str) -> Model:
        """The model of all lines: a job has one."""
        if self.model is None:
            self.model = _batched(self._router.plan(name)[0])
        if name != self.model.asked:
            raise errors.BadRequest(
                f"All requests of a batch go to one model; this one is to {name[:200]!r}, "
                f"one before it to {self.model.asked!r}.",
                param="body.model",
                code="mismatched_model",
            )
        return self.model


def _decoded(content: bytes) -> JSON:
    try:
        line: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise errors.BadRequest("This line is not a JSON object.", code="invalid_json_line")
    body.check(line, batches_schema.Line)
    return line


def _batched(model: Model) -> Model:
    if model.publisher not in batch_jobs.FORMATS:
        raise errors.BadRequest(
            f"Vertex AI runs no batches of {model.asked!r}; it does of Gemini and Claude.",
            param="body.model",
            code="model_not_supported",
        )
    return model


def _call(given: JSON, model: Model) -> UpstreamCall:
    operation = PUBLISHERS[model.publisher].chat
    if operation is None:
        raise errors.NotFound(f"{model.asked!r} does not chat.", param="body.model", code="model_not_found")
    if given.get("stream"):
        raise errors.BadRequest("A batch has no streams.", param="body.stream", code="invalid_value")
    if given.get("n", 1) > 1 and not operation.many:
        raise errors.BadRequest(
            "A request of a batch to this model has one answer: ask in several lines.",
            param="body.n",
            code="unsupported_value",
        )
    if not operation.many:
        given.pop("n", None)
    return operation.request(given, model)


def _kept(call: UpstreamCall) -> JSON:
    """What reading the answer takes."""
    return {
        field.name: value
        for field in fields(call)
        if field.name not in _OF_THE_REQUEST and (value := getattr(call, field.name))
    }
