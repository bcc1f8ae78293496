"""What the operations by `generateContent` other than chat share: one turn in, and counts with modalities."""

from __future__ import annotations

from typing import Final

from vertex_compat.wire import JSON, Model, UpstreamCall, Usage

OF_ALL: Final = frozenset({"labels", "safety_settings"})
"""Parameters in Google's dialect that each of these operations takes."""


def call(parts: list[JSON], config: JSON, body: JSON, model: Model, ignored: list[str]) -> UpstreamCall:
    """The call for one turn of the user's; it streams if `body` says so."""
    sent: JSON = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    if "safety_settings" in body:
        sent["safetySettings"] = body["safety_settings"]
    if "labels" in body:
        sent["labels"] = body["labels"]
    method = "streamGenerateContent?alt=sse" if body.get("stream") else "generateContent"
    return UpstreamCall(f"{model.resource}:{method}", sent, "v1beta1", ignored=tuple(ignored))


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
