"""Model Armor's checks of one request: the prompt before the call, the response after it.

Gemini has the checks built in and only needs the template. For every other publisher they are made here. A
stream is checked in passages: text is held back until a passage is complete, and then sent or blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec
from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.guardrails.prompt_text import prompt_text, texts
from vertex_compat.services import model_armor
from vertex_compat.services.model_armor import Verdict
from vertex_compat.types import JSON, Delta, Model, RawBody, StreamPart, UpstreamCall, Usage

MAX_TEXT_CHARACTERS: Final = 60_000
"""Of one check. Model Armor's filters skip texts of more than 65,536 tokens:
https://docs.cloud.google.com/model-armor/quotas (2026-10)."""

Prepare: TypeAlias = Callable[[Model], Sequence[UpstreamCall]]

PASSAGE_CHARACTERS: Final = 1000
"""Text that a stream holds back for a check."""

OVERLAP_CHARACTERS: Final = 200
"""Text before a passage that is checked with it, so that nothing is hidden on the border."""


class Parser(Protocol):
    """A parser of one response whose parts are deltas and counts."""

    @property
    def done(self) -> bool:
        """As in `upstream_stream.ResponseParser`."""

    @property
    def continuation(self) -> UpstreamCall | None:
        """As in `upstream_stream.ResponseParser`."""

    def read(self, data: bytes, parts: list[StreamPart]) -> None:
        """As in `upstream_stream.ResponseParser`."""

    def whole(self, body: bytes, parts: list[StreamPart]) -> None:
        """As in `upstream_stream.ResponseParser`."""

    def resume(self, call: UpstreamCall, content_type: str) -> None:
        """As in `upstream_stream.ResponseParser`."""


class Guard:
    """The checks of one request with the template of its model."""

    def __init__(self, template: str, model: Model, context: RequestContext) -> None:
        self._template = template
        self._context = context
        self._native = model.publisher == "google"
        self._prompt = ""

    def with_prompt_check(self, prepare: Prepare) -> Prepare:
        """Return what makes the calls for a model and checks their prompt first."""
        return lambda model: self._check_calls(prepare(model))

    def _check_calls(self, calls: Sequence[UpstreamCall]) -> Sequence[UpstreamCall]:
        """Return the calls to make. Raises `BadRequest` for a blocked prompt."""
        if self._native:
            return [_with_template(call, self._template) for call in calls]
        self.check_prompt(prompt_text(calls[0].body))
        return calls

    def check_prompt(self, prompt: str) -> None:
        """Raise `BadRequest` for a blocked prompt."""
        if prompt != self._prompt:
            self._check_passages((None, passage) for passage in _passages([prompt]))
        self._prompt = prompt

    def check_texts(self, prompts: Mapping[str, Sequence[str]]) -> None:
        """Raise `BadRequest` for a blocked text; the keys are the client's parameters."""
        self._check_passages(
            (param, passage) for param, parts in prompts.items() for passage in _passages(parts)
        )

    def _check_passages(self, passages: Iterable[tuple[str | None, str]]) -> None:
        """Check passages of the parameters that stand before them; None is the prompt of a chat."""
        if checks := list(passages):
            model_calls.in_parallel(self._check_passage, checks, model_calls.MAX_PARALLEL_CALLS)

    def _check_passage(self, check: tuple[str | None, str]) -> None:
        param, passage = check
        verdict = self._verdict(model_armor.check_prompt(self._template, passage))
        if verdict.matches:
            self._context.log.guardrail = "prompt_blocked"
            subject = f"The text of '{param}'" if param else "The prompt"
            raise errors.BadRequest(f"{subject} was {_refusal(verdict)}", param=param, code="content_filter")

    def check_answers(self, answers: Iterable[str]) -> None:
        """Raise `BadRequest` for blocked texts of results; the client's API has no refusal."""
        if reason := self.check_response("\n".join(answers)):
            raise errors.BadRequest(reason, code="content_filter")

    def wrap(self, parser: Parser) -> Parser:
        """Return a parser whose parts have been checked."""
        return parser if self._native else _GuardedParser(parser, self)

    def check_response(self, text: str) -> str | None:
        """Return why a text of the response is blocked, None if it is not."""
        if not (checks := list(_passages([text]))):
            return None
        reasons = model_calls.in_parallel(self._block_reason, checks, model_calls.MAX_PARALLEL_CALLS)
        return next(filter(None, reasons), None)

    def _block_reason(self, passage: str) -> str | None:
        prompt = self._prompt[-MAX_TEXT_CHARACTERS:]
        verdict = self._verdict(model_armor.check_response(self._template, passage, prompt))
        if not verdict.matches:
            return None
        self._context.log.guardrail = "response_blocked"
        return f"The response was {_refusal(verdict)}"

    def _verdict(self, call: UpstreamCall) -> Verdict:
        """Return the verdict. If there is none, the setting `model_armor_failure` decides."""
        failure: errors.ApiError | None = None
        try:
            verdict = model_armor.verdict(
                model_calls.get_json(call, model_armor.target(self._template), self._context)
            )
        except errors.ApiError as error:
            failure, verdict = error, Verdict((), complete=False)
        if verdict.matches or verdict.complete:
            return verdict
        self._context.log.guardrail = "unavailable"
        if self._context.settings.routing.file.model_armor_failure == "pass":
            return verdict
        reason = failure.message if failure else "some of its filters were not executed"
        raise errors.Unavailable(
            f"Model Armor could not check this request, so it was not answered: {reason}",
            code="guardrail_unavailable",
        )


def check_params(params: JSON, names: Iterable[str], model: Model, context: RequestContext) -> None:
    """Check the texts of the parameters `names`, if the model is checked; raises `BadRequest`."""
    if model.model_armor and not context.dry_run:
        guard = Guard(model.model_armor, model, context)
        guard.check_texts({name: list(texts(params.get(name))) for name in names})


def _passages(parts: Iterable[str]) -> Iterator[str]:
    """Yield the texts in passages of one check, each with the end of the passage before it."""
    whole = "\n".join(filter(str.strip, parts))
    for start in range(0, len(whole), MAX_TEXT_CHARACTERS):
        passage = whole[max(start - OVERLAP_CHARACTERS, 0) : start + MAX_TEXT_CHARACTERS]
        if passage.strip():
            yield passage


def _with_template(call: UpstreamCall, template: str) -> UpstreamCall:
    """Return a call to Gemini with the template in place of the client's `modelArmorConfig`."""
    config = model_armor.gemini_config(template)
    if call.content is None:
        return replace(call, body={**call.body, "modelArmorConfig": config})
    fields = msgspec.json.decode(call.content, type=RawBody)
    fields.pop("model_armor_config", None)
    fields["modelArmorConfig"] = msgspec.Raw(msgspec.json.encode(config))
    return replace(call, content=msgspec.json.encode(fields))


def _refusal(verdict: Verdict) -> str:
    return f"blocked by Model Armor ({'; '.join(verdict.matches)})."


class _GuardedParser:
    def __init__(self, parser: Parser, guard: Guard) -> None:
        self._parser = parser
        self._guard = guard
        self._pending: list[StreamPart] = []
        self._size = 0
        self._before: dict[int, str] = {}
        self._blocked: set[int] = set()

    @property
    def done(self) -> bool:
        return self._parser.done

    @property
    def continuation(self) -> UpstreamCall | None:
        return self._parser.continuation

    def resume(self, call: UpstreamCall, content_type: str) -> None:
        self._parser.resume(call, content_type)

    def recover(self) -> bool:
        return False  # the text that is held back has been released with the error

    def read(self, data: bytes, parts: list[StreamPart]) -> None:
        new: list[StreamPart] = []
        try:
            self._parser.read(data, new)
        except errors.ApiError:
            self._hold(new)
            self._release(parts)
            raise
        finished = self._hold(new)
        if finished or not data or self.done or self._size >= PASSAGE_CHARACTERS:
            self._release(parts)

    def whole(self, body: bytes, parts: list[StreamPart]) -> None:
        new: list[StreamPart] = []
        self._parser.whole(body, new)
        self._hold(new)
        self._release(parts)

    def _hold(self, new: list[StreamPart]) -> bool:
        """Hold parts back; return whether one of them has a finish reason."""
        self._pending += new
        self._size += sum(len(text) for part in new for text in _texts(part))
        return any(isinstance(part, Delta) and part.finish_reason for part in new)

    def _release(self, parts: list[StreamPart]) -> None:
        """Pass on the pending parts, except for blocked choices."""
        released, self._pending, self._size = self._pending, [], 0
        choices = dict.fromkeys(part.choice for part in released if isinstance(part, Delta))
        for choice in choices:
            if choice not in self._blocked:
                self._check(choice, released, parts)
        parts += [part for part in released if isinstance(part, Usage) or part.choice not in self._blocked]

    def _check(self, choice: int, pending: list[StreamPart], parts: list[StreamPart]) -> None:
        text = "".join(text for part in pending if _is_of(part, choice) for text in _texts(part))
        if not text:
            return
        if reason := self._guard.check_response(self._before.get(choice, "") + text):
            self._blocked.add(choice)
            parts.append(Delta(choice, {"refusal": reason}, "content_filter"))
        self._before[choice] = text[-OVERLAP_CHARACTERS:]


def _is_of(part: StreamPart, choice: int) -> bool:
    return isinstance(part, Delta) and part.choice == choice


def _texts(part: StreamPart) -> Iterator[str]:
    """Yield the texts of a delta: content, reasoning, and the arguments of tool calls."""
    if isinstance(part, Usage):
        return
    fields: JSON = part.fields
    for name in ("content", "reasoning_content"):
        if isinstance(text := fields.get(name), str):
            yield text
    for call in fields.get("tool_calls") or ():
        yield (call.get("function") or {}).get("arguments") or ""
