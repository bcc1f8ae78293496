"""The access token of the function, one for all threads.

On Cloud Run it is the runtime service account's, from the metadata server; elsewhere google-auth finds
credentials. A token is never logged or sent to a client.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NoReturn, Protocol, TypeAlias, TypeVar

import google.auth
import google.auth.transport
from google.auth import exceptions

from vertex_compat import errors
from vertex_compat.config.settings import Settings
from vertex_compat.upstream.metadata_server import MetadataServerCredentials
from vertex_compat.upstream.network import Network

_log = logging.getLogger(__name__)

T = TypeVar("T")

REFRESH_BEFORE: Final = timedelta(minutes=3, seconds=45)
"""Time before its expiry at which a token is refreshed; google-auth has the same."""

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)

MAX_ATTEMPTS: Final = 2
"""Of google-auth's requests for one token."""

_ZERO: Final = timedelta()


class GoogleCredentials(Protocol):
    """The part of google-auth's credentials that is used here."""

    token: str | None
    expiry: datetime | None
    """Time at which the token expires: in UTC, without a time zone."""

    def refresh(self, request: Any) -> None:
        """Fetch a token; raises `GoogleAuthError`."""


CredentialsAndProject: TypeAlias = tuple[GoogleCredentials, str | None]
"""Credentials, and the project that they name, if they name one."""


class _Request(google.auth.transport.Request):
    """google-auth's transport with fewer attempts, loaded when it is used.

    google-auth calls a silent server five times, with delays of up to 8 s: too long for a client. Each token
    takes a new object of this class.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._failures = 0

    def __call__(self, url: str, *args: Any, **kwargs: Any) -> Any:
        import google.auth.transport.requests  # noqa: PLC0415  (not needed with the metadata server)
        import requests  # noqa: PLC0415  (as above)

        session = requests.Session()
        session.trust_env = url.startswith("https://")  # the metadata server is not called through a proxy
        session.verify = self._network.ca_path
        send: Any = google.auth.transport.requests.Request(session)
        try:
            response: google.auth.transport.Response = send(url, *args, **kwargs)
        except exceptions.TransportError as error:
            self._count(error)
            raise
        if response.status in google.auth.transport.DEFAULT_RETRYABLE_STATUS_CODES:
            self._count(None)
        return response

    def _count(self, cause: Exception | None) -> None:
        self._failures += 1
        if self._failures >= MAX_ATTEMPTS:
            raise exceptions.RefreshError("The token server does not answer.") from cause


def application_default(network: Network | None = None) -> CredentialsAndProject:
    """Return the Application Default Credentials (https://google.aip.dev/auth/4110)."""
    return google.auth.default(scopes=SCOPES, request=_Request(network or Network()))


class CallerCredentials:
    """The access token of a caller. It cannot be renewed, and names no project."""

    def __init__(self, token: str, project: str | None, quota_project: str | None) -> None:
        self._token = token
        self._project = project
        self._quota_project = quota_project

    def token(self) -> str:
        """Return the token. Vertex AI decides whether it is valid."""
        return self._token

    def renew(self, refused: str) -> str:
        """Raise `Unauthorized`: only the caller can get another token."""
        del refused
        raise errors.Unauthorized(
            "Google refused your access token: it is invalid or has expired.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def project(self) -> str | None:
        """Return the project of the settings."""
        return self._project

    def quota_project(self) -> str | None:
        """Return the quota project of the settings."""
        return self._quota_project

    def impersonating(self, account: str) -> NoReturn:
        """Raise `Forbidden`: a caller's token cannot impersonate an account."""
        raise errors.Forbidden(f"This deployment does not act as {account}.")


def credentials_factory(settings: Settings) -> Callable[[], CredentialsAndProject]:
    """Return the function that finds credentials, of the metadata server where it is known."""
    if (host := settings.metadata_host) is None:
        return partial(application_default, Network.from_settings(settings))
    return lambda: (MetadataServerCredentials(host, SCOPES, settings.quota_project), None)


class Credentials:
    """Finds credentials when the first token is needed, and refreshes the token in time.

    A token that is about to expire is used while one thread fetches the next. Threads without a valid token
    wait for the one that fetches it, and share its failure.
    """

    def __init__(
        self, find: Callable[[], CredentialsAndProject] = application_default, network: Network | None = None
    ) -> None:
        self._find = find
        self._network = network or Network()
        self._lock = threading.Lock()
        self._credentials: GoogleCredentials | None = None
        self._project: str | None = None
        self._failure: tuple[float, errors.ApiError] | None = None

    def token(self) -> str:
        """Return a valid token; raises `Unavailable`."""
        if (credentials := self._credentials) is not None:
            token, remaining = credentials.token, _remaining(credentials)
            if _ZERO < remaining < REFRESH_BEFORE and self._lock.acquire(blocking=False):
                threading.Thread(target=self._refresh_in_background, daemon=True).start()
            if remaining > _ZERO:
                return str(token)
        return self._fetch(refused=None)

    def prefetch(self) -> None:
        """Fetch the first token in another thread, beside the first request."""
        threading.Thread(target=self._prefetch, daemon=True).start()

    def _prefetch(self) -> None:
        with suppress(errors.ApiError):  # it is in the log; the first request tries again
            self.token()

    def renew(self, refused: str) -> str:
        """Return another token than the one that Vertex AI refused; raises `Unavailable`."""
        return self._fetch(refused)

    def project(self) -> str | None:
        """Return the project that the credentials name, if they name one; raises `Unavailable`."""
        if self._project is None:  # also after a search without a result: it may be known by now
            self._single_flight(self._find_project)
        return self._project

    def quota_project(self) -> str | None:
        """Return the project that is charged for quota, None for the one that is called.

        It comes from GOOGLE_CLOUD_QUOTA_PROJECT or a user's own credentials.
        """
        project: str | None = getattr(self._credentials, "quota_project_id", None)
        return project

    def impersonating(self, account: str) -> Credentials:
        """Return the credentials of a service account for which ours may create tokens."""
        from google.auth import credentials, impersonated_credentials  # noqa: PLC0415  (few settings need it)

        def find() -> CredentialsAndProject:
            own, project = self._find()
            if not isinstance(own, credentials.Credentials):  # google-auth impersonates with its own only
                own, project = application_default(self._network)
            return impersonated_credentials.Credentials(own, account, SCOPES), project

        return Credentials(find, self._network)

    def _fetch(self, refused: str | None) -> str:
        return self._single_flight(lambda: self._fetch_locked(refused))

    def _single_flight(self, work: Callable[[], T]) -> T:
        """Let one thread at a time do `work`, and return its result.

        Those that waited share a failure.
        """
        called_at = time.monotonic()
        with self._lock:
            if self._failure and self._failure[0] >= called_at:
                raise self._failure[1]
            try:
                return work()
            except exceptions.GoogleAuthError as error:
                fault = _fault(error)
                _log.error("%s (%s)", fault.message, type(error).__name__)
                self._failure = (time.monotonic(), fault)
                raise fault from error

    def _fetch_locked(self, refused: str | None) -> str:
        credentials = self._credentials or self._find_credentials()
        if _remaining(credentials) < REFRESH_BEFORE or credentials.token == refused:
            credentials.refresh(_Request(self._network))
        return str(credentials.token)

    def _find_credentials(self) -> GoogleCredentials:
        credentials, self._project = self._find()
        self._credentials = self._credentials or credentials
        return self._credentials

    def _find_project(self) -> None:
        if self._project is None:  # another thread may have found it by now
            credentials = self._find_credentials()
            self._project = self._project or getattr(credentials, "project_id", None)

    def _refresh_in_background(self) -> None:
        """Refresh the token; the caller has acquired the lock."""
        try:
            self._fetch_locked(refused=None)
        except exceptions.GoogleAuthError:
            pass  # the old token is still valid; the next request tries again
        finally:
            self._lock.release()


def _remaining(credentials: GoogleCredentials) -> timedelta:
    """Return how long the token is still valid."""
    if not credentials.token:
        return _ZERO
    return (
        credentials.expiry - datetime.now(UTC).replace(tzinfo=None) if credentials.expiry else timedelta.max
    )


def _fault(error: exceptions.GoogleAuthError) -> errors.ApiError:
    if isinstance(error, exceptions.DefaultCredentialsError):
        message = (
            "This function has no Google credentials. On Google Cloud, run it with a service account; "
            "on your machine, run `gcloud auth application-default login`."
        )
    else:
        message = "This function could not get an access token for Vertex AI from its service account."
    return errors.Unavailable(message, code="upstream_authentication_error")
