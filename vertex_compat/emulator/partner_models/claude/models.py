"""Properties of Claude models: limits, thinking, sampling, unsupported features."""

from dataclasses import dataclass, replace

from vertex_compat.emulator.protocol.responses import JSON


@dataclass(frozen=True, slots=True)
class Family:
    """Properties of one model family."""

    max_output_tokens: int  # max_tokens
    thinking: tuple[str, ...] = ()
    sampling: str = "free"  # "one": temperature or top_p, not both; "none": neither
    prefill: bool = True
    efforts: tuple[str, ...] = ()
    formats: bool = False  # output_config.format
    forced: bool = True  # tool_choice may force
    forced_adaptive: bool = True  # it may with adaptive thinking
    off_effort: str = "max"  # the highest effort with thinking turned off
    refused_tools: tuple[str, ...] = ()


BUDGET = ("enabled", "disabled")
EITHER = ("enabled", "adaptive", "disabled")
ADAPTIVE = ("adaptive", "disabled")
ALWAYS = ("adaptive",)
BETWEEN = ("adaptive", "between_tools")
THREE = ("low", "medium", "high")
FOUR = ("high", "low", "max", "medium")
FIVE = ("high", "low", "max", "medium", "xhigh")
OLD_COMPUTERS = ("computer_20250124", "computer_20251124")

_OF_4_6 = Family(128_000, EITHER, prefill=False, efforts=FOUR, formats=True, forced_adaptive=False)
_OF_4_7 = replace(_OF_4_6, thinking=ADAPTIVE, sampling="none", efforts=FIVE)
_OF_5 = replace(_OF_4_7, forced_adaptive=True)
_OPUS_5_5 = replace(_OF_5, thinking=ALWAYS, forced=False, refused_tools=OLD_COMPUTERS)
# By name prefix; the longest match counts. Sources: vendor docs ("What's new" of each model), other
# gateways' bug reports.
FAMILIES = {
    "claude-3-": Family(4096),
    "claude-3-5-": Family(8192),
    "claude-3-7-": Family(64_000, BUDGET),
    "claude-opus-4": Family(32_000, BUDGET),
    "claude-opus-4-1": Family(32_000, BUDGET, "one"),
    "claude-sonnet-4": Family(64_000, BUDGET),
    "claude-sonnet-4-5": Family(64_000, BUDGET, "one", formats=True),
    "claude-haiku-4-5": Family(64_000, BUDGET, "one", formats=True),
    "claude-opus-4-5": Family(64_000, BUDGET, "one", efforts=THREE, formats=True),
    "claude-opus-4-6": _OF_4_6,
    "claude-sonnet-4-6": _OF_4_6,
    "claude-opus-4-7": _OF_4_7,
    "claude-opus-4-8": _OF_4_7,
    "claude-opus-5": replace(_OF_5, off_effort="high"),
    "claude-sonnet-5": _OF_5,
    "claude-haiku-5-5": replace(_OF_5, off_effort="high", refused_tools=OLD_COMPUTERS),
    "claude-opus-5-5": _OPUS_5_5,
    "claude-sonnet-5-5": replace(_OPUS_5_5, thinking=BETWEEN, off_effort="high"),
    "claude-fable-5": replace(_OF_5, thinking=ALWAYS, forced=False),
    "claude-mythos": replace(_OF_5, thinking=ALWAYS, forced=False),
}
UNVERSIONED = Family(128_000, EITHER, efforts=FIVE, formats=True)  # names such as claude-emulator-cut-2


def family(model: str) -> Family:
    """Return the family of a model."""
    prefix = max((candidate for candidate in FAMILIES if model.startswith(candidate)), key=len, default="")
    return FAMILIES.get(prefix, UNVERSIONED)


def thinks(model: str, body: JSON) -> bool:
    """Return whether the model thinks in this request."""
    form = body.get("thinking", {}).get("type")
    return form in {"enabled", "adaptive"} or (form is None and family(model).thinking in {ALWAYS, BETWEEN})


def shows_thinking(model: str, body: JSON) -> bool:
    """Return whether the thinking text is shown; newer models show it only on request."""
    display = body.get("thinking", {}).get("display")
    return bool(display == "summarized" or (display is None and "enabled" in family(model).thinking))
