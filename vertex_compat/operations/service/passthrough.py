"""`/vertex-ai/…` and `/v1/projects/…`: Vertex AI's own API with this function's credentials.

google-genai, the `vertexai` SDK's REST transport, AnthropicVertex and mistralai's client for Google Cloud use
it. Bodies and responses pass unchanged. Allowed are inference, the description of models and endpoints,
cached contents and interactions. They are allowed in this function's project only, and only where the model
may run. The upstream path is built from the parts of the client's path, never copied.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import count, mapping
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response, StreamingBody
from vertex_compat.operations.service import forwarded_usage, passthrough_interactions
from vertex_compat.operations.service.passthrough_parts import (
    LOCATION_PATH,
    check_method,
    headers,
    project_target,
    query,
    shares_project,
    with_location,
)
from vertex_compat.types import Model, ResourceTarget, Units, UpstreamCall

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

_MODEL_PATH: Final = re.compile(
    LOCATION_PATH
    + r"(?P<resource>publishers/(?P<publisher>[a-z0-9-]+)/models/(?P<model>[A-Za-z0-9._@-]{1,256})"
    r"|endpoints/(?P<endpoint>[A-Za-z0-9_-]{1,256}))"
    rf"(?P<method>:(?:{'|'.join(METHODS)})|/chat/completions|/embeddings)?"
)

_CACHE_PATH: Final = re.compile(LOCATION_PATH + r"(?P<resource>cachedContents(?P<id>/[A-Za-z0-9_-]+)?)")

CACHE_METHODS: Final = {False: ("GET", "POST"), True: ("DELETE", "GET", "PATCH")}
"""True for a path that names one cached content → its methods."""


def forward(context: RequestContext) -> Response:
    """Make the call to Vertex AI that the path names."""
    path = context.path_args["path"]
    if match := _MODEL_PATH.fullmatch(path):
        return _call_model(match, context)
    if match := _CACHE_PATH.fullmatch(path):
        return _call_cache(match, context)
    if match := passthrough_interactions.PATH.fullmatch(path):
        return passthrough_interactions.call(match, context)
    raise errors.NotFound(
        "Only these paths of Vertex AI pass: models and endpoints (GET), their methods "
        f"{', '.join(METHODS)} and chat/completions, cachedContents and interactions.",
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


def _call_model(match: re.Match[str], context: RequestContext) -> Response:
    check_method(context, ("POST",) if match["method"] else ("GET",))
    model = with_location(_model(match, context), match)
    context.log.model = model.requested_name
    if match["method"] is None:
        return _describe_model(match, model, context)
    if model.model_armor:
        raise errors.Forbidden(
            f"{model.requested_name!r} is checked by Model Armor, which needs /v1/chat/completions."
        )
    units = _image_units(match, model, context)
    if match["method"] in FREE_METHODS:
        model_calls.reserve_nothing(context)
    else:
        model_calls.reserve((model,), context, lambda _: units)
    call = UpstreamCall(
        f"{match['resource']}{match['method']}{query(context)}",
        {},
        match["version"],
        content=context.body,
        headers=headers(context),
    )
    if context.dry_run:
        return model_calls.describe(call, model, context)
    if match["method"] == ":fetchPredictOperation":
        return Response(model_calls.get_json(call, _operation_target(match, model, context), context))
    response = context.transport.open(call, model, context.client)
    blocks = model_calls.iter_response(response, context)
    context.log.units = units
    if units or match["method"] in forwarded_usage.METHODS:
        context.log.price = model.profile.price
    if match["method"] in forwarded_usage.METHODS:
        blocks = forwarded_usage.with_usage(blocks, model.publisher, context.log.usages)
    body = StreamingBody(blocks, response.content_type)
    return Response(body, model_calls.target_header(model, response))


def _image_units(match: re.Match[str], model: Model, context: RequestContext) -> Units | None:
    """Return the images that a `predict` is charged for.

    None for models that are paid otherwise.
    """
    price = model.profile.price
    if match["method"] != ":predict" or price is None or price.image is None:
        return None
    try:
        body = mapping(msgspec.json.decode(context.body))
    except (ValueError, RecursionError):  # Vertex AI refuses it
        body = {}
    return Units(images=count(mapping(body.get("parameters")).get("sampleCount")) or 1)


def _operation_target(match: re.Match[str], model: Model, context: RequestContext) -> ResourceTarget:
    """Return the path for polling an operation.

    Its name must be of the model in the path, in any project.
    """
    try:
        name = msgspec.json.decode(context.body)["operationName"]
    except (ValueError, KeyError, TypeError, RecursionError):
        name = None
    location = re.escape(match["location"] or "") or "[a-z0-9-]+"
    operation = (
        rf"projects/[^/]+/locations/{location}/{re.escape(match['resource'])}/operations/[A-Za-z0-9-]+"
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


def _describe_model(match: re.Match[str], model: Model, context: RequestContext) -> Response:
    """The resource of an endpoint, or of a publisher's model, which belongs to no project."""
    call = UpstreamCall(f"{match['resource']}{query(context)}", {}, match["version"], method="GET")
    if match["publisher"]:
        call = msgspec.structs.replace(call, version="v1beta1", service="model_garden")
    return Response(model_calls.get_json(call, model, context))


def _call_cache(match: re.Match[str], context: RequestContext) -> Response:
    """Cached contents belong to the project, not to a key.

    Keys that must not share cannot use them.
    """
    check_method(context, CACHE_METHODS[match["id"] is not None])
    if not shares_project(context):
        raise errors.Forbidden(
            "Cached contents are shared by the whole project. They are available with a single API key "
            "without rules, or with 'shared_files = true'."
        )
    target = project_target(match, "cachedContents", "us-central1", context)
    call = UpstreamCall(
        f"{match['resource']}{query(context)}",
        {},
        match["version"],
        method=context.method,
        content=context.body if context.method in {"PATCH", "POST"} else b"",
    )
    return Response(model_calls.get_json(call, target, context))


def _model(match: re.Match[str], context: RequestContext) -> Model:
    """The model that the path names, or the body where the path is the same for all models."""
    if match["endpoint"] == "openapi":
        try:
            name = msgspec.json.decode(context.body)["model"]
        except (ValueError, KeyError, TypeError, RecursionError):
            name = None
        if not isinstance(name, str):
            raise errors.missing_parameter("model")
    elif match["endpoint"]:
        name = f"endpoints/{match['endpoint']}"
    else:
        name = f"{match['publisher']}/{match['model']}"
    return context.router.candidates(name)[0]
