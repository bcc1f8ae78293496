"""What depends on the Claude model: limits, thinking, sampling, and what it refuses."""

from dataclasses import dataclass

from vertex_compat.emulator.answers import JSON


@dataclass(frozen=True, slots=True)
class Family:
    """What depends on the model."""

    longest: int  # max_tokens
    thinking: tuple[str, ...] = ()
    sampling: str = "free"  # "one": not temperature and top_p together, "none": refused
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
# By prefix, the longest first. Limits: vendor docs; refusals of newer families: what other gateways learned.
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
    """Look a model up by its name."""
    prefix = max((one for one in FAMILIES if model.startswith(one)), key=len, default="")
    return FAMILIES.get(prefix, UNVERSIONED)


def thinks(model: str, body: JSON) -> bool:
    """Tell whether the model thinks."""
    form = body.get("thinking", {}).get("type")
    return form in {"enabled", "adaptive", "between_tools"} or (
        form is None and family(model).thinking == ALWAYS
    )


def shows_thinking(model: str, body: JSON) -> bool:
    """Tell whether its thoughts are shown: newer models show them only when told to."""
    display = body.get("thinking", {}).get("display")
    return bool(display == "summarized" or (display is None and "enabled" in family(model).thinking))
