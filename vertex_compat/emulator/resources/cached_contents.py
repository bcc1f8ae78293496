"""Cached contents: created, listed, read, changed and deleted, and nothing else.

Contract: https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.cachedContents.
"""

from typing import Any

from vertex_compat.emulator.project import PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response

CREATED = "2026-11-01T00:00:00Z"
EXPIRES = "2026-11-01T01:00:00Z"


class CachedContents:
    """The cached contents of the project, by location and number."""

    def __init__(self) -> None:
        self._caches: dict[tuple[str, str], JSON] = {}
        self._count = 0

    def create(self, location: str, body: JSON) -> Response:
        """Create one; it needs the name of its model."""
        if not isinstance(body.get("model"), str):
            raise google_errors.invalid_argument("The `model` field is required.")
        self._count += 1
        number = str(4_000_000_000 + self._count)
        name = f"projects/{PROJECT_NUMBER}/locations/{location}/cachedContents/{number}"
        times = {"createTime": CREATED, "updateTime": CREATED, "expireTime": EXPIRES}
        fields = {"model": body["model"], "displayName": body.get("displayName", "")}
        self._caches[location, number] = {"name": name, **fields, **times}
        return pretty_json_response(self._caches[location, number])

    def list_caches(self, location: str) -> Response:
        """List those of a location; an empty list has no key."""
        caches = [cache for key, cache in self._caches.items() if key[0] == location]
        return pretty_json_response({"cachedContents": caches} if caches else {})

    def handle(self, method: str, location: str, number: str, body: Any) -> Response:
        """Read, change or delete one."""
        key = (location, number)
        if key not in self._caches:
            raise google_errors.refused(404, f"Not found: cached content metadata for {number}.")
        if method == "DELETE":
            del self._caches[key]
            return pretty_json_response({})
        if method == "PATCH":
            self._caches[key] |= {name: body[name] for name in ("expireTime",) if name in body}
        return pretty_json_response(self._caches[key])
