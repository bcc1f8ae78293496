"""Signed URLs of Cloud Storage (V4), signed by the IAM API instead of a key file.

https://cloud.google.com/storage/docs/authentication/signatures and
https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from vertex_compat import errors
from vertex_compat.json_values import text
from vertex_compat.services.storage import StorageObject
from vertex_compat.types import JSON, UpstreamCall

HOST: Final = "storage.googleapis.com"

ALGORITHM: Final = "GOOG4-RSA-SHA256"


class UnsignedURL(NamedTuple):
    """A URL without its signature, and the string to sign."""

    url: str
    string_to_sign: str


def build_url(target: StorageObject, account: str, now: float, seconds: int) -> UnsignedURL:
    """Return a URL with which everyone can read an object for some seconds from `now` on."""
    moment = datetime.fromtimestamp(now, UTC)
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment:%Y%m%d}/auto/storage/goog4_request"
    query = urlencode(
        {
            "X-Goog-Algorithm": ALGORITHM,
            "X-Goog-Credential": f"{account}/{scope}",
            "X-Goog-Date": stamp,
            "X-Goog-Expires": str(seconds),
            "X-Goog-SignedHeaders": "host",
        },
        quote_via=quote,
        safe="",
    )
    path = f"/{target.bucket}/{quote(target.name, safe='/~')}"
    request = "\n".join(["GET", path, query, f"host:{HOST}", "", "host", "UNSIGNED-PAYLOAD"])
    digest = hashlib.sha256(request.encode()).hexdigest()
    return UnsignedURL(f"https://{HOST}{path}?{query}", f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}")


def sign(unsigned_url: UnsignedURL, account: str) -> UpstreamCall:
    """Return the call that signs for a service account."""
    payload = base64.b64encode(unsigned_url.string_to_sign.encode()).decode()
    path = f"projects/-/serviceAccounts/{account}:signBlob"
    return UpstreamCall(path, {"payload": payload}, service="iamcredentials")


def with_signature(unsigned_url: UnsignedURL, answer: JSON) -> str:
    """Return the URL with the signature of the IAM API's answer."""
    try:
        signature = base64.b64decode(text(answer.get("signedBlob")), validate=True)
    except binascii.Error:
        signature = b""
    if not signature:
        raise errors.UpstreamFault("The IAM API answered without a signature.")
    return f"{unsigned_url.url}&X-Goog-Signature={signature.hex()}"
