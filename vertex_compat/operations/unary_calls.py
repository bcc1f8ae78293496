"""Operations of models whose responses are not streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.types import JSON, Model, UnaryAdapter, UpstreamCall

R = TypeVar("R")
T = TypeVar("T")


class UnaryOperation(NamedTuple, Generic[T]):
    """An operation whose responses are not streamed, and the texts that Model Armor checks.

    `prompts` returns the texts of a request by parameter, and raises `Forbidden` for files; `answers` returns
    those of a result.
    """

    operation: model_calls.Operation[UnaryAdapter[T]]
    prompts: Callable[[JSON, Model], Mapping[str, Sequence[str]]]
    answers: Callable[[T], Iterable[str]] = lambda _: ()
    max_parallel_calls: int = model_calls.MAX_PARALLEL_CALLS


def call_unary(
    context: RequestContext,
    params: JSON,
    operation: UnaryOperation[T],
    convert: Callable[[T], R],
    respond: Callable[[list[R], dict[str, str]], Response],
) -> Response:
    """Answer a request with responses that are not streamed.

    `respond` gets the converted results in the order of the calls, and headers for the client.
    """
    parallel = operation.max_parallel_calls

    def attempt(model: Model, adapter: UnaryAdapter[T]) -> Response:
        if context.dry_run:
            call = adapter.request({**model.defaults, **params}, model)[0]
            return model_calls.describe(call, model, context)
        if not model.model_armor:
            return respond(*collect_unary(context, params, model, adapter, convert, parallel))
        from vertex_compat.operations.guardrails.guard import Guard  # noqa: PLC0415  (few models have one)

        guard = Guard(model.model_armor, model, context)
        guard.check_texts(operation.prompts(params, model))
        texts: list[str] = []

        def read(result: T) -> R:
            texts.extend(operation.answers(result))
            return convert(result)

        response = respond(*collect_unary(context, params, model, adapter, read, parallel))
        guard.check_answers(texts)
        return response

    return model_calls.with_fallback(
        context,
        params["model"],
        operation.operation,
        attempt,
        lambda model, adapter: adapter.units({**model.defaults, **params}, model),
        params.get("n", 1),
    )


def collect_unary(
    context: RequestContext,
    params: JSON,
    model: Model,
    adapter: UnaryAdapter[T],
    convert: Callable[[T], R],
    max_parallel: int = model_calls.MAX_PARALLEL_CALLS,
) -> tuple[list[R], dict[str, str]]:
    """Return one model's converted results in the order of its calls, and client headers.

    At the first error the calls that have not started are dropped.
    """
    merged = {**model.defaults, **params}
    calls = adapter.request(merged, model)

    def call_once(call: UpstreamCall) -> tuple[R, dict[str, str]]:
        response = context.transport.open(
            call, model, context.client, retries=0 if model.has_fallback else None
        )
        result = model_calls.parse_object(b"".join(model_calls.iter_response(response, context)))
        return convert(adapter.response(result, call)), model_calls.target_header(model, response)

    with model_calls.name_replacement(model, context):
        results = model_calls.in_parallel(call_once, calls, max_parallel)
    context.log.units = adapter.units(merged, model)
    names = [name for call in calls for name in call.ignored]
    ignored = model_calls.ignored_header(
        name for name in names if name in params or name not in model.defaults
    )
    return [result for result, _ in results], ignored | results[0][1]
