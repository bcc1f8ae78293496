"""Model Armor's checks of one request: the prompt before the call, the response after it.

Vertex AI can make the checks of Gemini itself, but leaves them out while Model Armor is not available. So
Vertex AI makes them only where the settings let unchecked texts pass. Else they are made here, as for every
other publisher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.generate_content.relay import GeminiRelayParser
from vertex_compat.operations.guardrails.guarded_parsers import OVERLAP_CHARACTERS, GuardedChat, GuardedChunks
from vertex_compat.operations.guardrails.prompt_text import prompt_text, texts
from vertex_compat.services import model_armor
from vertex_compat.services.model_armor import Verdict
from vertex_compat.types import JSON, Model, RawBody, UpstreamCall

MAX_TEXT_CHARACTERS: Final = 60_000
"""Of one check. Model Armor's filters skip texts of more than 65,536 tokens:
https://docs.cloud.google.com/model-armor/quotas (2026-10)."""

Prepare: TypeAlias = Callable[[Model], Sequence[UpstreamCall]]


class Guard:
    """The checks of one request with the template of its model."""

    def __init__(self, template: str, model: Model, context: RequestContext) -> None:
        self._template = template
        self._context = context
        self._passes = context.settings.routing.file.model_armor_failure == "pass"
        self._is_native = model.publisher == "google" and self._passes
        self._prompt = ""

    def with_prompt_check(self, prepare: Prepare) -> Prepare:
        """Return what makes the calls for a model and checks their prompt first."""
        return lambda model: self._check_calls(prepare(model))

    def _check_calls(self, calls: Sequence[UpstreamCall]) -> Sequence[UpstreamCall]:
        """Return the calls to make. Raises `BadRequest` for a blocked prompt."""
        if self._is_native:
            return [_with_template(call, self._template) for call in calls]
        self.check_prompt(prompt_text(_fields(calls[0])))
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

    def wrap(self, parser: Any) -> Any:
        """Return a parser whose parts have been checked."""
        if self._is_native:
            return parser
        guarded = GuardedChunks if isinstance(parser, GeminiRelayParser) else GuardedChat
        return guarded(parser, self.check_response)

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
        if self._passes:
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


def _fields(call: UpstreamCall) -> Mapping[str, Any]:
    """Return the body of a call, also of one that is passed on."""
    return call.body if call.content is None else msgspec.json.decode(call.content, type=dict[str, Any])


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
