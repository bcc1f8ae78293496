"""`POST /completions`: the model goes on where a prompt ends, or fills in before a suffix."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.chat.chat import usage
from vertex_compat.operations.completions import completions_schema
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import body
from vertex_compat.publishers import prompt
from vertex_compat.types import JSON, ChatAdapter, Model, Publisher, StreamPart, UpstreamCall, Usage

FINISH: Final = {"length": "length", "content_filter": "content_filter"}
"""Any other reason of a chat's is `stop` here."""


MAX_CHOICES: Final = 128


class Part(NamedTuple):
    """One upstream call, the prompt it goes on with, and the number of its first choice."""

    call: UpstreamCall
    prompt: str
    first: int


def complete(context: RequestContext) -> Response:
    """Answer one request, streaming or not."""
    given = body.without_nulls(body.decode(context.body, completions_schema.Completion))
    body.check_stream_options(given)
    prompts = _prompts(given.pop("prompt"))

    def converse(model: Model, chat: ChatAdapter) -> tuple[list[Part], model_calls.UpstreamChat]:
        parts = list(_parts(chat, prompts, {**model.defaults, **given}, model))
        return parts, model_calls.UpstreamChat(chat, [part.call for part in parts], model, context)

    parts, answers = model_calls.with_fallback(context, given["model"], _completions, "complete", converse)
    choices = _Choices(parts, given)
    if given.get("stream"):
        return Response(answers.stream(choices), answers.headers)
    for number, piece in answers.collect():
        choices.encode(number, piece)
    return Response(choices.whole(), answers.headers)


def _prompts(given: str | list[str | int | list[int]]) -> list[str]:
    prompts = [given] if isinstance(given, str) else given
    if not all(isinstance(one, str) for one in prompts):
        raise errors.BadRequest(
            "'prompt' must be a text or a list of texts: Vertex AI's models do not know OpenAI's tokens.",
            param="prompt",
            code="invalid_type",
        )
    return [one for one in prompts if isinstance(one, str)]


def _completions(publisher: Publisher) -> ChatAdapter | None:
    return publisher.completions or (publisher.chat and prompt.completions(publisher.chat))


def _parts(chat: ChatAdapter, prompts: list[str], given: JSON, model: Model) -> Iterator[Part]:
    """The calls for all choices: `n` choices a prompt, those of the first prompt first."""
    wanted = given.get("n", 1)
    if len(prompts) * wanted > MAX_CHOICES:
        raise errors.BadRequest(
            f"A request makes {MAX_CHOICES} choices at most, 'n' for each prompt.",
            param="n",
            code="invalid_value",
        )
    if not chat.supports_n:
        given = {name: value for name, value in given.items() if name != "n"}
    for number, text in enumerate(prompts):
        call = chat.request(given | {"prompt": text}, model)
        for choice in (0,) if chat.supports_n else range(wanted):
            yield Part(call, text, number * wanted + choice)


class _Choices:
    """Writes OpenAI's chunks, and keeps what the whole answer is made of.

    Finish reasons wait until the upstream has ended: nothing of a choice may follow its own.
    """

    def __init__(self, parts: list[Part], given: JSON) -> None:
        self._stamp: JSON = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": given["model"],
        }
        self._parts = parts
        self._echo = bool(given.get("echo"))
        self._include_usage = bool((given.get("stream_options") or {}).get("include_usage"))
        self._texts: dict[int, list[str]] = {}
        self._finish: dict[int, str] = {}
        self._usages: dict[int, Usage] = {}

    def encode(self, answer: int, piece: StreamPart) -> bytes:
        """The chunk for one piece of upstream answer number `answer`; may be none."""
        if isinstance(piece, Usage):
            self._usages[answer] = piece
            return b""
        part = self._parts[answer]
        index = part.first + piece.choice
        text = piece.fields.get("content") or ""
        if index not in self._texts:
            self._texts[index] = []
            text = part.prompt + text if self._echo else text
        self._texts[index].append(text)
        if piece.finish_reason:
            self._finish[index] = FINISH.get(piece.finish_reason, "stop")
        return self._chunk([_choice(index, text)]) if text else b""

    def finish(self) -> bytes:
        """The last chunks; raises `UpstreamFault` if the model had not finished."""
        self._check()
        last = [self._chunk([_choice(index, "", self._finish[index])]) for index in sorted(self._texts)]
        if self._include_usage:
            last.append(sse.encode(self._stamp | {"choices": [], "usage": usage(self._usages.values())}))
        return b"".join([*last, sse.DONE])

    def whole(self) -> JSON:
        """The answer that is not streamed."""
        self._check()
        choices = [
            _choice(index, "".join(texts), self._finish[index])
            for index, texts in sorted(self._texts.items())
        ]
        return self._stamp | {"choices": choices, "usage": usage(self._usages.values())}

    def _check(self) -> None:
        if not self._texts or self._texts.keys() - self._finish.keys():
            raise errors.UpstreamFault("Vertex AI ended its answer before the model had finished.")

    def _chunk(self, choices: list[JSON]) -> bytes:
        counted = {"usage": None} if self._include_usage else {}
        return sse.encode(self._stamp | {"choices": choices} | counted)


def _choice(index: int, text: str, finish_reason: str | None = None) -> JSON:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}
