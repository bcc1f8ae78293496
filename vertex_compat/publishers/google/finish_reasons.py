"""Gemini's finish reasons in OpenAI's terms.

Names and numbers: https://github.com/googleapis/googleapis/blob/master/google/cloud/aiplatform/v1beta1/content.proto
and prediction_service.proto; names without a number are newer than those.
"""

from __future__ import annotations

from typing import Final

from vertex_compat.json_values import enum
from vertex_compat.types import JSON

FINISH: Final = {
    "FINISH_REASON_UNSPECIFIED": "stop",
    "STOP": "stop",
    "OTHER": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "NO_IMAGE": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
}
"""`finishReason` → OpenAI's `finish_reason`; `stop` becomes `tool_calls` if the model called a tool."""

UNUSABLE: Final = {
    "MALFORMED_FUNCTION_CALL": "Gemini wrote a function call that cannot be parsed.",
    "MALFORMED_RESPONSE": "Gemini wrote a response that cannot be parsed.",
    "MISSING_THOUGHT_SIGNATURE": "Gemini misses the thought signature of an earlier part.",
    "TOO_MANY_TOOL_CALLS": "Gemini called too many tools in a row.",
    "UNEXPECTED_TOOL_CALL": "Gemini called a tool that was not offered.",
}
"""`finishReason` of a candidate without a usable answer, although the call succeeded."""

FINISH_REASONS: Final = (
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "UNEXPECTED_TOOL_CALL",
    "NO_IMAGE",
)
"""The enum by its numbers, which ProtoJSON allows in place of names."""

BLOCK_REASONS: Final = (
    "BLOCKED_REASON_UNSPECIFIED",
    "SAFETY",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "JAILBREAK",
)
"""The enum of `promptFeedback.blockReason` by its numbers."""

POLICY: Final = frozenset(
    {
        "BLOCKLIST",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
"""Reasons that the client's request causes."""


def finish_reason(candidate: JSON) -> str:
    """Return the reason, empty if the candidate continues.

    Any value but null says that it ended.
    """
    reason = candidate.get("finishReason")
    return "" if reason is None else enum(reason, FINISH_REASONS) or "OTHER"
