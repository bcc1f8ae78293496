"""Betas of the Messages API: those that Vertex AI knows, and those that it may refuse.

https://platform.claude.com/docs/en/api/beta-headers. Vertex AI refuses a request with a beta that it does not
know. One that is not in `BETAS` is an optional feature: it is sent, and not again once it has been refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from vertex_compat import errors
from vertex_compat.types import JSON

BETAS: Final = frozenset(
    {
        "compact-2026-01-12",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "inline-tools-2026-09-15",
        "interleaved-thinking-2025-05-14",
        "mid-conversation-tool-changes-2026-07-01",
        "per-turn-control-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "tool-search-tool-2025-10-19",
        "web-search-2025-03-05",
    }
)
"""Betas that Vertex AI takes, by its documentation and other gateways."""


def from_body(body: JSON) -> list[str]:
    """Return the names in `anthropic_beta`, a list or a string like the header's.

    Raises `BadRequest`.
    """
    names: Any = body.get("anthropic_beta") or []
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise errors.BadRequest(
            "'anthropic_beta' must be a list of names.", param="anthropic_beta", code="invalid_type"
        )
    return names


def select(names: Iterable[str], refused_features: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return the betas to send, each once, and those of them that are optional features.

    Left out are betas that Vertex AI has refused.
    """
    features = {name: f"anthropic_beta.{name}" for name in names if name not in BETAS}
    selected = [name for name in dict.fromkeys(names) if features.get(name) not in refused_features]
    return selected, [features[name] for name in selected if name in features]
