"""Read documents with Claude."""

from __future__ import annotations

from typing import Final

from vertex_compat.publishers.anthropic.chat.chat import CHAT
from vertex_compat.publishers.chat_ocr import ocr_via_chat

OCR: Final = ocr_via_chat(CHAT)
