"""Read documents with Gemini."""

from __future__ import annotations

from typing import Final

from vertex_compat.publishers.chat_ocr import ocr_via_chat
from vertex_compat.publishers.google.chat.chat import CHAT

OCR: Final = ocr_via_chat(CHAT)
