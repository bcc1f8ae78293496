"""`GET /` and `GET /health`: what this is, and that it runs. Neither asks Google.

A browser gets a page at `/`, where the settings let it: see `playground`.
"""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from vertex_compat import __version__
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.service import playground


def describe(context: RequestContext, operations: Iterable[str]) -> Response:
    """Name, version and operations; to a client that would rather have HTML, the playground."""
    described = {"name": "vertex_compat", "version": __version__, "operations": sorted(operations)}
    if not context.settings.playground:
        return Response(described)
    accepted = parse_accept_header(context.accept(), MIMEAccept)
    if accepted.best_match(["application/json", "text/html"]) == "text/html":
        return Response(*playground.page())
    return Response(described, {"Vary": "Accept"})


def health(_: RequestContext) -> Response:
    """Alive."""
    return Response({"status": "ok"})
