"""An estimate of a request's tokens, from the bytes of its body, for every API."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

BYTES_PER_TOKEN: Final = 4
"""About right for English text and JSON. Vertex's count replaces the estimate after the response."""

MEDIA_TOKENS: Final = 1_000
"""Stands for an image or another file inside a request."""

MIN_MEDIA_BYTES: Final = 8_192
"""Shortest string without a space that counts as base64, not as text."""

DEFAULT_COMPLETION_TOKENS: Final = 4_096
"""Stands for the limit of an answer where the client sets none; the model may answer more."""

MAX_CHOICES: Final = 128

_LIMIT: Final = re.compile(
    rb'"(?:max_(?:completion_|output_)?tokens|maxOutputTokens)"\s{0,8}:\s{0,8}(\d{1,9})(?!\d)'
)
_CHOICES: Final = re.compile(rb'"(?:n|candidateCount)"\s{0,8}:\s{0,8}(\d{1,3})(?!\d)')


class Estimate(NamedTuple):
    """Tokens of a prompt and the most tokens of the answers to it."""

    prompt: int
    completion: int


def of_form(choices: int = 1) -> Estimate:
    """Return the estimate for a form with files that requests `choices` answers."""
    return Estimate(MEDIA_TOKENS, DEFAULT_COMPLETION_TOKENS * choices)


def of_body(body: bytes) -> Estimate:
    """Return the estimate for a JSON body. The cost is linear in its bytes.

    A quote inside a JSON string has a backslash before it, so no prompt can imitate the parameters.
    """
    limit, choices = _LIMIT.search(body), _CHOICES.search(body)
    completion = int(limit[1]) if limit else DEFAULT_COMPLETION_TOKENS
    times = max(1, min(int(choices[1]), MAX_CHOICES)) if choices else 1
    return Estimate(_prompt(body), completion * times)


def _prompt(body: bytes) -> int:
    if len(body) < MIN_MEDIA_BYTES:
        return len(body) // BYTES_PER_TOKEN
    text = media = 0
    for string in body.split(b'"'):
        if len(string) >= MIN_MEDIA_BYTES and b" " not in string:
            media += 1
        else:
            text += len(string)
    return text // BYTES_PER_TOKEN + media * MEDIA_TOKENS
