"""The input file of a batch, checked by line and translated for the model's publisher.

All mistakes are found before a job is started, each with its line, as OpenAI does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations.batches import batches_schema
from vertex_compat.operations.batches.row_translator import RowTranslator, Translated
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files import jsonl
from vertex_compat.operations.request import body
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.services.answer_types import BatchError

MAX_LINES: Final = 200_000
"""https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini"""

MAX_PROBLEMS: Final = 100
"""Problems that are listed for one file."""

ENDPOINTS: Final = ("/v1/chat/completions", "/v1/embeddings")


def parse_endpoint(value: str) -> str:
    """Return the batch's endpoint with `/v1` before it; raises `BadRequest`."""
    endpoint = f"/v1{value.removeprefix('/v1')}"
    if endpoint not in ENDPOINTS:
        raise errors.BadRequest(
            f"Invalid value for 'endpoint': expected one of {', '.join(ENDPOINTS)}.",
            param="endpoint",
            code="invalid_value",
        )
    return endpoint


class InputReader:
    """Reads one file, whose requests `rows` translates."""

    def __init__(self, endpoint: str, context: RequestContext) -> None:
        self.rows = RowTranslator(endpoint, context)
        self.problems: list[BatchError] = []
        self._endpoint = endpoint

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
        if not self.rows.total and not self.problems:
            self._add_problem(
                errors.BadRequest(
                    "The file has no requests: write one JSON object in each line.", code="empty_file"
                ),
                None,
            )

    def _add_problem(self, error: errors.ApiError, number: int | None) -> None:
        code = error.code or "invalid_request"
        self.problems.append({"code": code, "message": error.message, "param": error.param, "line": number})

    def _translate_line(self, content: bytes, number: int) -> Translated:
        line = _decode_line(content)
        if (url := line["url"].removeprefix("/v1")) != self._endpoint.removeprefix("/v1"):
            raise errors.BadRequest(
                f"The url {url[:200]!r} is not the batch's endpoint, {self._endpoint!r}.",
                param="url",
                code="invalid_url",
            )
        if self.rows.total == MAX_LINES:
            raise errors.BadRequest(f"The file has more than {MAX_LINES} requests.", code="too_many_tasks")
        return self.rows.translate(line["custom_id"], msgspec.json.encode(line["body"]), f"line {number}")


def _decode_line(content: bytes) -> JSON:
    try:
        line: Any = msgspec.json.decode(content)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise errors.BadRequest("This line is not a JSON object.", code="invalid_json_line")
    body.validate(line, batches_schema.Line)
    return line
