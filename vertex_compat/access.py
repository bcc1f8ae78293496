"""Who may call: client keys, compared in constant time.

Fails closed. Deployed (`K_SERVICE` is set) with `api-key` and no key configured, nobody may; a paid proxy is
never open by accident. On a laptop with no key configured, everybody may.
"""

from __future__ import annotations

import hashlib
import hmac

from vertex_compat import errors
from vertex_compat.config import Settings

HOW_TO_SET_A_KEY = (
    "This deployment has no API key configured, so it refuses every request. "
    "Set VERTEX_COMPAT_API_KEYS (comma-separated; best from Secret Manager), "
    "or VERTEX_COMPAT_AUTH=iam where Cloud Run checks the callers."
)


def allow(authorization: str | None, settings: Settings, *, public: bool = False) -> str | None:
    """The name of the caller's key, None where none is needed; raises `Unauthorized`.

    `authorization` is the value of that header. What is `public` needs no key, where there is one.
    """
    if settings.auth != "api-key":
        return None
    if not settings.keys:
        if settings.deployed:
            raise errors.Unauthorized(HOW_TO_SET_A_KEY)
        return None
    if public:
        return None
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise errors.Unauthorized(
            "You didn't provide an API key. Send it as a header: `Authorization: Bearer YOUR_KEY`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    digest = hashlib.sha256(key.strip().encode()).digest()
    # All are compared, and each in constant time: how long it takes tells nothing of any key.
    found = [name for known, name in settings.keys.items() if hmac.compare_digest(digest, known)]
    if not found:
        raise errors.Unauthorized("Incorrect API key provided.", headers={"WWW-Authenticate": "Bearer"})
    return found[0]
