"""Claude's thinking and effort, from OpenAI's parameters and from Anthropic's.

https://platform.claude.com/docs/en/build-with-claude/thinking. Older models think within a budget of tokens
that counts towards `max_tokens`; newer ones adapt, and an effort level says how much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import msgspec

from vertex_compat import errors
from vertex_compat.model_profile import ModelProfile
from vertex_compat.publishers.anthropic.chat.context import CallContext
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.publishers.anthropic import request_types as wire

BUDGETS: Final = {
    "minimal": 1024,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16_384,
}
"""Effort → tokens."""

MIN_BUDGET: Final = 1024

LEVELS: Final = ("low", "medium", "high", "xhigh", "max")

_NEAREST: Final = {"minimal": ("low",), "xhigh": ("max", "high"), "max": ("xhigh", "high")}
"""Level → substitutes on a model that does not have it, best first."""

_SUBSTITUTES: Final = {
    "disabled": ("disabled", "between_tools"),
    "between_tools": ("between_tools", "disabled"),
    "enabled": ("enabled", "adaptive"),
    "adaptive": ("adaptive", "enabled"),
}
"""Type of thinking that a client requests → types with the same effect, best first."""

BINDING_BETA: Final = "thinking-binding-controls-2026-08-01"
UPDATES_BETA: Final = "thinking-display-updates-2026-08-18"


class _ThinkingRequest(msgspec.Struct, frozen=True):
    """The client's request for thinking: a type with its fields, and a level of effort.

    `param` and `effort_param` are the parameters that ask for them.
    """

    type: str | None
    fields: JSON
    effort: str | None
    param: str
    effort_param: str


def plan(
    context: CallContext, limit: int, *, forced: bool, blocks_missing: bool
) -> tuple[wire.ThinkingConfig | None, str | None]:
    """Return `thinking` and the effort of a call that answers at most `limit` tokens.

    A budget is not possible if a tool call is `forced`, nor if `blocks_missing`. The latter says that the
    thinking blocks before the last tool calls are not there any more.
    """
    request = _read(context.body)
    thinking = _thinking(request, context, limit, forced=forced, blocks_missing=blocks_missing)
    if thinking:
        _add_betas(thinking, context)
    return thinking, _effort(request, thinking, context)


def _read(body: JSON) -> _ThinkingRequest:
    """Return the parameters about thinking; raises `BadRequest`."""
    level = body.get("reasoning_effort") or None
    effort_param = "reasoning_effort"
    effort = None if level == "none" else level
    output = body.get("output_config")
    if isinstance(output, dict) and isinstance(output.get("effort"), str):
        effort, effort_param = output["effort"], "output_config.effort"
    if (thinking := body.get("thinking")) is None:
        kind = {None: None, "none": "disabled"}.get(level, "adaptive")
        return _ThinkingRequest(kind, {}, effort, "reasoning_effort", effort_param)
    kind, budget = thinking.get("type"), thinking.get("budget_tokens", MIN_BUDGET)
    if (
        isinstance(kind, str)
        and isinstance(budget, int)
        and (kind in _SUBSTITUTES or "budget_tokens" in thinking)
    ):
        fields = {name: value for name, value in thinking.items() if name != "type"}
        accepted_kind = kind if kind in _SUBSTITUTES else "enabled"
        return _ThinkingRequest(accepted_kind, fields, effort, "thinking", effort_param)
    raise errors.BadRequest(
        "'thinking' must be like {'type': 'adaptive'} or {'type': 'enabled', 'budget_tokens': 2048}.",
        param="thinking",
        code="invalid_value",
    )


def _thinking(
    request: _ThinkingRequest,
    context: CallContext,
    limit: int,
    *,
    forced: bool,
    blocks_missing: bool,
) -> wire.ThinkingConfig | None:
    profile = context.profile
    if request.type is None:
        return _default(context.body, profile)
    kind = next((kind for kind in _SUBSTITUTES[request.type] if kind in profile.thinking), None)
    forced = forced and profile.supports_forced_tools
    match kind:
        case "between_tools":
            return {"type": "between_tools"}  # which takes no other field
        case "disabled":  # older models think only on request
            return {"type": "disabled"} if "adaptive" in profile.thinking else None
        case "enabled" if not forced and not blocks_missing:
            return _within_budget(request, context, limit)
        case "adaptive" if not forced or profile.supports_forced_tools_with_thinking:
            if request.type != "adaptive":
                context.ignore(request.param)
            return _adaptive(request)
        case None if request.type in {"disabled", "between_tools"} and "adaptive" not in profile.thinking:
            return None  # thinks only on request
    context.ignore(request.param)
    return _default(context.body, profile) if kind is None else None


def _default(body: JSON, profile: ModelProfile) -> wire.ThinkingConfig | None:
    """Return the field for a client that sets none, so that text between tool calls is not lost."""
    tools = any(body.get(name) for name in ("functions", "tools")) or "web_search_options" in body
    return {"type": "adaptive", "display": "summarized"} if profile.progress_in_thinking and tools else None


def _adaptive(request: _ThinkingRequest) -> wire.ThinkingConfig:
    fields = {name: value for name, value in request.fields.items() if name != "budget_tokens"}
    return cast("wire.ThinkingConfig", {"type": "adaptive", "display": "summarized"} | fields)


def _within_budget(request: _ThinkingRequest, context: CallContext, limit: int) -> wire.ThinkingConfig | None:
    """Thinking within a budget that leaves room for an answer, or none where there is no room."""
    budget = request.fields.get("budget_tokens") or BUDGETS.get(request.effort or "medium", BUDGETS["medium"])
    if limit <= MIN_BUDGET:
        context.ignore(request.param)
        return None
    fitting = max(MIN_BUDGET, budget if budget < limit else limit // 2)
    if fitting != budget:
        context.ignore(request.param)
    return cast("wire.ThinkingConfig", {"type": "enabled"} | request.fields | {"budget_tokens": fitting})


def _effort(
    request: _ThinkingRequest, thinking: wire.ThinkingConfig | None, context: CallContext
) -> str | None:
    """Return the level to send, None if the model has none or the budget says it."""
    kind = thinking["type"] if thinking else None
    efforts = context.profile.effort_levels
    level = request.effort or _implied_level(request, kind, context.profile)
    if level is None or (kind == "enabled" and request.effort_param == "reasoning_effort"):
        return None
    if not efforts:
        context.ignore(request.effort_param)
        return None
    candidates = (level, *_NEAREST.get(level, ()))
    nearest = next((candidate for candidate in candidates if candidate in efforts), efforts[-1])
    highest = context.profile.max_effort_without_thinking
    if kind in {"disabled", "between_tools"} and highest:
        nearest = min(nearest, highest, key=LEVELS.index)
    if nearest != level and request.effort:
        context.ignore(request.effort_param)
    return nearest


def _implied_level(request: _ThinkingRequest, kind: str | None, profile: ModelProfile) -> str | None:
    """Return the level that stands for a budget, or for thinking that cannot be turned off."""
    if request.type == "enabled" and kind == "adaptive":
        budget = request.fields.get("budget_tokens", BUDGETS["medium"])
        return next(
            (level for level, tokens in BUDGETS.items() if budget <= tokens and level in LEVELS), "max"
        )
    off = request.type in {"disabled", "between_tools"}
    return "low" if off and kind in {None, "adaptive"} and "adaptive" in profile.thinking else None


def _add_betas(thinking: wire.ThinkingConfig, context: CallContext) -> None:
    if thinking.get("display") == "updates":
        context.betas.append(UPDATES_BETA)
    if "block_binding" in thinking:
        context.betas.append(BINDING_BETA)


def is_complete(block: JSON) -> bool:
    """Return whether Claude takes a thinking block back: with its signature, or redacted."""
    match block:
        case {"type": "thinking", "thinking": str(), "signature": str(signature)}:
            return bool(signature)
        case {"type": "redacted_thinking", "data": str(data)}:
            return bool(data)
    return False
