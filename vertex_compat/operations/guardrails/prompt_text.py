"""The texts that Model Armor checks in requests and responses, in every publisher's format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

HISTORIES: Final = ("messages", "contents")
PROMPTS: Final = ("prompt", "suffix", "instances")

NOT_TEXT: Final = frozenset(
    {
        "cache_control",
        "data",
        "fileUri",
        "file_uri",
        "id",
        "image_base64",
        "media_type",
        "mimeType",
        "mime_type",
        "role",
        "signature",
        "thoughtSignature",
        "thought_signature",
        "tool_call_id",
        "tool_use_id",
        "type",
        "url",
    }
)
"""Keys whose values are no text."""


def prompt_text(body: Mapping[str, Any]) -> str:
    """Return the texts and tool results since the model's last turn, or a completion's prompt."""
    for name in HISTORIES:
        if isinstance(history := body.get(name), list):
            return "\n".join(texts(_last_turns(history)))
    return "\n".join(text for name in PROMPTS for text in texts(body.get(name)))


def _last_turns(history: list[Any]) -> list[Any]:
    model_turns = (
        index
        for index, turn in enumerate(history)
        if isinstance(turn, dict) and turn.get("role") in {"assistant", "model"}
    )
    return history[max(model_turns, default=-1) + 1 :]


def texts(value: Any) -> Iterator[str]:
    """Yield the texts of a value of JSON that a model reads or writes."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in NOT_TEXT:
                yield from texts(item)
