"""Signed ids that hold the name of a resource, and the names of the keys that own resources.

An id is a prefix such as `file-` and base64url of a signature and a name, so nothing has to be looked up. The
signature is the start of an HMAC-SHA256 of prefix and name. An id that another deployment made, or that was
changed, is invalid. A signature says who made an id, not who may use it; the owner is checked too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from typing import Final

FILE: Final = "file-"

SHARED_OWNER: Final = "shared"
"""Owner of what callers without a key create, and of everything where keys share their files."""

_SIGNATURE_BYTES: Final = 12
_MAX_TIME: Final = 1 << 48
_PLAIN_NAME: Final = re.compile(r"[a-z0-9_-]{1,40}")


class IdSigner:
    """Makes and reads the ids of one deployment.

    Instances with the same `secret` read each other's ids.
    """

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(f"vertex_compat ids {secret}".encode()).digest()

    def encode(self, prefix: str, name: str) -> str:
        """Return the id of the resource `name`. The same name always has the same id."""
        content = self._signature(prefix, name) + name.encode()
        return prefix + base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    def decode(self, prefix: str, id_: str) -> str | None:
        """Return the name in an id, None if the id has another prefix or was not made here."""
        encoded = id_.removeprefix(prefix)
        try:
            content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            name = content[_SIGNATURE_BYTES:].decode()
        except ValueError:  # not base64, or not UTF-8
            return None
        expected = self.encode(prefix, name)
        return name if name and hmac.compare_digest(expected.encode(), id_.encode()) else None

    def _signature(self, prefix: str, name: str) -> bytes:
        return hmac.digest(self._key, f"{prefix}\0{name}".encode(), "sha256")[:_SIGNATURE_BYTES]


def owner_name(key: str | None) -> str:
    """Return the name of a key's owner: a folder in the bucket and a label on Vertex AI's jobs.

    A key's name stands in it where labels allow that, else a part of its SHA-256; `key` is None for callers
    without a key.
    """
    if key is None:
        return SHARED_OWNER
    if _PLAIN_NAME.fullmatch(key):
        return f"k-{key}"
    return f"h-{hashlib.sha256(key.encode()).hexdigest()[:20]}"


def new_token() -> str:
    """Return 28 hexadecimal digits for a new resource.

    They cannot be guessed, and newer ones sort first.
    """
    milliseconds = int(time.time() * 1000)
    return f"{_MAX_TIME - milliseconds:012x}{secrets.token_hex(8)}"


def token_age(token: str) -> float:
    """Return how many seconds ago a token was made."""
    return time.time() - (_MAX_TIME - int(token[:12], 16)) / 1000
