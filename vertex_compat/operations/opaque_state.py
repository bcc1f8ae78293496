"""State that a model needs back unchanged, as one string that fits the client's API.

The Responses API has `encrypted_content` of reasoning items, Anthropic's the `signature` of thinking blocks,
Google's the `thoughtSignature` of parts. The string is encoded, not encrypted: it holds nothing secret.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from vertex_compat.types import JSON

PREFIX: Final = "vc1."

_KEYS: Final = ("thinking_blocks", "extra_content", "reasoning_content", "call_extra_content", "summary")


def encode_state(state: JSON) -> str:
    """Encode fields of an assistant message of the chat API."""
    return PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(state)).decode()


def decode_state(text: Any) -> JSON:
    """Return the fields that `encode_state` has encoded; empty where the text is another's."""
    if not isinstance(text, str) or not text.startswith(PREFIX):
        return {}
    try:
        state = msgspec.json.decode(base64.urlsafe_b64decode(text.removeprefix(PREFIX)))
    except (ValueError, RecursionError):
        return {}
    return {key: state[key] for key in _KEYS if key in state} if isinstance(state, dict) else {}
