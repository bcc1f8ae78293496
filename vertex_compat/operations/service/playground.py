"""The playground: one HTML page with its style and script, and its Content Security Policy.

The page is public and holds no secret. It shows text of models, which is not trusted. So the policy allows
only the page's own script and style, by their hashes, and requests to this function only.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from vertex_compat.operations.context import FileBody

PAGE: Final = Path(__file__).with_name("playground.html")


@cache
def page() -> tuple[FileBody, Mapping[str, str]]:
    """Return the page and its headers; the file is read at the first request."""
    html = PAGE.read_bytes()
    return FileBody(html, "text/html; charset=utf-8"), {
        "Vary": "Accept",
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _policy(html),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def _policy(html: bytes) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(html, b'script')}",
            f"style-src {_hash(html, b'style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hash(html: bytes, element: bytes) -> str:
    """The source expression for the content of the page's one `element`."""
    (content,) = re.findall(rb"<%b(?: [^>]*)?>(.*?)</%b>" % (element, element), html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"
