"""Gemini's thinking, by `reasoning_effort`, LiteLLM's `thinking` or `thinking_config`.

https://cloud.google.com/vertex-ai/generative-ai/docs/thinking. Up to 2.5 Gemini thinks within a budget of
tokens, from 3 on at a level. The closer a parameter is to Google's own, the more it counts: `thinking_config`
before `thinking` before `reasoning_effort`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vertex_compat import errors
from vertex_compat.model_profile import ModelProfile
from vertex_compat.publishers.google.chat.options import camel_case
from vertex_compat.types import JSON, ClientRequest

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

BUDGETS: Final = {"low": 1024, "medium": 2048, "high": 4096}
"""Effort → budget. `minimal` is the smallest that the model accepts, `xhigh` and `max` are the largest."""

LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh")
"""In ascending order; `none` counts as the first, `max` as the last."""

DYNAMIC: Final = -1
"""The budget with which the model decides."""

_BUDGETS_AND_LEVELS: Final = 3
"""Gemini 3 accepts a budget from a client that sets one; other generations only one of the two."""

_FIELDS: Final = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})


def thinking_config(
    request: ClientRequest, options: JSON, effort_param: str = "reasoning_effort"
) -> wire.ThinkingConfig:
    """Return `thinkingConfig`, empty if the client sets nothing."""
    body = request.body
    effort, thinking = body.get(effort_param), body.get("thinking")
    native = options.get("thinking_config")
    if native is not None:
        request.ignore(*(name for name in (effort_param, "thinking") if name in body))
        return _native(native, request)
    if thinking is not None:
        request.ignore(*([effort_param] if effort else []))
        return _thinking(thinking, request)
    return _effort(effort, request, effort_param) if effort else {}


def _native(config: JSON, request: ClientRequest) -> wire.ThinkingConfig:
    requested = {camel_case(name): value for name, value in config.items() if value is not None}
    request.ignore(*(f"google.thinking_config.{name}" for name in config if camel_case(name) not in _FIELDS))
    thinking_config: wire.ThinkingConfig = {}
    if "includeThoughts" in requested:
        thinking_config["includeThoughts"] = requested["includeThoughts"]
    if requested.keys() >= {"thinkingBudget", "thinkingLevel"}:
        raise _invalid("google.thinking_config", "takes a budget or a level, not both.")
    if "thinkingBudget" in requested:
        param = "google.thinking_config.thinking_budget"
        budget = requested["thinkingBudget"]
        if not _is_integer(budget):
            raise _invalid(param, "must be an integer.")
        thinking_config |= _budget(budget, request, param)
    if "thinkingLevel" in requested:
        level = requested["thinkingLevel"]
        if not isinstance(level, str):
            raise _invalid("google.thinking_config.thinking_level", "must be a string.")
        thinking_config["thinkingLevel"] = level.upper()
    return thinking_config


def _thinking(thinking: JSON, request: ClientRequest) -> wire.ThinkingConfig:
    match thinking:
        case {"type": "disabled"}:
            return _effort("none", request, "thinking")
        case {"type": "enabled" | "adaptive"} if not request.model.profile.thinking:
            request.ignore("thinking")
            return {}
        case {"type": "enabled", "budget_tokens": int() as budget} if _is_integer(budget):
            return _budget(budget, request, "thinking") | ({"includeThoughts": True} if budget else {})
        case {"type": "enabled" | "adaptive"} if thinking.get("budget_tokens") is None:
            return {"includeThoughts": True}
    raise _invalid("thinking", "must be like {'type': 'enabled', 'budget_tokens': 2048}.")


def _budget(budget: int, request: ClientRequest, param: str) -> wire.ThinkingConfig:
    """Return a budget that the model accepts, or the level of one that thinks at levels only."""
    profile = request.model.profile
    if "enabled" in profile.thinking and profile.thinking_budget:
        accepted = _clamp(budget, profile)
        if accepted != budget:
            request.ignore(param)
        return {"thinkingBudget": accepted}
    generation = profile.generation
    takes_both = profile.takes_budget_beside_levels and generation and generation[0] == _BUDGETS_AND_LEVELS
    if profile.effort_levels and takes_both:
        return {"thinkingBudget": budget}
    request.ignore(param)
    if not profile.effort_levels or budget == DYNAMIC:
        return {}
    effort = next((effort for effort, tokens in BUDGETS.items() if budget <= tokens), "high")
    return {"thinkingLevel": _nearest(effort if budget else "minimal", profile).upper()}


def _clamp(budget: int, profile: ModelProfile) -> int:
    smallest, largest = profile.thinking_budget or (budget, budget)
    if budget == DYNAMIC or (budget == 0 and "disabled" in profile.thinking):
        return budget
    return min(max(budget, smallest), largest)


def _effort(effort: str, request: ClientRequest, param: str) -> wire.ThinkingConfig:
    profile = request.model.profile
    if "enabled" in profile.thinking and profile.thinking_budget:
        return _effort_budget(effort, request, param)
    if not profile.effort_levels:
        if effort != "none" or profile.thinking:
            request.ignore(param)
        return {}
    level = _nearest(effort, profile)
    if level != effort:
        request.ignore(param)
    return {"thinkingLevel": level.upper(), "includeThoughts": effort != "none"}


def _effort_budget(effort: str, request: ClientRequest, param: str) -> wire.ThinkingConfig:
    profile = request.model.profile
    smallest, largest = profile.thinking_budget or (0, 0)
    if effort == "none" and "disabled" in profile.thinking:
        return {"thinkingBudget": 0}
    if effort == "none":
        request.ignore(param)
    if effort in {"none", "minimal"}:
        return {"thinkingBudget": smallest, "includeThoughts": effort != "none"}
    return {
        "thinkingBudget": min(max(BUDGETS.get(effort, largest), smallest), largest),
        "includeThoughts": True,
    }


def _nearest(effort: str, profile: ModelProfile) -> str:
    """Return the level of the model that is nearest to an effort; of two, the higher one."""
    requested = LEVELS.index({"none": "minimal", "max": "xhigh"}.get(effort, effort))
    return min(
        profile.effort_levels,
        key=lambda level: (abs(LEVELS.index(level) - requested), LEVELS.index(level) < requested),
    )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _invalid(param: str, rule: str) -> errors.BadRequest:
    return errors.BadRequest(f"'{param}' {rule}", param=param, code="invalid_value")
