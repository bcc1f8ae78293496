"""Properties of Claude models: limits, thinking, sampling, unsupported features."""

from dataclasses import dataclass

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


BUDGET = ("enabled", "disabled")
EITHER = ("enabled", "adaptive", "disabled")
ADAPTIVE = ("adaptive", "disabled", "between_tools")
ALWAYS = ("adaptive", "between_tools")
THREE = ("low", "medium", "high")
FOUR = ("high", "low", "max", "medium")
FIVE = ("high", "low", "max", "medium", "xhigh")

_NEWEST = Family(128_000, ADAPTIVE, "none", prefill=False, efforts=FIVE, formats=True)
_THINKING_ALWAYS = Family(128_000, ALWAYS, "none", prefill=False, efforts=FIVE, formats=True)
# By name prefix; the longest match counts. Limits: vendor docs. Refusals: other gateways' bug reports.
FAMILIES = {
    "claude-3-": Family(4096),
    "claude-3-5-": Family(8192),
    "claude-3-7-": Family(64_000, BUDGET),
    "claude-opus-4": Family(32_000, BUDGET),
    "claude-opus-4-1": Family(32_000, BUDGET, "one", formats=True),
    "claude-sonnet-4": Family(64_000, BUDGET),
    "claude-sonnet-4-5": Family(64_000, BUDGET, "one", formats=True),
    "claude-haiku-4-5": Family(64_000, BUDGET, "one", formats=True),
    "claude-opus-4-5": Family(64_000, BUDGET, "one", efforts=THREE, formats=True),
    "claude-opus-4-6": Family(128_000, EITHER, prefill=False, efforts=FOUR, formats=True),
    "claude-sonnet-4-6": Family(128_000, EITHER, prefill=False, efforts=FOUR, formats=True),
    "claude-opus-4-7": _NEWEST,
    "claude-opus-4-8": _NEWEST,
    "claude-opus-5": _NEWEST,
    "claude-sonnet-5": _NEWEST,
    "claude-haiku-5-5": _NEWEST,
    "claude-opus-5-5": _THINKING_ALWAYS,
    "claude-sonnet-5-5": _THINKING_ALWAYS,
    "claude-fable-5": Family(
        128_000, ALWAYS, "none", prefill=False, efforts=FIVE, formats=True, forced=False
    ),
    "claude-mythos": Family(128_000, ALWAYS, "none", prefill=False, efforts=FIVE, formats=True, forced=False),
}
UNVERSIONED = Family(64_000, EITHER, efforts=FIVE, formats=True)  # names such as claude-emulator-cut-2


def family(model: str) -> Family:
    """Return the family of a model."""
    prefix = max((one for one in FAMILIES if model.startswith(one)), key=len, default="")
    return FAMILIES.get(prefix, UNVERSIONED)


def thinks(model: str, body: JSON) -> bool:
    """Return whether the model thinks in this request."""
    form = body.get("thinking", {}).get("type")
    return form in {"enabled", "adaptive", "between_tools"} or (
        form is None and family(model).thinking == ALWAYS
    )


def shows_thinking(model: str, body: JSON) -> bool:
    """Return whether the thinking text is shown; newer models show it only on request."""
    display = body.get("thinking", {}).get("display")
    return bool(display == "summarized" or (display is None and "enabled" in family(model).thinking))
