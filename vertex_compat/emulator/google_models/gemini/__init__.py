r"""Gemini: `generateContent`, `streamGenerateContent` and `countTokens`.

Contract: Vertex's GenerateContentResponse. As recorded, events end with `\r\n\r\n`, and there is no `[DONE]`.
Token counts are in the last chunk only, `index` is absent for candidate 0, and a function call ends with
STOP.
"""

from vertex_compat.emulator.google_models.gemini.replies import answer, error_format

__all__ = ["answer", "error_format"]
