"""The requests of a batch, checked one by one and translated for the model's publisher."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.operations.batches.row_operations import OPERATIONS
from vertex_compat.operations.context import RequestContext
from vertex_compat.services import batch_jobs
from vertex_compat.types import JSON, Model, UpstreamCall

_REQUEST_FIELDS: Final = frozenset(
    {"body", "content", "headers", "ignored", "method", "path", "service", "version"}
)
"""The fields of a call that are not needed to read its response."""


class Translated(NamedTuple):
    """One request: the line for Vertex AI, and the line that its response is read with."""

    request: bytes
    line: bytes


class RowTranslator:
    """Translates the requests of one batch, which go to one model with the same parameters.

    `model` is None before the first request.
    """

    def __init__(self, endpoint: str, context: RequestContext) -> None:
        self.model: Model | None = None
        self.parameters: JSON = {}
        self.total = 0
        self.ignored: set[str] = set()
        self._operation = OPERATIONS[endpoint]
        self._context = context
        self._positions: dict[str, str] = {}

    def translate(self, custom_id: str, content: bytes, position: str) -> Translated:
        """Translate the request with the body `content`; `position` names it in the client's input."""
        self._check_id(custom_id, position)
        params = self._operation.parse(content, self._context)
        model = self._resolve_model(params["model"])
        call = self._operation.request(params, model)
        call = self._context.resources.check_call(call, model, lambda: self._context.transport.project(model))
        self._check_parameters(batch_jobs.parameters(call.body))
        self.ignored.update(call.ignored)
        codec = batch_jobs.CODECS[self._operation.name, model.publisher]
        row = codec.encode(call.body, str(self.total))
        restore = {"custom_id": custom_id, "key": codec.key(row), "call": _response_fields(call)}
        if response_params := self._operation.response_params(params, model):
            restore["params"] = response_params
        self.total += 1
        return Translated(msgspec.json.encode(row) + b"\n", msgspec.json.encode(restore) + b"\n")

    def _check_id(self, custom_id: str, position: str) -> None:
        first = self._positions.setdefault(custom_id, position)
        if first != position:
            raise errors.BadRequest(
                f"The custom_id {custom_id[:100]!r} is used in {first} too.",
                param="custom_id",
                code="duplicate_custom_id",
            )

    def _resolve_model(self, name: str) -> Model:
        """Return the model, which is the same for all requests of a job."""
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


def _response_fields(call: UpstreamCall) -> JSON:
    """Return the fields of a call that are needed to read its response."""
    return {
        field.name: value
        for field in msgspec.structs.fields(call)
        if field.name not in _REQUEST_FIELDS and (value := getattr(call, field.name))
    }
