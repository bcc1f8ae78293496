"""Cross-origin resource sharing with the web origins in the settings.

https://fetch.spec.whatwg.org/#http-cors-protocol. Cookies are not used; a page sends a key of its own.
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
"""Headers of a response that a page may read."""

_MAX_AGE: Final = "3600"
_NAMES: Final = re.compile(r"[A-Za-z0-9_-]{1,100}(?:[ \t]*,[ \t]*[A-Za-z0-9_-]{1,100}){0,99}")

Header = Callable[[str], str | None]
"""Returns the value of a header."""


def is_preflight(method: str, header: Header) -> bool:
    """Return whether a request is a browser's preflight request."""
    required = ("Origin", "Access-Control-Request-Method")
    return method == "OPTIONS" and all(header(name) is not None for name in required)


def headers(origins: frozenset[str], method: str, header: Header) -> dict[str, str]:
    """Return the headers that let a page of `origins` send a request or read the response."""
    any_origin = "*" in origins
    origin = header("Origin")
    result = {} if any_origin else {"Vary": "Origin"}
    if not any_origin and origin not in origins:
        return result
    result["Access-Control-Allow-Origin"] = "*" if any_origin else str(origin)
    if not is_preflight(method, header):
        return result | {"Access-Control-Expose-Headers": EXPOSED}
    requested = header("Access-Control-Request-Headers") or ""
    if _NAMES.fullmatch(requested):  # all headers are allowed
        result["Access-Control-Allow-Headers"] = requested
    return result | {"Access-Control-Allow-Methods": METHODS, "Access-Control-Max-Age": _MAX_AGE}
