"""What depends on the Claude model. Facts only; each row holds for the names that its pattern begins.

https://docs.anthropic.com/en/docs/about-claude/models, and for thinking, effort and sampling the pages of
https://docs.anthropic.com/en/docs/build-with-claude, November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Family:
    """What some models have in common.

    `longest` is the most that they answer, which is what a request without a limit gets. `thinking` has the
    forms that they take, `efforts` the levels. `sampling` says whether they take all of `temperature`,
    `top_p` and `top_k`, only one of the first two, or none. `prefill` says whether a conversation may end
    with the model's own words, `forces` whether `tool_choice` may demand a call, `schemas` whether Vertex
    takes a JSON Schema for the answer.
    """

    longest: int
    thinking: frozenset[str] = frozenset()
    efforts: tuple[str, ...] = ()
    sampling: Literal["all", "one", "none"] = "all"
    prefill: bool = True
    forces: bool = True
    schemas: bool = False


_BUDGET: Final = frozenset({"enabled"})
_EITHER: Final = frozenset({"enabled", "adaptive", "disabled"})
_ADAPTIVE: Final = frozenset({"adaptive", "disabled"})
_ALWAYS: Final = frozenset({"adaptive"})
_LEVELS: Final = ("low", "medium", "high", "xhigh", "max")

_OF_4_6: Final = Family(64_000, _EITHER, ("low", "medium", "high", "max"), "one", prefill=False)
_NEWER: Final = Family(128_000, _ADAPTIVE, _LEVELS, "none", prefill=False)
_ALWAYS_THINKING: Final = replace(_NEWER, thinking=_ALWAYS)
_UNFORCED: Final = replace(_ALWAYS_THINKING, forces=False)

FAMILIES: Final = tuple(
    (re.compile(begin), family)
    for begin, family in (
        (r"claude-3-7", Family(64_000, _BUDGET)),
        (r"claude-3-5", Family(8_192)),
        (r"claude-3", Family(4_096)),
        (r"claude-opus-4-1", Family(32_000, _BUDGET, sampling="one")),
        (r"claude-[a-z]+-4-5", Family(64_000, _BUDGET, sampling="one")),
        (r"claude-opus-4-6", replace(_OF_4_6, longest=128_000)),
        (r"claude-[a-z]+-4-6", _OF_4_6),
        (r"claude-[a-z]+-4-[7-9]", _NEWER),
        (r"claude-opus-4", Family(32_000, _BUDGET)),
        (r"claude-[a-z]+-4", Family(64_000, _BUDGET)),
        (r"claude-fable-5-[1-9]", replace(_UNFORCED, schemas=True)),
        (r"claude-(?:fable|mythos)", _UNFORCED),
        (r"claude-opus-5-5", replace(_ALWAYS_THINKING, schemas=True)),
        (r"claude-sonnet-5-5", _ALWAYS_THINKING),
        (r"claude-[a-z]+-5", _NEWER),
        (r"claude-[a-z]+-(?:[6-9]|\d\d)", replace(_ALWAYS_THINKING, schemas=True)),
    )
)
"""How a name begins → its family; the first row that fits counts."""

UNKNOWN: Final = Family(64_000, _EITHER)
"""A name without a version that is known: what every family since 2025 takes."""


def family(name: str) -> Family:
    """The family of a model."""
    return next((known for begin, known in FAMILIES if begin.match(name)), UNKNOWN)
