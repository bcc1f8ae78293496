"""The text of a request to a model that its user has influence on, in the wire format of any publisher."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from vertex_compat.types import JSON

HISTORIES: Final = ("messages", "contents")
PROMPTS: Final = ("prompt", "suffix", "instances")

NOT_TEXT: Final = frozenset(
    {
        "cache_control",
        "data",
        "fileUri",
        "id",
        "media_type",
        "mimeType",
        "role",
        "signature",
        "thoughtSignature",
        "tool_call_id",
        "tool_use_id",
        "type",
        "url",
    }
)
"""Keys whose values are not read by the model as text."""


def prompt_text(body: JSON) -> str:
    """Return the texts and tool results since the model's last turn, or the prompt of a completion."""
    for name in HISTORIES:
        if isinstance(history := body.get(name), list):
            return "\n".join(_texts(_last_turns(history)))
    return "\n".join(text for name in PROMPTS for text in _texts(body.get(name)))


def _last_turns(history: list[Any]) -> list[Any]:
    model_turns = (
        index
        for index, turn in enumerate(history)
        if isinstance(turn, dict) and turn.get("role") in {"assistant", "model"}
    )
    return history[max(model_turns, default=-1) + 1 :]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in NOT_TEXT:
                yield from _texts(item)
