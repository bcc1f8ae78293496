"""Properties of Gemini models: thinking, budgets, thought signatures."""

import re
from dataclasses import dataclass

from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.responses import JSON

FAMILIES = ("gemini-", "gemma-")
MISSING = ("not-found", "nonexistent")
FIRST_SIGNING = (3, 0)
FIRST_ENDING_WITH_USER = (3, 6)
FIRST_CONTINUING = (4, 0)


@dataclass(frozen=True, slots=True)
class Generation:
    """Properties of one generation of Gemini."""

    version: tuple[int, int]
    thinks: bool = True
    by_default: bool = False  # thinks without a thinkingConfig
    can_stop: bool = True  # budget 0 is allowed
    budgets: tuple[int, int] = (0, 24576)
    refused_levels: tuple[str, ...] = ()
    signs: bool = False  # function calls carry signatures that must be returned
    must_end_with_user: bool = False  # contents that end with a model turn are refused

    @property
    def continues(self) -> bool:
        """True if an answer can be longer than one call: Gemini 4's long decode."""
        return self.version >= FIRST_CONTINUING

    @property
    def names_calls(self) -> bool:
        """True if function calls have ids. Recorded: none in early 2026, short ones since."""
        return self.version > FIRST_SIGNING


# By name prefix; the longest match counts. Budgets: vendor docs. Refused levels: other gateways' bug reports.
THINKING = {
    "gemini-2.5-pro": Generation((2, 5), can_stop=False, budgets=(128, 32768)),
    "gemini-2.5-flash-lite": Generation((2, 5), budgets=(512, 24576)),
    "gemini-2.5-flash-image": Generation((2, 5), thinks=False),
    "gemini-2.5": Generation((2, 5)),
    "gemini-2": Generation((2, 0), thinks=False),
    "gemini-1": Generation((1, 5), thinks=False),
    "gemini-3-pro-preview": Generation((3, 0), refused_levels=("MINIMAL", "MEDIUM", "XHIGH")),
    "gemini-3.1-pro-preview": Generation((3, 1), refused_levels=("MINIMAL", "XHIGH")),
    "gemini-3.7-flash": Generation((3, 7), refused_levels=("MINIMAL", "XHIGH")),
    "gemini-3.8-flash": Generation((3, 8), refused_levels=("MINIMAL", "XHIGH")),
    "gemini-4": Generation((4, 0), refused_levels=("MINIMAL", "XHIGH")),
    "gemini-4-hydrogen": Generation((4, 0), refused_levels=("MINIMAL",)),
}
UNVERSIONED = Generation((2, 5))  # names such as gemini-emulator-cut-2, and tuned endpoints


def generation(request: ModelRequest) -> Generation:
    """Return the generation of a model.

    Raises:
        RequestRefused: 404 when there is no such model.

    """
    name = request.model
    if name.isdigit():
        return UNVERSIONED
    if not name.startswith(FAMILIES) or any(word in name for word in MISSING):
        raise google_errors.model_not_found(request.resource, "google", name)
    prefix = max((candidate for candidate in THINKING if name.startswith(candidate)), key=len, default="")
    version_match = re.match(r"gemini-(\d+)(?:\.(\d+))?", name)
    if not version_match:
        return UNVERSIONED
    version = (int(version_match[1]), int(version_match[2] or 0))
    if version < FIRST_SIGNING:
        return THINKING.get(prefix, UNVERSIONED)
    refused = THINKING[prefix].refused_levels if prefix else ("XHIGH",)
    return Generation(
        version,
        by_default=True,
        can_stop=False,
        budgets=(0, 65536),
        refused_levels=refused,
        signs="image" not in name and "nano-banana" not in name,
        must_end_with_user=version >= FIRST_ENDING_WITH_USER or name.startswith("gemini-3.5-flash-lite"),
    )


def thinks(config: JSON | None, kind: Generation) -> bool:
    """Return whether the model thinks under this thinkingConfig."""
    if not kind.thinks or (config or {}).get("thinkingBudget") == 0:
        return False
    return config is not None or kind.by_default
