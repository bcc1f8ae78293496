"""`GET /` and `GET /health`: what this is, and that it runs. Neither asks Google.

A browser gets a page at `/`, where the settings let it: see `playground`.
"""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from vertex_compat import __version__
from vertex_compat.operations.context import Ask, Reply
from vertex_compat.operations.service import playground


def describe(ask: Ask, operations: Iterable[str]) -> Reply:
    """Name, version and operations; to a client that would rather have HTML, the playground."""
    described = {"name": "vertex_compat", "version": __version__, "operations": sorted(operations)}
    if not ask.settings.playground:
        return Reply(described)
    accepted = parse_accept_header(ask.accept(), MIMEAccept)
    if accepted.best_match(["application/json", "text/html"]) == "text/html":
        return Reply(*playground.page())
    return Reply(described, {"Vary": "Accept"})


def health(_: Ask) -> Reply:
    """Alive."""
    return Reply({"status": "ok"})
