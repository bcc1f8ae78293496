"""The parts of a request's path, query and headers that the pass-through sends to Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.ids import SHARED_OWNER
from vertex_compat.operations.context import RequestContext
from vertex_compat.types import Model, ResourceTarget

LOCATION_PATH: Final = (
    r"(?P<version>v1|v1beta1)/(?:projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/)?"
)
"""Beginning of a path: groups `version`, `project` and `location`."""

FORWARDED_HEADERS: Final = ("anthropic-beta", "api-revision", "x-goog-request-params")
FORWARDED_PREFIX: Final = "x-vertex-ai-"
"""Headers of clients that Vertex AI reads: those listed, and those that begin like this."""

_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{1,2048}")

QUERY: Final = {
    "alt": re.compile(r"sse|json|proto"),
    "$alt": re.compile(r"json|json;enum-encoding=int|sse|sse;enum-encoding=int"),
    "include_input": re.compile(r"true|false"),
    "last_event_id": re.compile(r"[A-Za-z0-9_.:=-]{1,1024}"),
    "pageSize": re.compile(r"\d{1,4}"),
    "pageToken": re.compile(r"[A-Za-z0-9_=-]{1,1024}"),
    "stream": re.compile(r"true|false"),
    "updateMask": re.compile(r"[A-Za-z0-9_.,]{1,256}"),
    "view": re.compile(r"[A-Z_]{1,64}"),
}
"""Query parameters that are forwarded, and their values."""


def check_method(context: RequestContext, methods: tuple[str, ...]) -> None:
    """Raise `MethodNotAllowed` unless the client's method is among those allowed."""
    if context.method not in methods:
        names = ", ".join(methods)
        raise errors.MethodNotAllowed(
            f"Not allowed to {context.method} this resource. Allowed: {names}.", headers={"Allow": names}
        )


def query(context: RequestContext) -> str:
    """Return the client's query parameters that Vertex AI reads, with a question mark."""
    params = context.query()
    parts = [
        f"{name.replace('$', '%24')}={value.replace(';', '%3B')}"
        for name, pattern in QUERY.items()
        if (value := params.get(name)) and pattern.fullmatch(value)
    ]
    return f"?{'&'.join(parts)}" if parts else ""


def headers(context: RequestContext) -> Mapping[str, str]:
    """Return the client's headers that Vertex AI reads."""
    return {
        name: value
        for name, value in context.headers()
        if (name in FORWARDED_HEADERS or name.startswith(FORWARDED_PREFIX)) and _HEADER_VALUE.fullmatch(value)
    }


def with_location(model: Model, match: re.Match[str]) -> Model:
    """Return the model in the project and location of the path, if the settings allow it there."""
    model = msgspec.structs.replace(model, named_project=match["project"])
    location = match["location"]
    if location is None:
        return model
    if not vertex.is_location(location):
        raise errors.BadRequest(f"{location[:100]!r} is not a location: use global, us, eu or a region.")
    if model.location_pinned and location not in model.locations:
        raise errors.Forbidden(f"This deployment calls models in {', '.join(model.locations)} only.")
    return msgspec.structs.replace(model, locations=(location,), location_pinned=True)


def project_target(
    match: re.Match[str], resource: str, default: str, context: RequestContext
) -> ResourceTarget:
    """Return where a resource of the project is: in the location of the path, else in `default`."""
    location = match["location"]
    if location and not vertex.is_location(location):
        raise errors.BadRequest(f"{location[:100]!r} is not a location: use global, us, eu or a region.")
    site = context.router.project_site(resource, location, default)
    context.router.check_location(site.locations[0])
    return msgspec.structs.replace(site, named_project=match["project"])


def shares_project(context: RequestContext) -> bool:
    """Return whether the caller may use what belongs to the whole project, not to a key."""
    names = set(context.settings.keys.digests.values())
    return not context.router.rule and (context.owner == SHARED_OWNER or len(names) <= 1)
