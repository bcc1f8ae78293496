"""`POST /vertex-ai/…`: Vertex AI's own API, for Google's clients, with this function's credentials.

`vertexai.init(api_endpoint=…, api_transport="rest")` and google-genai with a base URL call it. The body goes
to Vertex and its answer comes back as they are. Only inference passes, only on this function's project, only
where the model may run: the path is taken apart and put together again, nothing of it is trusted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import FileBody, RequestContext, Response, StreamingBody
from vertex_compat.types import Model, UpstreamCall

METHODS: Final = (
    "batchEmbedContents",
    "computeTokens",
    "countTokens",
    "embedContent",
    "generateContent",
    "predict",
    "rawPredict",
    "streamGenerateContent",
    "streamRawPredict",
)
"""Inference, and counting for it."""

_PATH: Final = re.compile(
    r"(?P<version>v1|v1beta1)/"
    r"(?:projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/)?"
    r"(?P<resource>publishers/(?P<publisher>[a-z0-9-]+)/models/(?P<model>[A-Za-z0-9._@-]+)"
    r"|endpoints/(?P<endpoint>[A-Za-z0-9_-]+))"
    rf"(?P<verb>:(?:{'|'.join(METHODS)})|/chat/completions)"
)

_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""google.rpc's names, for Google's clients."""


def forward(context: RequestContext) -> Response:
    """Make the call; errors have Google's form here, not OpenAI's."""
    try:
        return _forward(context)
    except errors.ApiError as error:
        said = {
            "code": error.status,
            "message": error.message,
            "status": _STATUS.get(error.status, "UNKNOWN"),
        }
        body = msgspec.json.encode({"error": said})
        return Response(FileBody(body, "application/json"), error.headers, error.status)


def _forward(context: RequestContext) -> Response:
    found = _PATH.fullmatch(context.path_args["path"])
    if not found:
        raise errors.NotFound(f"Only inference passes through here: {', '.join(METHODS)}, chat/completions.")
    model = _placed(_model(found, context), found)
    context.log.model = model.requested_name
    if model.model_armor:
        raise errors.Forbidden(
            f"{model.requested_name!r} is checked by Model Armor, which needs /v1/chat/completions."
        )
    model_calls.reserve((model,), context)
    context.log.counts_missing = True
    sse = "?alt=sse" if context.query().get("alt") == "sse" else ""
    path = f"{found['resource']}{found['verb']}{sse}"
    call = UpstreamCall(path, {}, found["version"], content=context.body)
    answer = context.transport.open(call, model, context.client)
    headers = model_calls.target_header(model, answer)
    return Response(StreamingBody(model_calls.iter_response(answer, context), answer.content_type), headers)


def _model(found: re.Match[str], context: RequestContext) -> Model:
    """The model that the path is about, or the body where the path is for all of them."""
    if found["endpoint"] == "openapi":
        try:
            asked = msgspec.json.decode(context.body)["model"]
        except (ValueError, KeyError, TypeError, RecursionError):
            asked = None
        if not isinstance(asked, str):
            raise errors.BadRequest("The body names no model.")
    elif found["endpoint"]:
        asked = f"endpoints/{found['endpoint']}"
    else:
        asked = f"{found['publisher']}/{found['model']}"
    return context.router.candidates(asked)[0]


def _placed(model: Model, found: re.Match[str]) -> Model:
    model = replace(model, named_project=found["project"])
    location = found["location"]
    if location is None:
        return model
    if not vertex.is_location(location):
        raise errors.BadRequest(f"{location[:100]!r} is no location.")
    if model.location_pinned and location not in model.locations:
        raise errors.Forbidden(f"This deployment calls models in {', '.join(model.locations)} only.")
    return replace(model, locations=(location,), location_pinned=True)
