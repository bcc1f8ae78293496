"""Access without API keys: only programs of the same machine, and no foreign web page.

A page of another origin can post to a server on loopback: `text/plain` needs no preflight. With a host name
that it controls, it can also read the responses (DNS rebinding). `Host`, `Origin` and `Sec-Fetch-Site` are
set by the browser, not by the page.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from vertex_compat import errors

HOW_TO_OPEN: Final = (
    "Set VERTEX_COMPAT_API_KEYS (comma-separated), or VERTEX_COMPAT_AUTH=none to let everybody call."
)


def check(environ: Mapping[str, Any], origins: Collection[str]) -> None:
    """Raise `Forbidden` unless a request is from this machine, and not from a foreign page.

    `environ` is WSGI's; `origins` are those that the CORS setting allows.
    """
    peer, host = environ.get("REMOTE_ADDR", ""), environ.get("HTTP_HOST", "")
    if peer and not is_loopback(peer):  # a Unix socket has no peer address
        raise errors.Forbidden(f"Without an API key, only this machine may call. {HOW_TO_OPEN}")
    if host and not is_loopback(_host(f"//{host}")):
        raise errors.Forbidden(
            f"Without an API key, the Host header has to name this machine, as localhost does. {HOW_TO_OPEN}"
        )
    origin = environ.get("HTTP_ORIGIN")
    if "*" in origins or origin in origins:
        return
    if (origin and urlsplit(origin).netloc != host) or environ.get("HTTP_SEC_FETCH_SITE") == "cross-site":
        raise errors.Forbidden(
            "Without an API key, web pages of other origins may not call. "
            "List the origin in VERTEX_COMPAT_CORS_ORIGINS, or set VERTEX_COMPAT_API_KEYS."
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name or an address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets that hold no address
        return ""
