"""The credentials of the runtime service account, from the metadata server.

https://cloud.google.com/run/docs/container-contract#metadata-server. google-auth can use this server too, but
it loads an HTTP client, an event loop and ciphers for that. This is a quarter of a cold start, and it waits
minutes for a silent server.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from typing import Final

import msgspec
from google.auth import exceptions

from vertex_compat import vertex

TIMEOUT_SECONDS: Final = 3.0
"""For an attempt; a healthy server needs milliseconds."""

MAX_BYTES: Final = 65_536
"""Of a response; a token has some hundreds."""

_FLAVOR: Final = {"Metadata-Flavor": "Google"}
_ROOT: Final = "/computeMetadata/v1"

_RETRYABLE_STATUS: Final = frozenset({429, 500, 502, 503, 504})


class MetadataServerCredentials:
    """The runtime service account's credentials, in google-auth's form. `host` may have a port."""

    def __init__(self, host: str, scopes: tuple[str, ...], quota_project: str | None = None) -> None:
        self.token: str | None = None
        self.expiry: datetime | None = None
        self.quota_project_id = quota_project
        self._scopes = ",".join(scopes)
        self._host = host

    def refresh(self, request: object) -> None:
        """Fetch a token; raises `RefreshError`. google-auth's `request` is not needed."""
        del request
        content = self._get(f"/instance/service-accounts/default/token?scopes={self._scopes}")
        try:
            token = _token(content)
        except ValueError as error:
            raise exceptions.RefreshError("The metadata server's response is not a token.") from error
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=token.expires_in)
        self.token = token.access_token

    @cached_property
    def project_id(self) -> str:
        """The project of the service account; raises `RefreshError`."""
        project = self._get("/project/project-id").decode("ascii", "replace").strip()
        if not vertex.is_project(project):
            raise exceptions.RefreshError("The metadata server's response is not a project.")
        return project

    def _get(self, path: str) -> bytes:
        try:
            return self._attempt(path)
        except exceptions.RefreshError as error:
            if not error.retryable:
                raise
            return self._attempt(path)

    def _attempt(self, path: str) -> bytes:
        try:
            with closing(HTTPConnection(self._host, timeout=TIMEOUT_SECONDS)) as connection:
                connection.request("GET", _ROOT + path, headers=_FLAVOR)
                response = connection.getresponse()
                content = response.read(MAX_BYTES)
        except (OSError, HTTPException) as error:
            raise exceptions.RefreshError("The metadata server does not answer.", retryable=True) from error
        if response.status != 200 or response.headers.get("Metadata-Flavor") != "Google":
            raise exceptions.RefreshError(
                f"The metadata server answers with status {response.status}.",
                retryable=response.status in _RETRYABLE_STATUS,
            )
        return content


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float


_token = msgspec.json.Decoder(_Token).decode
