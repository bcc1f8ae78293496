"""Responses with `background: true`, run by Vertex AI's Interactions API.

Gemini and the deep research agents run there, with texts as input. What is stored names the interaction,
which is read each time until it has ended.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import items
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.responses import request as responses_request
from vertex_compat.operations.responses.memory import NO_STORE, ResponseTurn
from vertex_compat.operations.responses.output.response_builder import ResponseBuilder
from vertex_compat.operations.stored import history
from vertex_compat.operations.stored import store as stores
from vertex_compat.operations.stored.history import Background, ResponseRecord
from vertex_compat.operations.stored.store import DAY_SECONDS, ObjectStore
from vertex_compat.services import interactions
from vertex_compat.types import JSON, ResourceTarget

if TYPE_CHECKING:
    from vertex_compat.services.request_types import Runner

_OPTIONS: Final = {
    "max_completion_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
}


def create(turn: ResponseTurn, context: RequestContext) -> Response:
    """Start a response and return it as it is now."""
    store = stores.open_store(context)
    if store is None or not turn.stored:
        reason = NO_STORE if store is None else "A background response has to be stored: leave 'store' out."
        raise _unsupported_parameter(reason, "background")
    for name in ("stream", "conversation", "tools"):
        if turn.params.get(name):
            raise _unsupported_parameter(f"A background response takes no '{name}'.", name)
    chat = responses_request.translate(turn.request_params(), turn.earlier).chat
    runs, target = _model(turn.params["model"], context)
    _reserve(turn.params["model"], context)
    options = {own: chat[name] for name, own in _OPTIONS.items() if name in chat}
    call = interactions.create(runs, _texts(chat["messages"]), options, context.owner)
    interaction = model_calls.get_json(call, target, context, retries=0)
    background = Background(interactions.interaction_id(interaction), target.locations[0], target.project)
    builder = ResponseBuilder(turn.params, token=turn.token)
    response: JSON = {
        **builder.response,
        **turn.response_fields(),
        "background": True,
        "status": interactions.status(interaction),
    }
    expires_at = int(time.time()) + context.settings.store_days * DAY_SECONDS
    input_ = turn.stored_input()
    record = turn.history.next_record(response, input_, expires_at)
    record = msgspec.structs.replace(record, background=background)
    history.write(store, turn.token, record)
    (runner,) = runs.values()
    return Response(response, {"x-vertex-compat-target": f"google/{runner}; location={background.location}"})


def _reserve(name: str, context: RequestContext) -> None:
    """Count the request in its key's limits.

    Raises `Forbidden` if the key has a budget, `RateLimited`.
    """
    context.log.model = name
    if context.allowance and context.allowance.has_budget:
        raise errors.Forbidden(
            "This API key has a budget, and the cost of a background response is not known when its request "
            "ends. Leave 'background' out.",
            param="background",
        )
    model_calls.reserve((), context)


def current(
    store: ObjectStore, token: str, record: ResponseRecord, context: RequestContext
) -> ResponseRecord:
    """Return a record with the response as it is now; one that has just ended is stored."""
    background = record.background
    if background is None or record.response["status"] not in interactions.RUNNING:
        return record
    target = _target(background, context)
    interaction = model_calls.get_json(interactions.get(background.id), target, context)
    status = interactions.status(interaction)
    if status in interactions.RUNNING:
        return msgspec.structs.replace(record, response={**record.response, "status": status})
    record = msgspec.structs.replace(record, response=_end(record.response, token, interaction))
    store.put(history.FOLDER + token, msgspec.json.encode(record), record.expires_at)
    return record


def cancel(store: ObjectStore, token: str, record: ResponseRecord, context: RequestContext) -> Response:
    """Cancel a response that is running; returns it."""
    background = record.background
    if background is None:
        raise errors.BadRequest(
            "Only a response that is made in the background can be cancelled. To stop this one, close the "
            "connection while it is streamed.",
            param="response_id",
        )
    record = current(store, token, record, context)
    if record.response["status"] in interactions.RUNNING:
        call = interactions.cancel(background.id)
        model_calls.get_json(call, _target(background, context), context)
        record = current(store, token, record, context)
    return Response(record.response)


def _end(response: JSON, token: str, interaction: JSON) -> JSON:
    status = interactions.status(interaction)
    if status in {"failed", "cancelled"}:
        reason = {"code": "server_error", "message": interactions.error(interaction)}
        return {**response, "status": status, "error": reason if status == "failed" else None}
    builder = ResponseBuilder(response, token=token)
    for part in interactions.parts(interaction):
        list(builder.add(0, part))
    list(builder.finish())
    built: JSON = {**builder.response}
    changed = ("status", "output", "usage", "incomplete_details", "completed_at")
    return response | {name: built[name] for name in changed}


def _model(name: str, context: RequestContext) -> tuple[Runner, ResourceTarget]:
    """Return what the interaction runs, and where."""
    model = context.router.candidates(name)[0]
    if model.publisher != "google" or not model.resource.startswith("publishers/"):
        raise _unsupported_parameter(
            f"{name[:200]!r} does not run in the background: on Vertex AI only Gemini and deep research "
            "agents do. Leave 'background' out.",
            "background",
        )
    interactions.check_model(model)
    target = ResourceTarget(
        "interactions",
        model.locations[:1],
        project=model.project,
        impersonate_account=model.impersonate_account,
    )
    runner: Runner = {"agent": model.name} if model.profile.agent else {"model": model.name}
    return runner, target


def _target(background: Background, context: RequestContext) -> ResourceTarget:
    context.router.check_location(background.location)
    return ResourceTarget("interactions", (background.location,), project=background.project)


def _texts(messages: list[JSON]) -> list[JSON]:
    """Return the messages with texts as contents; raises `BadRequest` for anything else."""
    texts = []
    for message in messages:
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else items(content)
        if message["role"] == "tool" or any(part.get("type") != "text" for part in parts):
            raise _unsupported_parameter("A background response takes texts only as its input.", "input")
        joined = "\n".join(str(part["text"]) for part in parts)
        texts.append({"role": message["role"], "content": joined})
    return texts


def _unsupported_parameter(reason: str, param: str) -> errors.BadRequest:
    return errors.BadRequest(reason, param=param, code="unsupported_parameter")
