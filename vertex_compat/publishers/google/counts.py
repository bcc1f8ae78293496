"""Gemini's token counts by modality."""

from __future__ import annotations

from vertex_compat.wire import JSON


def details(told: list[JSON]) -> dict[str, int]:
    """`[{"modality": "AUDIO", "tokenCount": 3}]` → `{"audio_tokens": 3}`."""
    return {
        f"{one['modality'].lower()}_tokens": one.get("tokenCount", 0) for one in told if "modality" in one
    }
