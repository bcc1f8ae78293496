"""Calls to models and other resources: fallbacks, parallel calls, response headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from vertex_compat import errors
from vertex_compat.limits import estimate
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import (
    JSON,
    ChatAdapter,
    Model,
    Publisher,
    ResourceTarget,
    Units,
    UpstreamCall,
)
from vertex_compat.upstream.response import Block, UpstreamResponse, multiplex

R = TypeVar("R")
T = TypeVar("T")


class Operation(NamedTuple, Generic[T]):
    """An operation of models.

    `adapter` returns the publisher's adapter for it. `verb` completes the message "the model does not …". A
    model serves it if its profile has one of the operations in `served_by`. `is_free`: it costs nothing.
    """

    adapter: Callable[[Publisher], T | None]
    verb: str
    served_by: frozenset[str]
    is_free: bool = False


CHAT: Final = Operation(lambda publisher: publisher.chat, "chat", frozenset({"chat", "speech"}))
"""Speech models chat too, with a recording as their answer."""

OTHER_APIS: Final = {
    "live": "Google's Live API, a WebSocket API, which this function does not offer",
    "interactions": "Google's Interactions API, which this function does not offer",
    "try_on": "Vertex AI's own 'predict', which this function forwards under /vertex-ai",
}
"""Operation of a profile → the API that alone offers it."""

MAX_PARALLEL_CALLS: Final = 8
"""Upstream calls that one request opens in parallel."""


def with_fallback(
    context: RequestContext,
    name: str,
    operation: Operation[T],
    attempt: Callable[[Model, T], R],
    units: Callable[[Model, T], Units | None] = lambda _, __: None,
    choices: int = 1,
) -> R:
    """Return the result of `attempt` with the first model for `name` that is available.

    Raises `NotFound`. `units` returns what a model will charge for, if that is not tokens; `choices` is how
    many answers a form asks for.
    """
    context.log.model = name
    models = context.router.candidates(name)
    if operation.is_free:
        reserve_nothing(context)
    else:
        reserve(models, context, lambda model: _units(model, operation, units), choices)
    for model in models:
        if (adapter := _adapter(model, operation)) is None:
            raise _not_served(name, model, operation)
        context.log.price = model.profile.price
        try:
            return attempt(context.router.with_refused_features(model), adapter)
        except errors.ApiError as error:
            if not (error.retryable and model.has_fallback):
                raise
            context.router.mark_failed(model)
    raise AssertionError("the last candidate has no fallback")


def chat_params(adapter: ChatAdapter, params: JSON, model: Model, context: RequestContext) -> JSON:
    """Return the parameters for a model: its defaults, the client's body, and some headers."""
    merged = {**model.defaults, **params}
    for header, name in adapter.header_params.items():
        if values := [value.strip() for value in context.header(header).split(",") if value.strip()]:
            value = merged.get(name, [])
            merged[name] = [*(value.split(",") if isinstance(value, str) else value), *values]
    return merged


def reserve(
    models: Sequence[Model],
    context: RequestContext,
    units: Callable[[Model], Units | None] = lambda _: None,
    choices: int = 1,
) -> None:
    """Reserve what a request may use of its key's limits; raises `RateLimited`, `Forbidden`."""
    if context.allowance and not context.dry_run:
        is_form = context.content_type.startswith("multipart/")
        context.allowance.reserve(
            models, lambda: estimate.of_form(choices) if is_form else estimate.of_body(context.body), units
        )


def reserve_nothing(context: RequestContext) -> None:
    """Count a request that costs nothing in its key's limits; raises `RateLimited`."""
    if context.allowance and not context.dry_run:
        context.allowance.reserve_nothing()


def _units(model: Model, operation: Operation[T], units: Callable[[Model, T], Units | None]) -> Units | None:
    adapter = _adapter(model, operation)
    return None if adapter is None else units(model, adapter)


def _adapter(model: Model, operation: Operation[T]) -> T | None:
    """Return the adapter for the operation, None if the model is known not to have it."""
    operations = model.profile.operations
    is_served = not operations or not operation.served_by.isdisjoint(operations)
    return operation.adapter(PUBLISHERS[model.publisher]) if is_served else None


def _not_served(name: str, model: Model, operation: Operation[T]) -> errors.NotFound:
    operations = model.profile.operations
    reason = f"{name[:200]!r} does not {operation.verb}."
    if operations and operations[0] in OTHER_APIS:
        reason += f" It is served only by {OTHER_APIS[operations[0]]}."
    elif operations:
        reason += f" It serves: {', '.join(operations)}."
    return errors.NotFound(reason, param="model", code="model_not_found")


def in_parallel(function: Callable[[T], R], values: Sequence[T], max_parallel: int) -> list[R]:
    """Return the results of `function` in the order of `values`.

    Its first error stops what has not begun.
    """
    if len(values) == 1:
        return [function(values[0])]
    with ThreadPoolExecutor(min(len(values), max_parallel)) as pool:
        futures = [pool.submit(function, value) for value in values]
        wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def describe(call: UpstreamCall, model: Model, context: RequestContext) -> Response:
    """Return the description of `call` in place of its result: what a dry run answers."""
    return Response(context.transport.describe(call, model))


def get_json(
    call: UpstreamCall, model: Model | ResourceTarget, context: RequestContext, *, retries: int | None = None
) -> JSON:
    """Return the resource that answers a call.

    A key `error` in it is the resource's own, not a failure.
    """
    response = context.transport.open(call, model, context.client, retries=retries)
    return decode_object(b"".join(iter_response(response, context)))


def get_result(call: UpstreamCall, model: Model, context: RequestContext) -> JSON:
    """Make one call to a model and return its result; raises the error that it holds."""
    with name_replacement(model, context):
        retries = 0 if model.has_fallback else None
        response = context.transport.open(call, model, context.client, retries=retries)
        return parse_object(b"".join(iter_response(response, context)))


def iter_response(response: UpstreamResponse, context: RequestContext) -> Iterator[bytes]:
    """Yield the bytes of a response as they come."""
    with closing(response):
        for block in iter_blocks([response], context):
            if block and block[1]:
                yield block[1]


def iter_blocks(responses: Sequence[UpstreamResponse], context: RequestContext) -> Iterator[Block | None]:
    """Yield the blocks of several responses, and None when a keep-alive comment is due."""
    settings = context.settings
    return multiplex(
        responses, context.client, keepalive=settings.keepalive_interval, timeout=settings.upstream_timeout
    )


def open_calls(
    calls: Sequence[UpstreamCall], model: Model, context: RequestContext
) -> list[UpstreamResponse]:
    """Open all calls. If one fails, the others are closed and its error is raised."""
    with name_replacement(model, context):
        if len(calls) == 1:
            retries = 0 if model.has_fallback else None
            return [context.transport.open(calls[0], model, context.client, retries=retries)]
        with ThreadPoolExecutor(min(len(calls), MAX_PARALLEL_CALLS)) as pool, ExitStack() as opened:
            futures = [pool.submit(context.transport.open, call, model, context.client) for call in calls]
            for future in futures:
                if not future.exception():
                    opened.callback(future.result().close)
            responses = [future.result() for future in futures]
            opened.pop_all()
            return responses


@contextmanager
def name_replacement(model: Model, context: RequestContext) -> Iterator[None]:
    """Add the successor of a retired model to the error that says that it is not there."""
    try:
        yield
    except errors.NotFound as error:
        if error.code == "model_not_found" and (
            successor := context.router.catalog.replacement(model.requested_name)
        ):
            error.message += f" This model has been retired; use {successor!r} instead."
        raise


# Headers for the client


def target_header(model: Model, response: UpstreamResponse) -> dict[str, str]:
    """Return the header that says which model answered, and in which location."""
    return {"x-vertex-compat-target": f"{model.publisher}/{model.name}; location={response.location}"}


def ignored_header(names: Iterable[str]) -> dict[str, str]:
    """Return the header that lists ignored parameters; names that are not plain are left out."""
    plain = [name for name in names if name.isascii() and name.replace("_", "").replace(".", "").isalnum()]
    value = ", ".join(dict.fromkeys(name[:64] for name in plain[:64]))
    return {"x-vertex-compat-ignored": value} if value else {}


# What Vertex AI answered


_decode = msgspec.json.Decoder().decode


def parse_object(content: bytes) -> JSON:
    """Return the JSON object of an event or a body; raises the error that it holds."""
    value = decode_object(content)
    if ("error" in value or "object" in value) and errors.is_error(value):
        raise errors.from_body(200, value)
    return value


def decode_object(content: bytes) -> JSON:
    """Return the JSON object of a body; a key `error` in it is the object's own.

    Raises `UpstreamFault`.
    """
    try:
        value = _decode(content)
    except (ValueError, RecursionError):
        if not content.strip():
            raise errors.UpstreamFault("Vertex AI answered with an empty body.") from None
        raise errors.UpstreamFault("Vertex AI answered something that is not JSON.") from None
    if not isinstance(value, dict):
        if errors.is_error(value):
            raise errors.from_body(200, value)
        raise errors.UpstreamFault("Vertex AI answered something that is not a JSON object.")
    return value
