"""State that a model needs back unchanged, as one string that fits the client's API.

The Responses API has `encrypted_content` of reasoning items, Anthropic's the `signature` of thinking blocks,
Google's the `thoughtSignature` of parts. The string is encoded, not encrypted: it holds nothing secret.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

import msgspec

from vertex_compat.types import JSON

PREFIX: Final = "vc1."

ID_PREFIX: Final = "vc1_"

_ANTHROPIC_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
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


def encode_id(id_: str) -> str:
    """Return the id of a tool call in the characters that Anthropic's API takes.

    Most ids have no others.
    """
    if _ANTHROPIC_ID.fullmatch(id_) and not id_.startswith(ID_PREFIX):
        return id_
    return ID_PREFIX + base64.urlsafe_b64encode(id_.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def decode_id(id_: str) -> str:
    """Return the id that `encode_id` has encoded; another id as it is."""
    coded = id_.removeprefix(ID_PREFIX)
    if coded == id_:
        return id_
    try:
        return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode("utf-8", "surrogatepass")
    except ValueError:
        return id_
