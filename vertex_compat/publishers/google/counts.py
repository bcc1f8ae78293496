"""Gemini's token counts with their modalities, for operations that tell texts, images and sounds apart."""

from __future__ import annotations

from vertex_compat.wire import JSON, Usage


def usage(counts: JSON) -> Usage:
    """OpenAI's meaning: thoughts count as completion."""
    return Usage(
        prompt=counts.get("promptTokenCount", 0),
        completion=counts.get("candidatesTokenCount", 0) + counts.get("thoughtsTokenCount", 0),
        prompt_details=_details(counts.get("promptTokensDetails") or []),
        completion_details=_details(counts.get("candidatesTokensDetails") or []),
    )


def _details(details: list[JSON]) -> dict[str, int]:
    return {
        f"{one['modality'].lower()}_tokens": one.get("tokenCount", 0) for one in details if "modality" in one
    }
