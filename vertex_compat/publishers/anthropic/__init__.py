"""Anthropic's models: chat with Claude."""

from __future__ import annotations

from typing import Final

from vertex_compat.publishers.anthropic import chat, relay, token_counts
from vertex_compat.types import Publisher

PUBLISHER: Final = Publisher(
    "anthropic", chat=chat.CHAT, messages=relay.request, token_counts=token_counts.TOKEN_COUNTS
)
