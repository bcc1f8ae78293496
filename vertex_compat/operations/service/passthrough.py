"""`/vertex-ai/…` and `/v1/projects/…`: Vertex AI's own API for its clients, with this function's credentials.

google-genai, the `vertexai` SDK's REST transport, AnthropicVertex and mistralai's client for Google Cloud use
it. Bodies and responses pass unchanged. What passes is inference, the description of models and endpoints,
and cached contents; only in this function's project, and only where the model may run. The upstream path is
built from the parts of the client's path, never copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.ids import SHARED_OWNER
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response, StreamingBody
from vertex_compat.operations.service import forwarded_usage
from vertex_compat.types import Model, ResourceTarget, UpstreamCall

METHODS: Final = (
    "batchEmbedContents",
    "computeTokens",
    "countTokens",
    "embedContent",
    "fetchPredictOperation",
    "generateContent",
    "predict",
    "predictLongRunning",
    "rawPredict",
    "streamGenerateContent",
    "streamRawPredict",
)
"""Inference, and counting for it."""

FREE_METHODS: Final = frozenset({":computeTokens", ":countTokens", ":fetchPredictOperation"})

_PLACE: Final = r"(?P<version>v1|v1beta1)/(?:projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/)?"

_MODEL_PATH: Final = re.compile(
    _PLACE + r"(?P<resource>publishers/(?P<publisher>[a-z0-9-]+)/models/(?P<model>[A-Za-z0-9._@-]{1,256})"
    r"|endpoints/(?P<endpoint>[A-Za-z0-9_-]{1,256}))"
    rf"(?P<method>:(?:{'|'.join(METHODS)})|/chat/completions|/embeddings)?"
)

_CACHE_PATH: Final = re.compile(_PLACE + r"(?P<resource>cachedContents(?P<id>/[A-Za-z0-9_-]+)?)")

CACHE_METHODS: Final = {False: ("GET", "POST"), True: ("DELETE", "GET", "PATCH")}
"""True for a path that names one cached content → its methods."""

FORWARDED_HEADERS: Final = ("anthropic-beta", "x-goog-request-params")
FORWARDED_PREFIX: Final = "x-vertex-ai-"
"""Headers of clients that Vertex AI reads: those listed, and those that begin like this."""

_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{1,2048}")

QUERY: Final = {
    "alt": re.compile(r"sse|json|proto"),
    "$alt": re.compile(r"json|json;enum-encoding=int|sse|sse;enum-encoding=int"),
    "pageSize": re.compile(r"\d{1,4}"),
    "pageToken": re.compile(r"[A-Za-z0-9_=-]{1,1024}"),
    "updateMask": re.compile(r"[A-Za-z0-9_.,]{1,256}"),
    "view": re.compile(r"[A-Z_]{1,64}"),
}
"""Query parameters that are forwarded, and their values."""


def forward(context: RequestContext) -> Response:
    """Make the call to Vertex AI that the path names."""
    path = context.path_args["path"]
    if found := _MODEL_PATH.fullmatch(path):
        return _call_model(found, context)
    if found := _CACHE_PATH.fullmatch(path):
        return _call_cache(found, context)
    raise errors.NotFound(
        "Only these paths of Vertex AI pass: models and endpoints (GET), their methods "
        f"{', '.join(METHODS)} and chat/completions, and cachedContents.",
        code="unknown_url",
    )


def forward_v1(context: RequestContext) -> Response:
    """Make the call to Vertex AI's v1 that a path without `/vertex-ai` names."""
    return _forward_root("v1", context)


def forward_v1beta1(context: RequestContext) -> Response:
    """Make the call to Vertex AI's v1beta1 that a path without `/vertex-ai` names."""
    return _forward_root("v1beta1", context)


def _forward_root(version: str, context: RequestContext) -> Response:
    path = f"{version}/projects/{context.path_args['path']}"
    return forward(msgspec.structs.replace(context, path_args={"path": path}))


def _call_model(found: re.Match[str], context: RequestContext) -> Response:
    _check_method(context, ("POST",) if found["method"] else ("GET",))
    model = _placed(_model(found, context), found)
    context.log.model = model.requested_name
    if found["method"] is None:
        return _describe_model(found, model, context)
    if model.model_armor:
        raise errors.Forbidden(
            f"{model.requested_name!r} is checked by Model Armor, which needs /v1/chat/completions."
        )
    if found["method"] in FREE_METHODS:
        model_calls.reserve_nothing(context)
    else:
        model_calls.reserve((model,), context)
    call = UpstreamCall(
        f"{found['resource']}{found['method']}{_query(context)}",
        {},
        found["version"],
        content=context.body,
        headers=_headers(context),
    )
    if context.dry_run:
        return model_calls.describe(call, model, context)
    if found["method"] == ":fetchPredictOperation":
        return Response(model_calls.get_json(call, _operation_target(found, model, context), context))
    response = context.transport.open(call, model, context.client)
    blocks = model_calls.iter_response(response, context)
    if found["method"] in forwarded_usage.METHODS:
        context.log.price = model.profile.price
        blocks = forwarded_usage.counted(blocks, model.publisher, context.log.usages)
    body = StreamingBody(blocks, response.content_type)
    return Response(body, model_calls.target_header(model, response))


def _operation_target(found: re.Match[str], model: Model, context: RequestContext) -> ResourceTarget:
    """Return the path for polling an operation. Its name must be of the model in the path, in any project."""
    try:
        name = msgspec.json.decode(context.body)["operationName"]
    except (ValueError, KeyError, TypeError, RecursionError):
        name = None
    location = re.escape(found["location"] or "") or "[a-z0-9-]+"
    operation = (
        rf"projects/[^/]+/locations/{location}/{re.escape(found['resource'])}/operations/[A-Za-z0-9-]+"
    )
    if not isinstance(name, str) or not re.fullmatch(operation, name):
        raise errors.BadRequest(
            "'operationName' must name an operation of the model in the path.", param="operationName"
        )
    return ResourceTarget(
        model.resource,
        model.locations,
        project=model.project,
        impersonate_account=model.impersonate_account,
        named_project=model.named_project,
    )


def _describe_model(found: re.Match[str], model: Model, context: RequestContext) -> Response:
    """The resource of an endpoint, or of a publisher's model, which belongs to no project."""
    call = UpstreamCall(f"{found['resource']}{_query(context)}", {}, found["version"], method="GET")
    if found["publisher"]:
        call = msgspec.structs.replace(call, version="v1beta1", service="model_garden")
    return Response(model_calls.get_json(call, model, context))


def _call_cache(found: re.Match[str], context: RequestContext) -> Response:
    """Cached contents belong to the project, not to a key: keys that must not share cannot use them."""
    _check_method(context, CACHE_METHODS[found["id"] is not None])
    names = set(context.settings.keys.digests.values())
    if context.router.rule or (context.owner != SHARED_OWNER and len(names) > 1):
        raise errors.Forbidden(
            "Cached contents are shared by the whole project. They are available with a single API key "
            "without rules, or with 'shared_files = true'."
        )
    location = found["location"]
    if location and not vertex.is_location(location):
        raise errors.BadRequest(f"{location[:100]!r} is no location.")
    site = context.router.project_site("cachedContents", location, "us-central1")
    context.router.check_location(site.locations[0])
    target: ResourceTarget = replace(site, named_project=found["project"])
    call = UpstreamCall(
        f"{found['resource']}{_query(context)}",
        {},
        found["version"],
        method=context.method,
        content=context.body if context.method in {"PATCH", "POST"} else b"",
    )
    return Response(model_calls.get_json(call, target, context))


def _check_method(context: RequestContext, allowed: tuple[str, ...]) -> None:
    if context.method not in allowed:
        names = ", ".join(allowed)
        raise errors.MethodNotAllowed(
            f"Not allowed to {context.method} this resource. Allowed: {names}.", headers={"Allow": names}
        )


def _query(context: RequestContext) -> str:
    """The client's query parameters that Vertex AI reads, with a question mark."""
    query = context.query()
    parts = [
        f"{name.replace('$', '%24')}={value.replace(';', '%3B')}"
        for name, pattern in QUERY.items()
        if (value := query.get(name)) and pattern.fullmatch(value)
    ]
    return f"?{'&'.join(parts)}" if parts else ""


def _headers(context: RequestContext) -> Mapping[str, str]:
    """The client's headers that Vertex AI reads."""
    return {
        name: value
        for name, value in context.headers()
        if (name in FORWARDED_HEADERS or name.startswith(FORWARDED_PREFIX)) and _HEADER_VALUE.fullmatch(value)
    }


def _model(found: re.Match[str], context: RequestContext) -> Model:
    """The model that the path names, or the body where the path is the same for all models."""
    if found["endpoint"] == "openapi":
        try:
            name = msgspec.json.decode(context.body)["model"]
        except (ValueError, KeyError, TypeError, RecursionError):
            name = None
        if not isinstance(name, str):
            raise errors.BadRequest("Missing required parameter: 'model'.", param="model")
    elif found["endpoint"]:
        name = f"endpoints/{found['endpoint']}"
    else:
        name = f"{found['publisher']}/{found['model']}"
    return context.router.candidates(name)[0]


def _placed(model: Model, found: re.Match[str]) -> Model:
    """The model in the project and location of the path, if the settings allow it there."""
    model = replace(model, named_project=found["project"])
    location = found["location"]
    if location is None:
        return model
    if not vertex.is_location(location):
        raise errors.BadRequest(f"{location[:100]!r} is no location.")
    if model.location_pinned and location not in model.locations:
        raise errors.Forbidden(f"This deployment calls models in {', '.join(model.locations)} only.")
    return replace(model, locations=(location,), location_pinned=True)
