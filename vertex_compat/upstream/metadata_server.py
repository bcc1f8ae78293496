"""The runtime service account, by the metadata server of the machine that this function is deployed on.

https://cloud.google.com/run/docs/container-contract#metadata-server

google-auth knows this server too; but what it loads for it (an HTTP client, an event loop and a library of
ciphers that are not needed here) is a quarter of a cold start, and it asks a silent server for minutes.
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

TIMEOUT: Final = 3.0
"""Seconds that a try may take; a healthy server needs milliseconds."""

_FLAVOR: Final = {"Metadata-Flavor": "Google"}
_ROOT: Final = "/computeMetadata/v1"
_MAX_RESPONSE_BYTES: Final = 65_536  # bytes; a token has some hundreds

_PATIENCE: Final = urllib3.Retry(
    total=1, backoff_factor=0.1, status_forcelist={429, 500, 502, 503, 504}, redirect=0, raise_on_status=False
)


class RuntimeAccount:
    """The service account that this function runs as. `host` may have a port."""

    def __init__(self, host: str, scopes: tuple[str, ...], quota_project: str | None = None) -> None:
        self.token: str | None = None
        self.expiry: datetime | None = None
        self.quota_project_id = quota_project
        self._scopes = ",".join(scopes)
        self._server = urllib3.PoolManager(maxsize=1, timeout=TIMEOUT, retries=_PATIENCE)
        self._url = f"http://{host}{_ROOT}"

    def refresh(self, request: object) -> None:
        """Fetch a token; raises `RefreshError`. google-auth's `request` is not needed."""
        del request
        said = self._get(f"/instance/service-accounts/default/token?scopes={self._scopes}")
        try:
            token = _token(said)
        except ValueError as error:
            raise exceptions.RefreshError("The metadata server's answer is not a token.") from error
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=token.expires_in)
        self.token = token.access_token

    @cached_property
    def project_id(self) -> str:
        """The project that the account runs in; raises `RefreshError`."""
        said = self._get("/project/project-id").decode("ascii", "replace").strip()
        if not vertex.is_project(said):
            raise exceptions.RefreshError("The metadata server's answer is not a project.")
        return said

    def _get(self, path: str) -> bytes:
        try:
            answer = self._server.request("GET", self._url + path, headers=_FLAVOR, preload_content=False)
            with answer:
                content = answer.read(_MAX_RESPONSE_BYTES)
        except urllib3.exceptions.HTTPError as error:
            raise exceptions.RefreshError("The metadata server does not answer.") from error
        if answer.status != 200 or answer.headers.get("Metadata-Flavor") != "Google":
            raise exceptions.RefreshError(f"The metadata server answers {answer.status}.")
        return content


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float


_token = msgspec.json.Decoder(_Token).decode
