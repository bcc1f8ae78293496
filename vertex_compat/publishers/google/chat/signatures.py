"""What Gemini wants back with a call: the signature of the thought that led to it, and its own id.

https://cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures. A client that keeps what it does not
know returns both where it found them, in `extra_content`. Many keep id, name and arguments alone: so they are
in the id as well, in characters that every API takes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, Final, NamedTuple

from vertex_compat.types import JSON

SKIP: Final = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What Google documents for a call that another model made: it is not checked."""

_ID: Final = re.compile(
    r"call_[0-9a-f]{24}(?:_i(?P<id>(?:[0-9a-f]{2})+))?(?:_s(?P<signature>[A-Za-z0-9_-]+))?"
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


class Marks(NamedTuple):
    """What came with a call. `id` is None where Gemini gave none."""

    id: str | None = None
    signature: str | None = None


def call_id(seed: str, marks: Marks) -> str:
    """An id for a call: the same one for the same seed."""
    identity = f"call_{digest(seed)}"
    if marks.id:
        identity += f"_i{marks.id.encode('utf-8', 'surrogatepass').hex()}"
    if marks.signature and _is_base64(marks.signature):
        identity += "_s" + marks.signature.rstrip("=").replace("+", "-").replace("/", "_")
    return identity


def digest(seed: str) -> str:
    """24 characters that only this seed has."""
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def of_call(identity: str, given: JSON) -> Marks:
    """What belongs to a call that the client gives back, by its id and the call itself."""
    found = _ID.fullmatch(identity)
    inside = found.groupdict() if found else {}
    own = bytes.fromhex(inside["id"]).decode("utf-8", "replace") if inside.get("id") else None
    return Marks(own, in_extra_content(given) or _padded(inside.get("signature")))


def in_extra_content(given: JSON) -> str | None:
    """The signature at `extra_content.google.thought_signature`, if it can be one."""
    signature = google(given).get("thought_signature")
    return signature if isinstance(signature, str) and _is_base64(signature) else None


def google(given: JSON) -> dict[str, Any]:
    """What a message, a part or a call says to Google alone."""
    content = given.get("extra_content")
    said = content.get("google") if isinstance(content, dict) else None
    return said if isinstance(said, dict) else {}


def extra_content(signature: str) -> JSON:
    """Where Google's own OpenAI endpoint puts a signature."""
    return {"extra_content": {"google": {"thought_signature": signature}}}


def _is_base64(text: str) -> bool:
    return _BASE64.fullmatch(text) is not None and len(text.rstrip("=")) % 4 != 1


def _padded(coded: str | None) -> str | None:
    if not coded:
        return None
    standard = coded.replace("-", "+").replace("_", "/")
    return standard + "=" * (-len(standard) % 4) if _is_base64(standard) else None
