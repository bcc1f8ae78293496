"""Read images with the models behind `endpoints/openapi` and with deployed models.

DeepSeek-OCR knows a few prompts and answers with the text alone:
https://github.com/deepseek-ai/DeepSeek-OCR (2026-11). Its prompt for Markdown adds coordinates to the text.
"""

from __future__ import annotations

from typing import Final

from vertex_compat.publishers.chat_ocr import ocr_beside_chat, ocr_via_chat, text_via_chat
from vertex_compat.publishers.openai_compat import endpoints, maas

DEEPSEEK_PROMPT: Final = "Free OCR."

OCR: Final = ocr_beside_chat(ocr_via_chat(maas.CHAT), text_via_chat(maas.CHAT, DEEPSEEK_PROMPT))
OCR_OF_ENDPOINTS: Final = ocr_via_chat(endpoints.CHAT)
