"""Google's identity tokens, as Cloud Run passes them on after its check of the caller.

https://cloud.google.com/run/docs/authenticating/service-to-service. Cloud Run verifies the token's signature
and then removes it (https://cloud.google.com/run/docs/troubleshooting#signature-removed). So the token can be
read here but not verified. It identifies the caller only where `--no-allow-unauthenticated` holds.
"""

from __future__ import annotations

import base64
import time
from typing import Final

import msgspec

ISSUERS: Final = frozenset({"https://accounts.google.com", "accounts.google.com"})

MAX_LENGTH: Final = 8192


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    exp: float
    email: str = ""
    email_verified: bool = True


def subject(token: str) -> str | None:
    """Return the e-mail address of a token's account, or its `sub`; None for an invalid token."""
    parts = token.split(".", 3)
    if len(parts) != 3 or len(token) > MAX_LENGTH:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(payload, type=_Claims)
    except ValueError:
        return None
    if claims.iss not in ISSUERS or claims.exp < time.time():
        return None
    return claims.email if claims.email and claims.email_verified else claims.sub
