"""Web pages of other origins that may call: cross-origin resource sharing, off unless the settings name some.

https://fetch.spec.whatwg.org/#http-cors-protocol. No cookies, ever: a page brings its own key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

METHODS: Final = "GET, POST, DELETE"

EXPOSED: Final = (
    "openai-processing-ms, retry-after, x-request-id, x-should-retry, "
    "x-vertex-compat-ignored, x-vertex-compat-target, x-vertex-compat-cost-usd, "
    "x-ratelimit-remaining-requests, x-ratelimit-remaining-tokens"
)
"""Headers of an answer that a page may read."""

_MAX_AGE: Final = "3600"
_NAMES: Final = re.compile(r"[A-Za-z0-9_-]{1,100}(?:[ \t]*,[ \t]*[A-Za-z0-9_-]{1,100}){0,99}")

Header = Callable[[str], str | None]
"""A header's name → its value."""


def is_preflight(method: str, header: Header) -> bool:
    """Whether a browser asks if a page may call, before it does."""
    asks = ("Origin", "Access-Control-Request-Method")
    return method == "OPTIONS" and all(header(name) is not None for name in asks)


def headers(origins: frozenset[str], method: str, header: Header) -> dict[str, str]:
    """What lets a page of one of `origins` send its request, or read the answer to it."""
    anybody = "*" in origins
    origin = header("Origin")
    told = {} if anybody else {"Vary": "Origin"}
    if not anybody and origin not in origins:
        return told
    told["Access-Control-Allow-Origin"] = "*" if anybody else str(origin)
    if not is_preflight(method, header):
        return told | {"Access-Control-Expose-Headers": EXPOSED}
    asked = header("Access-Control-Request-Headers") or ""
    if _NAMES.fullmatch(asked):  # whatever a page wants to send, it may
        told["Access-Control-Allow-Headers"] = asked
    return told | {"Access-Control-Allow-Methods": METHODS, "Access-Control-Max-Age": _MAX_AGE}
