"""URLs of this function, for clients that follow links in its responses."""

from __future__ import annotations

import re
from typing import Final

from vertex_compat.operations.context import RequestContext

_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::\d{1,5})?|\[[0-9A-Fa-f:]+\](?::\d{1,5})?")


def of(path: str, context: RequestContext) -> str:
    """Return the URL of a path as the client reaches this function.

    The path alone if that is not known. A proxy in front names its own scheme and host in `X-Forwarded-Proto`
    and `X-Forwarded-Host`.
    """
    path = context.settings.base_path + path
    host = _first(context.header("x-forwarded-host")) or context.header("host")
    scheme = _first(context.header("x-forwarded-proto")) or (
        "https" if context.settings.on_cloud_run else "http"
    )
    if not _HOST.fullmatch(host) or scheme not in {"http", "https"}:
        return path
    return f"{scheme}://{host}{path}"


def _first(value: str) -> str:
    return value.partition(",")[0].strip()
