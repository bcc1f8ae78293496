"""`POST /completions`: text that continues a prompt, or fills in code before a suffix."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.chat.chat import usage, with_cost
from vertex_compat.operations.completions import completions_schema
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.request import body, token_ids
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.publishers import prompt
from vertex_compat.types import JSON, ChatAdapter, Model, Publisher, StreamPart, UpstreamCall, Usage

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire

FINISH_REASONS: Final = {"length": "length", "content_filter": "content_filter"}
"""Finish reason of chat → of a completion. Any other is `stop`."""

MAX_CHOICES: Final = 128


class PromptCall(NamedTuple):
    """One upstream call, the prompt that it continues, and the number of its first choice."""

    call: UpstreamCall
    prompt: str
    first_choice: int


def complete(context: RequestContext) -> Response:
    """Answer one request, streaming or whole."""
    params = body.drop_nulls(body.decode(context.body, completions_schema.Completion))
    body.check_stream_options(params)
    prompts = token_ids.texts(params.pop("prompt"), "prompt")

    def attempt(model: Model, adapter: ChatAdapter) -> Response:
        calls: list[PromptCall] = []

        def prepare(model: Model) -> list[UpstreamCall]:
            calls[:] = _calls(
                adapter, prompts, model_calls.chat_params(adapter, params, model, context), model
            )
            return [call.call for call in calls]

        if context.dry_run:
            return model_calls.describe(prepare(model)[0], model, context)
        stream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
        return _respond(
            stream, _ChoiceEncoder(calls, params, context.log.cost_usd), streaming=bool(params.get("stream"))
        )

    return model_calls.with_fallback(context, params["model"], COMPLETION, attempt)


def _respond(stream: UpstreamStream[StreamPart], encoder: _ChoiceEncoder, *, streaming: bool) -> Response:
    if streaming:
        return Response(EventStream(stream.stream(encoder)), stream.headers)
    for number, part in stream.collect():
        encoder.encode(number, part)
    return Response(encoder.whole(), stream.headers)


def _adapter(publisher: Publisher) -> ChatAdapter | None:
    return publisher.completions or (publisher.chat and prompt.completions_via_chat(publisher.chat))


COMPLETION: Final = model_calls.Operation(_adapter, "complete", frozenset({"chat", "completions"}))


def _calls(adapter: ChatAdapter, prompts: list[str], params: JSON, model: Model) -> Iterator[PromptCall]:
    """Yield the calls for all choices: `n` choices a prompt, those of the first prompt first."""
    choices = params.get("n", 1)
    if len(prompts) * choices > MAX_CHOICES:
        raise errors.BadRequest(
            f"A request makes at most {MAX_CHOICES} choices, 'n' for each prompt.",
            param="n",
            code="invalid_value",
        )
    takes_n = adapter.takes_n(model)
    if not takes_n:
        params = {name: value for name, value in params.items() if name != "n"}
    for number, text in enumerate(prompts):
        call = adapter.request(params | {"prompt": text}, model)
        for choice in (0,) if takes_n else range(choices):
            yield PromptCall(call, text, number * choices + choice)


class _ChoiceEncoder:
    """Encodes OpenAI's chunks, and keeps the texts for the whole response.

    Finish reasons wait for the end of the upstream: no text of a choice may follow its finish reason.
    """

    keepalive = sse.KEEPALIVE

    def __init__(
        self, calls: list[PromptCall], params: JSON, cost: Callable[[], float | None] = lambda: None
    ) -> None:
        self._stamp: wire.CompletionStamp = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": params["model"],
        }
        self._calls = calls
        self._cost = cost
        self._echo = bool(params.get("echo"))
        self._include_usage = bool((params.get("stream_options") or {}).get("include_usage"))
        self._texts: dict[int, list[str]] = {}
        self._finish: dict[int, str] = {}
        self._usages: dict[int, Usage] = {}

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Return the chunk for one part of upstream response `number`; may be none."""
        if isinstance(part, Usage):
            self._usages[number] = part
            return b""
        call = self._calls[number]
        index = call.first_choice + part.choice
        text = part.fields.get("content") or ""
        if index not in self._texts:
            self._texts[index] = []
            text = call.prompt + text if self._echo else text
        self._texts[index].append(text)
        if part.finish_reason:
            self._finish[index] = FINISH_REASONS.get(part.finish_reason, "stop")
        return self._chunk(_choice(index, text)) if text else b""

    def finish(self) -> bytes:
        """Return the last chunks; raises `UpstreamFault` if the model had not finished."""
        self._check_finished()
        last = [self._chunk(_choice(index, "", self._finish[index])) for index in sorted(self._texts)]
        if self._include_usage:
            counts = with_cost(usage(self._usages.values()), self._cost())
            chunk: wire.Completion = {**self._stamp, "choices": [], "usage": counts}
            last.append(sse.encode(chunk))
        return b"".join([*last, sse.DONE])

    def whole(self) -> wire.Completion:
        """Return the whole response; raises `UpstreamFault` if the model had not finished."""
        self._check_finished()
        choices = [
            _choice(index, "".join(texts), self._finish[index])
            for index, texts in sorted(self._texts.items())
        ]
        return {**self._stamp, "choices": choices, "usage": usage(self._usages.values())}

    def _check_finished(self) -> None:
        if not self._texts or self._texts.keys() - self._finish.keys():
            raise errors.unfinished_response()

    def _chunk(self, choice: wire.CompletionChoice) -> bytes:
        chunk: wire.CompletionChunk = {**self._stamp, "choices": [choice]}
        if self._include_usage:
            with_usage: wire.Completion = {**chunk, "usage": None}
            return sse.encode(with_usage)
        return sse.encode(chunk)


def _choice(index: int, text: str, finish_reason: str | None = None) -> wire.CompletionChoice:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}
