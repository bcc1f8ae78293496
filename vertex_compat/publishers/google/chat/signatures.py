"""The signature of a thought and the id of a call, which Gemini requires back with a part.

https://cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures. A client that keeps unknown fields
returns both where it found them, in `extra_content`. Many clients keep only id, name and arguments of a call,
so the id holds them too, in characters that every API accepts.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, Final, NamedTuple

from vertex_compat.types import JSON

SKIP: Final = base64.b64encode(b"skip_thought_signature_validator").decode()
"""The documented value for a part of another model: it is not validated."""

MAX_ID_LENGTH: Final = 64

_ID: Final = re.compile(
    r"call_(?P<unique>[0-9a-f]{12})(?P<check>[0-9a-f]{12})"
    r"(?P<marks>(?:_i(?P<id>[0-9a-f]+))?(?:_s(?P<signature>[A-Za-z0-9_-]+))?)"
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]+")


class CallMarks(NamedTuple):
    """Signature and id of a call. `id` is None where Gemini sent none."""

    id: str | None = None
    signature: str | None = None


def call_id(seed: str, marks: CallMarks) -> str:
    """Return the id of a call: the same one for the same seed.

    It holds a checksum: clients cut long ids, change their case or append to them, and Gemini refuses a
    damaged signature.
    """
    suffix = ""
    if marks.id:
        suffix += f"_i{marks.id.encode('utf-8', 'surrogatepass').hex()}"
    if marks.signature and valid(marks.signature):
        suffix += "_s" + marks.signature.rstrip("=").replace("+", "-").replace("/", "_")
    unique = digest(seed)[:12]
    return f"call_{unique}{_checksum(unique, suffix)}{suffix}"


def _checksum(unique: str, suffix: str) -> str:
    return digest(f"{unique}{suffix}")[:12]


def digest(seed: str) -> str:
    """Return 24 characters that depend on the seed alone."""
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def of_call(id_: str, tool_call: JSON) -> CallMarks:
    """Return the marks of a call that the client sends back; those in a damaged id are lost."""
    match = _ID.fullmatch(id_)
    if not match or match["check"] != _checksum(match["unique"], match["marks"]):
        return CallMarks(None, in_extra_content(tool_call))
    own = bytes.fromhex(match["id"]).decode("utf-8", "replace") if match["id"] else None
    return CallMarks(own, in_extra_content(tool_call) or _pad(match["signature"]))


def short_id(id_: str) -> str:
    """Return an id that Gemini accepts: a short plain one of the client's, else a derived one."""
    return id_ if len(id_) <= MAX_ID_LENGTH and _PLAIN_ID.fullmatch(id_) else f"call_{digest(id_)}"


def in_extra_content(value: JSON) -> str | None:
    """Return the signature at `extra_content.google.thought_signature`.

    None if it cannot be one.
    """
    return valid(google(value).get("thought_signature"))


def google(value: JSON) -> dict[str, Any]:
    """Return `extra_content.google` of a message, a part or a call."""
    content = value.get("extra_content")
    options = content.get("google") if isinstance(content, dict) else None
    return options if isinstance(options, dict) else {}


def extra_content(signature: str) -> JSON:
    """Return the `extra_content` in which Google's own OpenAI endpoint sends a signature."""
    return {"google": {"thought_signature": signature}}


def valid(signature: Any) -> str | None:
    """Return a signature that is base64, None otherwise."""
    if not isinstance(signature, str) or len(signature.rstrip("=")) % 4 == 1:
        return None
    return signature if _BASE64.fullmatch(signature) else None


def _pad(coded: str | None) -> str | None:
    if not coded:
        return None
    standard = coded.replace("-", "+").replace("_", "/")
    return valid(standard + "=" * (-len(standard) % 4))
