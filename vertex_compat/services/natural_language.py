"""Natural Language's text moderation, and OpenAI's categories that it can rate.

https://cloud.google.com/natural-language/docs/moderating-text. It rates sixteen categories with a confidence.
Model Armor has four, as levels instead of scores, and a template's thresholds decide, so it is not used here.
Five of OpenAI's thirteen categories have a counterpart. The others are not rated: their score is 0 and their
`category_applied_input_types` are empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from vertex_compat import errors
from vertex_compat.types import JSON, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.services import answer_types as wire
    from vertex_compat.services import request_types as requests

COUNTERPARTS: Final[dict[str, tuple[str, ...]]] = {
    "harassment": ("Toxic", "Insult"),
    "harassment/threatening": (),
    "hate": ("Derogatory",),
    "hate/threatening": (),
    "illicit": ("Illicit Drugs", "Firearms & Weapons"),
    "illicit/violent": (),
    "self-harm": (),
    "self-harm/instructions": (),
    "self-harm/intent": (),
    "sexual": ("Sexual",),
    "sexual/minors": (),
    "violence": ("Violent",),
    "violence/graphic": (),
}
"""OpenAI's category → Google's; the highest confidence counts.

"Death, Harm & Tragedy" is no counterpart of self-harm: it rates news of accidents as high.
"""

FLAGGED: Final = 0.5
"""Confidence from which a category is flagged."""


def moderate(text: str) -> UpstreamCall:
    """Rate a text."""
    body: requests.ModerateTextRequest = {"document": {"type": "PLAIN_TEXT", "content": text}}
    return UpstreamCall("documents:moderateText", body, "v2", service="language")


def units(text: str) -> int:
    """Return the units of 100 characters that a text is charged for.

    https://cloud.google.com/natural-language/pricing
    """
    return -(-len(text) // 100)


def confidences(body: JSON) -> dict[str, float]:
    """Return Google's categories with their confidences."""
    try:
        return {
            str(category["name"]): float(category["confidence"]) for category in body["moderationCategories"]
        }
    except (KeyError, TypeError, ValueError):
        raise errors.UpstreamFault("Natural Language's response has no categories.") from None


def result(rated: Mapping[str, float]) -> wire.Moderation:
    """Return OpenAI's moderation of one input. Google's categories are in `google_categories`."""
    scores = {
        name: max((rated.get(google_name, 0.0) for google_name in counterparts), default=0.0)
        for name, counterparts in COUNTERPARTS.items()
    }
    flags = {name: score >= FLAGGED for name, score in scores.items()}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": {
            name: ["text"] if counterparts else [] for name, counterparts in COUNTERPARTS.items()
        },
        "google_categories": dict(rated),
    }
