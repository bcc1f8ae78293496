"""The credentials of the runtime service account, from the metadata server.

https://cloud.google.com/run/docs/container-contract#metadata-server. google-auth can use this server too, but
it loads an HTTP client, an event loop and ciphers for that. This is a quarter of a cold start, and it waits
minutes for a silent server.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import msgspec
import urllib3
import urllib3.exceptions
from google.auth import exceptions

from vertex_compat import vertex

TIMEOUT_SECONDS: Final = 3.0
"""For an attempt; a healthy server needs milliseconds."""

MAX_BYTES: Final = 65_536
"""Of a response; a token has some hundreds."""

_FLAVOR: Final = {"Metadata-Flavor": "Google"}
_ROOT: Final = "/computeMetadata/v1"

_RETRY: Final = urllib3.Retry(
    total=1, backoff_factor=0.1, status_forcelist={429, 500, 502, 503, 504}, redirect=0, raise_on_status=False
)


class MetadataServerCredentials:
    """The runtime service account's credentials, in google-auth's form. `host` may have a port."""

    def __init__(self, host: str, scopes: tuple[str, ...], quota_project: str | None = None) -> None:
        self.token: str | None = None
        self.expiry: datetime | None = None
        self.quota_project_id = quota_project
        self._scopes = ",".join(scopes)
        self._server = urllib3.PoolManager(maxsize=1, timeout=TIMEOUT_SECONDS, retries=_RETRY)
        self._url = f"http://{host}{_ROOT}"

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
            response = self._server.request("GET", self._url + path, headers=_FLAVOR, preload_content=False)
            with response:
                content = response.read(MAX_BYTES)
        except urllib3.exceptions.HTTPError as error:
            raise exceptions.RefreshError("The metadata server does not answer.") from error
        if response.status != 200 or response.headers.get("Metadata-Flavor") != "Google":
            raise exceptions.RefreshError(f"The metadata server answers with status {response.status}.")
        return content


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float


_token = msgspec.json.Decoder(_Token).decode
