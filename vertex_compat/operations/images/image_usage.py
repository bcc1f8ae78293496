"""Token counts of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vertex_compat.types import Usage

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire


def usage_object(usages: Sequence[Usage]) -> wire.ImagesUsage:
    """OpenAI's counts: the sum over the calls."""
    prompt = sum(usage.prompt for usage in usages)
    completion = sum(usage.completion for usage in usages)
    images_in = sum(usage.prompt_details.get("image_tokens", 0) for usage in usages)
    images_out = sum(usage.completion_details.get("image_tokens", 0) for usage in usages)
    return {
        "input_tokens": prompt,
        "output_tokens": completion,
        "total_tokens": prompt + completion,
        "input_tokens_details": {"image_tokens": images_in, "text_tokens": prompt - images_in},
        "output_tokens_details": {"image_tokens": images_out, "text_tokens": completion - images_out},
    }
