"""Counting the input tokens of a request, for the client APIs that have an operation for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import inline_urls
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import JSON, Model, TokenCounter, UpstreamCall

COUNT: Final = model_calls.Operation(
    lambda publisher: publisher.token_counts,
    "count tokens: its publisher has no method for it",
    frozenset({"chat", "speech"}),
    is_free=True,
)


def count(
    context: RequestContext,
    name: str,
    prepare: Callable[[TokenCounter, Model], UpstreamCall],
    respond: Callable[[int], Mapping[str, object]],
) -> Response:
    """Count the tokens of the call that `prepare` makes for the model.

    Raises `NotFound` if it cannot.
    """

    def attempt(model: Model, counter: TokenCounter) -> Response:
        call = prepare(counter, model)
        target = counter.locate(model)
        if context.dry_run:
            return model_calls.describe(call, target, context)
        return Response(respond(counter.response(model_calls.get_result(call, target, context))))

    return model_calls.with_fallback(context, name, COUNT, attempt)


def count_chat(
    context: RequestContext, body: JSON, respond: Callable[[int], Mapping[str, object]]
) -> Response:
    """Count the tokens of a chat body."""
    return count(
        context, body["model"], lambda counter, model: chat_call(counter, model, body, context), respond
    )


def chat_call(counter: TokenCounter, model: Model, body: JSON, context: RequestContext) -> UpstreamCall:
    """Return the call that counts the tokens of a chat body for a model."""
    params = {**model.defaults, **body}
    if adapter := PUBLISHERS[model.publisher].chat:
        params = inline_urls.inline(params, adapter, context)
    return counter.request(params, model)
