"""Google's own models: Gemini, and endpoints with a tuned Gemini."""

from __future__ import annotations

from vertex_compat.publishers.google import chat
from vertex_compat.wire import Publisher

PUBLISHER = Publisher("google", chat=chat.CHAT)
