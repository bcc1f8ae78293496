"""Upstream answers, from the call to their pieces: opened side by side, read as they come or to their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Final, Protocol, Self, TypeVar

import msgspec

from vertex_compat import errors, sse
from vertex_compat.operations.context import RequestContext
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import model_names
from vertex_compat.server.client_connection import ClientDisconnected
from vertex_compat.types import (
    JSON,
    ChatAdapter,
    Model,
    Publisher,
    ResourceTarget,
    StreamPart,
    UnaryAdapter,
    UpstreamCall,
    Usage,
)
from vertex_compat.upstream.transport import Block, UpstreamResponse, multiplex

R = TypeVar("R")
T = TypeVar("T")

TRAILING_SECONDS: Final = 0.2
"""Seconds that the end of a body may come after its last event."""

MAX_PARALLEL_CALLS: Final = 8
"""How many upstream calls one request opens at once."""


class StreamEncoder(Protocol):
    """Writes the events of one operation."""

    def encode(self, answer: int, piece: StreamPart) -> bytes:
        """The events for one piece of upstream answer number `answer`; may be none."""

    def finish(self) -> bytes:
        """The last events; raises `UpstreamFault` if the model had not finished."""


class UpstreamChat:
    """A publisher's answers to one request, one a call.

    They are read in one of two ways: `whole`, where each is one JSON object, or as their events come, by what
    a writer makes of them: `written`.
    """

    def __init__(
        self, chat: ChatAdapter, calls: Sequence[UpstreamCall], model: Model, context: RequestContext
    ) -> None:
        self._context = context
        self._chat = chat
        self._calls = calls
        self._model = model
        self._told = False  # whether the client has heard of an answer
        self._latest = time.monotonic() + context.settings.retry_deadline
        self._open()
        self.headers = ignored(name for call in calls for name in call.ignored) | target(
            model, self._answers[0]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for answer in self._answers:
            answer.close()

    def _open(self) -> None:
        self._answers = _open(self._calls, self._model, self._context)
        self._legs = [
            _ResponseParser(self._chat, call, answer.content_type, self._context.log.usages)
            for call, answer in zip(self._calls, self._answers, strict=True)
        ]

    def _again(self, fault: errors.ApiError) -> None:
        """Make the calls once more after a fault in an answer that nobody has heard of; else raises it."""
        again = isinstance(fault, errors.InvalidModelResponse) or (
            fault.retryable
            and self._context.settings.retries
            and not self._model.has_fallback
            and time.monotonic() < self._latest
        )
        if self._told or not again:
            raise fault
        self.__exit__()
        self._open()

    def collect(self) -> list[tuple[int, StreamPart]]:
        """All pieces, each with the number of the answer that it is of."""
        try:
            return self._whole()
        except errors.ApiError as fault:
            self._again(fault)
            return self._whole()

    def _whole(self) -> list[tuple[int, StreamPart]]:
        with self:
            iter_body = [block for block in _listen(self._answers, self._context) if block]
        told = []
        for number, leg in enumerate(self._legs):
            pieces: list[StreamPart] = []
            leg.whole(b"".join([data for answer, data in iter_body if answer == number]), pieces)
            told += [(number, piece) for piece in pieces]
        return told

    def stream(self, writer: StreamEncoder) -> Iterator[bytes]:
        """What the client gets as it comes. The calls end when this is closed."""
        with self:
            try:
                yield from self._written(writer)
            except errors.ApiError as fault:
                self._again(fault)
                yield from self._written(writer)
            yield writer.finish()
            self._read_on()

    def _written(self, writer: StreamEncoder) -> Iterator[bytes]:
        begun = False
        going = set(range(len(self._legs)))
        for block in _listen(self._answers, self._context):
            if block is None:
                begun = True
                yield sse.KEEPALIVE
                continue
            number, data = block
            leg = self._legs[number]
            pieces: list[StreamPart] = []
            fault = None
            try:
                leg.read(data, pieces)
            except errors.ApiError as error:
                fault = error
                broken = isinstance(fault, errors.InvalidModelResponse)
                if not (self._told if broken else begun):  # it can still be an answer of its own
                    raise
            # One write for all that came together, and nothing held back until more comes.
            if len(pieces) == 1:
                written = writer.encode(number, pieces[0])
            else:
                written = b"".join([writer.encode(number, piece) for piece in pieces])
            if written:
                begun = self._told = True
                yield written
            if fault:  # what came before it is told before it
                raise fault
            if leg.done:
                going.discard(number)
                if not going:
                    break

    def _read_on(self) -> None:
        """Read the end of bodies that follows their `[DONE]`: connections that are read to it serve again."""
        with suppress(errors.ApiError, ClientDisconnected):
            for _ in multiplex(
                self._answers, self._context.client, keepalive=TRAILING_SECONDS, patience=TRAILING_SECONDS
            ):
                pass


class _ResponseParser:
    """One upstream answer on its way: bytes in, pieces out. `done` says that its last event has come."""

    def __init__(
        self, chat: ChatAdapter, call: UpstreamCall, content_type: str, usages: dict[object, Usage]
    ) -> None:
        self._usages = usages
        self._chat = chat
        self._call = call
        self._decoder = sse.Decoder()
        self._feed = chat.stream(call)
        # A container that cannot stream, or an error.
        self._body: list[bytes] | None = [] if content_type in {"application/json", "text/html"} else None
        self.done = False

    def read(self, data: bytes, pieces: list[StreamPart]) -> None:
        """Append the pieces that `data` completes; `b""` is the end of the answer.

        Those that come before an error are there when it is raised.
        """
        if self._body is not None:
            self._body.append(data)
            if not data:
                self.whole(b"".join(self._body), pieces)
            return
        for event in self._decoder.feed(data) if data else self._decoder.close():
            if event.startswith(b"[DONE]"):
                self.done = True
            elif not self.done:
                brought = self._feed(_object(event))
                if type(brought) is tuple:  # the short way: one more text
                    pieces += brought
                else:
                    self._take(brought, pieces)

    def whole(self, body: bytes, pieces: list[StreamPart]) -> None:
        """Append the pieces of an answer that is one JSON object."""
        self._take(self._chat.response(_object(body), self._call), pieces)

    def _take(self, brought: Iterable[StreamPart], pieces: list[StreamPart]) -> None:
        """Append what was brought, and note the counts among it for the log."""
        for piece in brought:
            if isinstance(piece, Usage):
                self._usages[self] = piece
            pieces.append(piece)


def with_fallback(
    context: RequestContext,
    asked: str,
    slot: Callable[[Publisher], T | None],
    verb: str,
    attempt: Callable[[Model, T], R],
) -> R:
    """What `attempt` makes of the first model for a name that can answer for now; raises `NotFound`."""
    context.log.model = asked
    for model in context.router.candidates(asked):
        if (does := slot(PUBLISHERS[model.publisher])) is None:
            raise errors.NotFound(f"{asked!r} does not {verb}.", param="model", code="model_not_found")
        try:
            return attempt(model, does)
        except errors.ApiError as fault:
            if not (fault.retryable and model.has_fallback):
                raise
            context.router.mark_failed(model)
    raise AssertionError("a plan has a last model, which is not spare")


def call_unary(
    context: RequestContext,
    given: JSON,
    slot: Callable[[Publisher], UnaryAdapter[T] | None],
    verb: str,
    keep: Callable[[T], R],
    at_once: int = MAX_PARALLEL_CALLS,
) -> tuple[list[R], dict[str, str]]:
    """What `keep` makes of the answers to a request, in the order of its calls, and headers for the client.

    At the first error the calls that have not begun are dropped.
    """

    def attempt(model: Model, operation: UnaryAdapter[T]) -> tuple[list[R], dict[str, str]]:
        calls = operation.request({**model.defaults, **given}, model)

        def one(call: UpstreamCall) -> tuple[R, dict[str, str]]:
            answer = context.transport.open(
                call, model, context.client, retries=0 if model.has_fallback else None
            )
            said = _object(b"".join(iter_response(answer, context)))
            return keep(operation.response(said, call)), target(model, answer)

        with _hint_at_replacement(model):
            kept = _side_by_side(one, calls, at_once)
        named = [name for call in calls for name in call.ignored]
        theirs = ignored(name for name in named if name in given or name not in model.defaults)
        return [one for one, _ in kept], theirs | kept[0][1]

    return with_fallback(context, given["model"], slot, verb, attempt)


def _side_by_side(one: Callable[[UpstreamCall], T], calls: Sequence[UpstreamCall], at_once: int) -> list[T]:
    if len(calls) == 1:
        return [one(calls[0])]
    with ThreadPoolExecutor(min(len(calls), at_once)) as pool:
        futures = [pool.submit(one, call) for call in calls]
        wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def get_json(
    call: UpstreamCall, model: Model | ResourceTarget, context: RequestContext, *, retries: int | None = None
) -> JSON:
    """The resource that answers a call. A job's `error` is the job's, so it is not looked for here."""
    return _decoded(
        b"".join(iter_response(context.transport.open(call, model, context.client, retries=retries), context))
    )


def iter_body(call: UpstreamCall, model: Model | ResourceTarget, context: RequestContext) -> Iterator[bytes]:
    """The bytes that answer a call, as they come. It is made at once, so a refusal comes before them."""
    return iter_response(context.transport.open(call, model, context.client), context)


def iter_response(answer: UpstreamResponse, context: RequestContext) -> Iterator[bytes]:
    """The bytes of an answer as they come."""
    with closing(answer):
        for block in _listen([answer], context):
            if block and block[1]:
                yield block[1]


def target(model: Model, answer: UpstreamResponse) -> dict[str, str]:
    """The header that says which model answered, and where."""
    return {"x-vertex-compat-target": f"{model.publisher}/{model.name}; location={answer.location}"}


def ignored(given: Iterable[str]) -> dict[str, str]:
    """The header that lists parameters. They come from the client: only plain names are repeated."""
    plain = [name for name in given if name.isascii() and name.replace("_", "").replace(".", "").isalnum()]
    listed = ", ".join(dict.fromkeys(name[:64] for name in plain[:64]))
    return {"x-vertex-compat-ignored": listed} if listed else {}


def _open(calls: Sequence[UpstreamCall], model: Model, context: RequestContext) -> list[UpstreamResponse]:
    """The answers to all calls. If one cannot be had, the others are closed."""
    with _hint_at_replacement(model):
        if len(calls) == 1:
            return [
                context.transport.open(
                    calls[0], model, context.client, retries=0 if model.has_fallback else None
                )
            ]
        with ThreadPoolExecutor(min(len(calls), MAX_PARALLEL_CALLS)) as pool, ExitStack() as opened:
            futures = [pool.submit(context.transport.open, call, model, context.client) for call in calls]
            for future in futures:
                if not future.exception():
                    opened.callback(future.result().close)
            answers = [future.result() for future in futures]
            opened.pop_all()
            return answers


@contextmanager
def _hint_at_replacement(model: Model) -> Iterator[None]:
    try:
        yield
    except errors.NotFound as error:
        if error.code == "model_not_found" and (successor := model_names.replacement(model.requested_name)):
            error.message += f" This model has been retired; use {successor!r} instead."
        raise


def _listen(answers: Sequence[UpstreamResponse], context: RequestContext) -> Iterator[Block | None]:
    patience = context.settings.upstream_timeout
    return multiplex(
        answers, context.client, keepalive=context.settings.keepalive_interval, patience=patience
    )


_decode = msgspec.json.Decoder().decode


def _object(iter_response: bytes) -> JSON:
    """An event or a body of the upstream; raises what it says where it is an error."""
    value = _decoded(iter_response)
    if ("error" in value or "object" in value) and errors.is_error(value):
        raise errors.from_body(200, value)
    return value


def _decoded(iter_response: bytes) -> JSON:
    try:
        value = _decode(iter_response)
    except (ValueError, RecursionError):
        if not iter_response.strip():
            raise errors.UpstreamFault("Vertex AI answered with nothing.") from None
        raise errors.UpstreamFault("Vertex AI answered something that is not JSON.") from None
    if not isinstance(value, dict):
        if errors.is_error(value):
            raise errors.from_body(200, value)
        raise errors.UpstreamFault("Vertex AI answered something that is not a JSON object.")
    return value
