r"""Gemini: `generateContent`, `streamGenerateContent` and `countTokens`.

Contract: Vertex's GenerateContentResponse. Recorded: events end with `\r\n\r\n`, there is no `[DONE]`, the
counts come in the last chunk only, `index` is absent for candidate 0, and a function call ends with STOP.
"""

from vertex_compat.emulator.gemini.replies import answer, dialect

__all__ = ["answer", "dialect"]
