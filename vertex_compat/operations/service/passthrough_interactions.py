"""The pass-through to Vertex AI's Interactions API, for Google's `client.interactions`.

https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/capabilities/interactions. Paths and
fields are those of the Google Gen AI SDK 3.4. An interaction runs a model or an agent, which the key must be
allowed to use. Stored interactions belong to the project. A key that must not share with others may only
start interactions that neither store nor read anything.
"""

from __future__ import annotations

import re
from typing import Final

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response, StreamingBody
from vertex_compat.operations.request import body
from vertex_compat.operations.service import forwarded_usage
from vertex_compat.operations.service.passthrough_parts import (
    LOCATION_PATH,
    check_method,
    headers,
    project_target,
    query,
    shares_project,
    with_location,
)
from vertex_compat.services import interactions
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.response import UpstreamResponse

PATH: Final = re.compile(
    LOCATION_PATH + r"(?P<resource>interactions(?:(?P<id>/[A-Za-z0-9_-]{1,1024})(?P<cancel>/cancel)?)?)"
)

STORED: Final = ("cached_content", "continuation_token", "environment", "previous_interaction_id")
"""Fields of a request that name something of the project."""

_NAME: Final = re.compile(r"(?:(?:publishers/google/)?(?:models|agents)/)?(?P<name>[A-Za-z0-9._@-]{1,256})")


def call(match: re.Match[str], context: RequestContext) -> Response:
    """Make the call that the path names."""
    check_method(context, ("POST",) if match["cancel"] or not match["id"] else ("DELETE", "GET"))
    if match["id"] is None:
        return _create(match, context)
    if not shares_project(context):
        raise _not_shared("Stored interactions are")
    model_calls.reserve_nothing(context)
    return _pass(match, project_target(match, "interactions", "global", context), context)


def _create(match: re.Match[str], context: RequestContext) -> Response:
    request = body.decode_object(context.body)
    fields = {_snake_case(name): value for name, value in request.items() if value is not None}
    model = with_location(_model(fields, context), match)
    context.log.model = model.requested_name
    interactions.check_model(model)
    if not shares_project(context):
        _check_nothing_stored(fields)
    if context.allowance and context.allowance.has_budget and ("agent" in fields or fields.get("background")):
        raise errors.Forbidden(
            "This API key has a budget, and the cost of agents and of what runs in the background is not "
            "known when their request ends.",
            param="agent" if "agent" in fields else "background",
        )
    model_calls.reserve((model,), context)
    context.log.price = model.profile.price
    return _pass(match, model, context)


def _model(fields: JSON, context: RequestContext) -> Model:
    """Return the model or the agent that runs; raises `BadRequest`, `Forbidden`."""
    keys = [name for name in ("model", "agent") if name in fields]
    if len(keys) != 1:
        raise errors.BadRequest("An interaction has a 'model' or an 'agent'.", param="model")
    value = fields[keys[0]]
    match = _NAME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise errors.BadRequest(
            f"'{keys[0]}' must be the name of one, without a project.", param=keys[0], code="invalid_value"
        )
    return context.router.candidates(f"google/{match['name']}")[0]


def _check_nothing_stored(fields: JSON) -> None:
    for name in STORED:
        if name in fields:
            raise _not_shared(f"What '{name}' names is", name)
    if fields.get("store") is not False or fields.get("background"):
        raise _not_shared("Stored interactions are", "store", " Send 'store': false, and no 'background'.")


def _not_shared(subject: str, param: str | None = None, advice: str = "") -> errors.Forbidden:
    return errors.Forbidden(
        f"{subject} shared by the whole project: available with a single API key without rules, or with "
        f"'shared_files = true'.{advice}",
        param=param,
    )


def _snake_case(name: str) -> str:
    """Return a field's name in the spelling of the API, which may take camel case too."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda letter: f"_{letter[0]}", name).lower()


def _pass(match: re.Match[str], target: Model | ResourceTarget, context: RequestContext) -> Response:
    upstream_call = UpstreamCall(
        f"{match['resource']}{query(context)}",
        {},
        match["version"],
        method=context.method,
        content=context.body if context.method == "POST" else b"",
        headers=headers(context),
    )
    if not isinstance(target, Model):
        return _respond(context.transport.open(upstream_call, target, context.client), context)
    if context.dry_run:
        return model_calls.describe(upstream_call, target, context)
    response = context.transport.open(upstream_call, target, context.client)
    return _respond(response, context, target)


def _respond(response: UpstreamResponse, context: RequestContext, model: Model | None = None) -> Response:
    """Pass the response on. The counts in the one of a new interaction of `model` are noted."""
    blocks = model_calls.iter_response(response, context)
    if model is None:
        return Response(StreamingBody(blocks, response.content_type))
    blocks = forwarded_usage.with_usage(blocks, forwarded_usage.INTERACTIONS, context.log.usages)
    return Response(StreamingBody(blocks, response.content_type), model_calls.target_header(model, response))
