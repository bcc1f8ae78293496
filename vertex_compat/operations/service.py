"""`GET /` and `GET /health`: what this is, and that it runs. Neither asks Google."""

from __future__ import annotations

from collections.abc import Iterable

from vertex_compat import __version__
from vertex_compat.operations import Ask, Reply


def describe(operations: Iterable[str]) -> Reply:
    """Name, version and operations."""
    return Reply({"name": "vertex_compat", "version": __version__, "operations": sorted(operations)})


def health(_: Ask) -> Reply:
    """Alive."""
    return Reply({"status": "ok"})
