"""How much Claude thinks: OpenAI's `reasoning_effort`, and `thinking` in Anthropic's own words.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking. Older models think within a budget of
tokens that is part of `max_tokens`; newer ones as much as an effort is worth.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import errors
from vertex_compat.publishers.anthropic.models import Family
from vertex_compat.types import JSON

BUDGETS: Final = {
    "minimal": 1024,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16_384,
}
"""Effort → tokens."""

NEAREST: Final = {"minimal": "low", "xhigh": "max"}
"""What stands for a level that a model does not have."""

MIN_BUDGET_TOKENS: Final = 1024
"""No budget may be smaller."""


def plan(body: JSON, family: Family, limit: int, ignored: list[str], *, budgets: bool) -> JSON:
    """`thinking` and `output_config` for a call that answers at most `limit` tokens.

    `budgets` says whether thinking within a budget is possible: it is not where a call is demanded, nor where
    the thoughts before the last call are lost. What is not done as it was asked for is added to `ignored`.
    """
    asked, name = _asked(body)
    effort = None if body.get("reasoning_effort") == "none" else body.get("reasoning_effort")
    match asked.get("type"):
        case None:
            return {}
        case "disabled":
            if "disabled" in family.thinking:
                return {"thinking": {"type": "disabled"}}
            if "adaptive" in family.thinking:  # thinks whatever one says
                ignored.append(name)
            return {}
        case "enabled" if "enabled" in family.thinking:
            budget = asked.get("budget_tokens") or BUDGETS[effort or "medium"]
            return _within(budget, limit, ignored, name) if budgets else _without(ignored, name)
        case "enabled" if "adaptive" in family.thinking:
            ignored.append(name)
            return _adaptive(asked, family, effort or _worth(asked), ignored)
        case _ if "adaptive" in family.thinking:
            return _adaptive(asked, family, effort, ignored)
        case _ if "enabled" in family.thinking and budgets:
            return _within(BUDGETS[effort or "medium"], limit, ignored, name)
    return _without(ignored, name)


def _asked(body: JSON) -> tuple[JSON, str]:
    """What is asked for in Anthropic's words, and the parameter that asks."""
    effort = body.get("reasoning_effort")
    if (thinking := body.get("thinking")) is None:
        asked = {"type": "disabled" if effort == "none" else "adaptive"}
        return asked if effort else {}, "reasoning_effort"
    match thinking:
        case {"type": str(), "budget_tokens": int()} | {"type": "disabled" | "adaptive" | "between_tools"}:
            return thinking, "thinking"
        case {"type": "enabled"} if "budget_tokens" not in thinking:
            return thinking, "thinking"
    raise errors.BadRequest(
        "'thinking' must be like {'type': 'enabled', 'budget_tokens': 2048}.",
        param="thinking",
        code="invalid_value",
    )


def _within(budget: int, limit: int, ignored: list[str], name: str) -> JSON:
    """Thinking within a budget that leaves room for an answer, or none where there is no room."""
    if limit <= MIN_BUDGET_TOKENS:
        return _without(ignored, name)
    fitting = max(MIN_BUDGET_TOKENS, budget if budget < limit else limit // 2)
    if fitting != budget:
        ignored.append(name)
    return {"thinking": {"type": "enabled", "budget_tokens": fitting}}


def _without(ignored: list[str], name: str) -> JSON:
    ignored.append(name)
    return {}


def _adaptive(asked: JSON, family: Family, effort: str | None, ignored: list[str]) -> JSON:
    kind = "adaptive" if asked["type"] == "enabled" else asked["type"]
    given: JSON = {"thinking": {"type": kind, "display": asked.get("display", "summarized")}}
    if effort is None or not family.efforts:
        return given
    level = effort if effort in family.efforts else NEAREST[effort]
    if level != effort:
        ignored.append("reasoning_effort")
    return given | {"output_config": {"effort": level}}


def _worth(asked: JSON) -> str:
    """The effort that a budget is worth."""
    budget = asked.get("budget_tokens", BUDGETS["medium"])
    return next(
        (level for level, tokens in BUDGETS.items() if budget <= tokens and level != "minimal"), "max"
    )


def is_own(block: JSON) -> bool:
    """Whether `block` is one that Claude takes back: with its signature, or redacted."""
    match block:
        case {"type": "thinking", "thinking": str(), "signature": str(mark)}:
            return bool(mark)
        case {"type": "redacted_thinking", "data": str(data)}:
            return bool(data)
    return False
