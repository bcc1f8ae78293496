"""`GET /` and `GET /health`: name and version of this service, and that it runs.

Neither calls Google. A browser gets a page at `/` if the settings allow it: see `playground`.
"""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from vertex_compat import __version__
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.service import playground


def describe(context: RequestContext, operations: Iterable[str]) -> Response:
    """Return name, version and operations; the playground to a client that prefers HTML."""
    info = {"name": "vertex_compat", "version": __version__, "operations": sorted(operations)}
    if not context.settings.playground:
        return Response(info)
    accepted = parse_accept_header(context.header("Accept"), MIMEAccept)
    if accepted.best_match(["application/json", "text/html"]) == "text/html":
        return Response(*playground.page())
    return Response(info, {"Vary": "Accept"})


def health(_: RequestContext) -> Response:
    """Return that the service runs."""
    return Response({"status": "ok"})
