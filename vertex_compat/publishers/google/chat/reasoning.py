"""How much Gemini thinks: OpenAI's `reasoning_effort`, LiteLLM's `thinking`, Google's `thinking_config`.

https://cloud.google.com/vertex-ai/generative-ai/docs/thinking. Up to 2.5 it thinks within a budget of tokens,
from 3 on at a level. The closer a client's words are to Google's, the more they count: `thinking_config`
before `thinking` before `reasoning_effort`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vertex_compat import errors
from vertex_compat.publishers.google import models
from vertex_compat.publishers.google.chat.options import camel_name
from vertex_compat.types import JSON


@dataclass(frozen=True, slots=True)
class Budgets:
    """Tokens: the smallest budget and the largest. `off` says whether the model can do without thinking."""

    least: int
    most: int
    off: bool = True


BUDGETS: Final = (
    ("gemini-2.5-pro", Budgets(128, 32_768, off=False)),
    ("gemini-2.5-flash-lite", Budgets(512, 24_576)),
    ("gemini-2.5", Budgets(1, 24_576)),
    ("", Budgets(512, 24_576)),
)
"""How a name begins → what it takes. The last row is legal on all of them."""

TOKENS: Final = {"low": 1024, "medium": 2048, "high": 4096}
"""Effort → budget. `minimal` is the smallest there is, `xhigh` and `max` are the largest."""

LEVELS: Final = ("MINIMAL", "LOW", "MEDIUM", "HIGH")

LEVEL: Final = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
"""Effort → level. From Gemini 3 on a model cannot be kept from thinking."""

REFUSED: Final = (
    ("gemini-3-pro", {"MINIMAL", "MEDIUM"}),
    ("gemini-3.1-pro", {"MINIMAL"}),
    ("gemini-3.7-flash", {"MINIMAL"}),
    ("gemini-3.8-flash", {"MINIMAL"}),
    ("gemini-4", {"MINIMAL"}),
)
"""How a name begins → the levels it does not have."""

_THINKS_NOT: Final = re.compile(r"gemini-(?:1|2\.0|pro|ultra|2\.5-flash-image|.*tts)")
_FIELDS: Final = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})


def config(body: JSON, said: JSON, name: str, ignored: list[str]) -> JSON:
    """`thinkingConfig`; empty if nothing is asked for. What is not done as asked is added to `ignored`."""
    effort, thinking, native = (
        body.get("reasoning_effort"),
        body.get("thinking"),
        said.get("thinking_config"),
    )
    if native is not None:
        ignored += [given for given in ("reasoning_effort", "thinking") if given in body]
        return _native(native, ignored)
    if thinking is not None:
        ignored += ["reasoning_effort"] if effort else []
        return _thinking(thinking, name, ignored)
    return _effort(effort, name, ignored, "reasoning_effort") if effort else {}


def _native(given: JSON, ignored: list[str]) -> JSON:
    wanted = {camel_name(name): value for name, value in given.items() if value is not None}
    ignored += [f"google.thinking_config.{name}" for name in given if camel_name(name) not in _FIELDS]
    if wanted.keys() >= {"thinkingBudget", "thinkingLevel"}:
        raise errors.BadRequest(
            "'thinking_config' takes a budget or a level, not both.",
            param="google.thinking_config",
            code="invalid_value",
        )
    if isinstance(level := wanted.get("thinkingLevel"), str):
        wanted["thinkingLevel"] = level.upper()
    return {name: value for name, value in wanted.items() if name in _FIELDS}


def _thinking(given: JSON, name: str, ignored: list[str]) -> JSON:
    match given:
        case {"type": "disabled"}:
            return _effort("none", name, ignored, "thinking")
        case {"type": "enabled" | "adaptive"} if _THINKS_NOT.match(name):
            ignored.append("thinking")
            return {}
        case {"type": "enabled", "budget_tokens": int(budget)}:
            return {"thinkingBudget": budget} | ({"includeThoughts": True} if budget else {})
        case {"type": "enabled" | "adaptive"} if given.get("budget_tokens") is None:
            return {"includeThoughts": True}
    raise errors.BadRequest(
        "'thinking' must be like {'type': 'enabled', 'budget_tokens': 2048}.",
        param="thinking",
        code="invalid_value",
    )


def _effort(effort: str, name: str, ignored: list[str], asked: str) -> JSON:
    if _THINKS_NOT.match(name):
        ignored += [asked] if effort != "none" else []
        return {}
    thoughts = {"includeThoughts": effort != "none"}
    if models.since(name, models.GEMINI_3):
        level = _nearest(LEVEL[effort], name)
        if level.lower() != effort:
            ignored.append(asked)
        return {"thinkingLevel": level, **thoughts}
    budgets = next(taken for begin, taken in BUDGETS if name.startswith(begin))
    if effort == "none" and budgets.off:
        return {"thinkingBudget": 0}
    if effort == "none":
        ignored.append(asked)
    least = effort in {"none", "minimal"}
    return {"thinkingBudget": budgets.least if least else TOKENS.get(effort, budgets.most), **thoughts}


def _nearest(level: str, name: str) -> str:
    """The accepted level that is nearest to `level`; of two, the higher one."""
    refused = next((levels for begin, levels in REFUSED if name.startswith(begin)), set[str]())
    place = LEVELS.index(level)
    accepted = [one for one in LEVELS if one not in refused]
    return min(
        accepted, key=lambda one: (abs(LEVELS.index(one) - place), one != level and LEVELS.index(one) < place)
    )
