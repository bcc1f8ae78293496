"""Method and path → operation: one table. The prefix `/v1` and a slash at the end are optional."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule

from vertex_compat import errors
from vertex_compat.error_formats import ANTHROPIC, GOOGLE, OPENAI, ErrorFormat
from vertex_compat.operations.audio import speech, transcriptions
from vertex_compat.operations.batches import batches
from vertex_compat.operations.chat import chat
from vertex_compat.operations.completions import completions
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.embeddings import embeddings
from vertex_compat.operations.files import files
from vertex_compat.operations.fine_tuning import fine_tuning
from vertex_compat.operations.images import images
from vertex_compat.operations.messages import messages
from vertex_compat.operations.moderations import moderations
from vertex_compat.operations.rerank import rerank
from vertex_compat.operations.responses import responses
from vertex_compat.operations.service import models, passthrough, root

Operation = Callable[[RequestContext], Response]

TABLE: Final[dict[tuple[str, str], Operation]] = {
    ("GET", "/"): lambda context: root.describe(context, (f"{method} {path}" for method, path in TABLE)),
    ("GET", "/health"): root.health,
    ("GET", "/openapi.json"): lambda _: _openapi_spec(),
    ("POST", "/chat/completions"): chat.complete,
    ("POST", "/completions"): completions.complete,
    ("POST", "/embeddings"): embeddings.create,
    ("POST", "/images/generations"): images.generate,
    ("POST", "/images/edits"): images.edit,
    ("POST", "/images/variations"): images.vary,
    ("POST", "/audio/speech"): speech.create,
    ("POST", "/audio/transcriptions"): transcriptions.transcribe,
    ("POST", "/audio/translations"): transcriptions.translate,
    ("POST", "/moderations"): moderations.create,
    ("POST", "/rerank"): rerank.create,
    ("POST", "/v2/rerank"): rerank.create,
    ("POST", "/messages"): messages.create,
    ("POST", "/messages/batches"): messages.refuse_batches,
    ("GET", "/messages/batches"): messages.refuse_batches,
    ("GET", "/messages/batches/<path:batch>"): messages.refuse_batches,
    ("POST", "/messages/batches/<path:batch>"): messages.refuse_batches,
    ("DELETE", "/messages/batches/<path:batch>"): messages.refuse_batches,
    ("POST", "/responses"): responses.create,
    ("GET", "/responses/<id>"): responses.missing,
    ("DELETE", "/responses/<id>"): responses.missing,
    ("POST", "/responses/<id>/cancel"): responses.missing,
    ("GET", "/responses/<id>/input_items"): responses.missing,
    ("POST", "/files"): files.create,
    ("GET", "/files"): files.list_files,
    ("GET", "/files/<path:file>"): files.retrieve,
    ("DELETE", "/files/<path:file>"): files.delete,
    ("GET", "/files/<path:file>/content"): files.content,
    ("POST", "/batches"): batches.create,
    ("GET", "/batches"): batches.list_batches,
    ("GET", "/batches/<batch>"): batches.retrieve,
    ("POST", "/batches/<batch>/cancel"): batches.cancel,
    ("POST", "/fine_tuning/jobs"): fine_tuning.create,
    ("GET", "/fine_tuning/jobs"): fine_tuning.list_jobs,
    ("GET", "/fine_tuning/jobs/<job>"): fine_tuning.retrieve,
    ("POST", "/fine_tuning/jobs/<job>/cancel"): fine_tuning.cancel,
    ("GET", "/fine_tuning/jobs/<job>/events"): fine_tuning.events,
    ("GET", "/fine_tuning/jobs/<job>/checkpoints"): fine_tuning.checkpoints,
    ("POST", "/vertex-ai/<path:path>"): passthrough.forward,
    ("GET", "/models"): models.list_models,
    ("GET", "/models/<path:model>"): models.retrieve,
}

OPEN: Final = frozenset({"/health"})
"""Paths that need no key and no free thread, for health probes."""

PUBLIC: Final = frozenset({"/", "/openapi.json"})
"""Paths that need no key."""

_ANTHROPIC_PATHS: Final = re.compile(r"/messages(?:/|$)")
_GOOGLE_PATHS: Final = re.compile(
    r"/(?:vertex-ai|projects|v1beta1?|v1alpha)/|/models/[^/]+(?:/[^/]+)?:[A-Za-z]+$"
)


def error_format(path: str, anthropic_version: str | None) -> ErrorFormat:
    """Return how the errors of a request are written: as in the API whose path or header it has."""
    short = resource(path)
    if _GOOGLE_PATHS.match(short):
        return GOOGLE
    return ANTHROPIC if anthropic_version or _ANTHROPIC_PATHS.match(short) else OPENAI


def _openapi_spec() -> Response:
    from vertex_compat.operations.service import openapi_spec  # noqa: PLC0415  (rarely requested)

    return openapi_spec.describe(TABLE, OPEN | PUBLIC)


def takes_key_in_query(path: str) -> bool:
    """Return whether the API key may be the query parameter `key`, as in Google's APIs."""
    return _GOOGLE_PATHS.match(resource(path)) is not None


def resource(path: str) -> str:
    """Return the path without the optional `/v1` before it and slash after it."""
    short = path[3:] if path.startswith("/v1/") or path == "/v1" else path
    return short.rstrip("/") or "/"


def find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """Return the operation and the variable parts of the path; raises `NotFound`, `MethodNotAllowed`."""
    if operation := TABLE.get((method, resource(path))):
        return operation, {}
    try:
        endpoint, arguments = _map().match(path[3:] if path.startswith("/v1/") else path, method)
    except MethodNotAllowed as error:
        allowed = ", ".join(sorted(error.valid_methods or ()))
        raise errors.MethodNotAllowed(
            f"Not allowed to {method} on {path[:200]}. Allowed: {allowed}.", headers={"Allow": allowed}
        ) from None
    except NotFound:
        raise errors.NotFound(f"Unknown request URL: {method} {path[:200]}.", code="unknown_url") from None
    return TABLE[endpoint], dict(arguments)


@cache
def _map() -> MapAdapter:
    """The matcher of paths with variable parts, made at its first use."""
    rules = [Rule(path, methods=[method], endpoint=(method, path)) for method, path in TABLE]
    return Map(rules, strict_slashes=False, merge_slashes=False).bind("")
