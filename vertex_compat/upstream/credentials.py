"""The function's own access token, one for all threads.

Deployed, it is the runtime service account's, from the metadata server; else google-auth finds one. The token
never reaches a log or a client.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, Protocol, TypeAlias, TypeVar

import google.auth
import google.auth.transport
from google.auth import exceptions

from vertex_compat import errors
from vertex_compat.config.settings import Settings
from vertex_compat.upstream.metadata_server import RuntimeAccount

T = TypeVar("T")

RENEWED: Final = timedelta(minutes=3, seconds=45)
"""Before its end, when a token is renewed: as google-auth does it."""

_NOTHING: Final = timedelta()


class Account(Protocol):
    """Whom we act for: credentials of google-auth's, or what looks like them here."""

    token: str | None
    expiry: datetime | None
    """When the token ends, in UTC and without saying so."""

    def refresh(self, request: Any) -> None:
        """Fetch a token; raises `GoogleAuthError`."""


Found: TypeAlias = tuple[Account, str | None]
"""An account, and the project that it belongs to where that is known."""

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)

_TRIES: Final = 2


class _Request(google.auth.transport.Request):
    """google-auth's transport, which gives up sooner, and is loaded when it is used.

    google-auth asks a silent server five times, with pauses of up to 8 s; a client would be gone by then.
    Each token fetch takes a new one of these.
    """

    def __init__(self) -> None:
        self._failures = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        import google.auth.transport.requests  # noqa: PLC0415  (the runtime's account does without)

        try:
            response: google.auth.transport.Response = google.auth.transport.requests.Request()(
                *args, **kwargs
            )
        except exceptions.TransportError as error:
            self._count(error)
            raise
        if response.status in google.auth.transport.DEFAULT_RETRYABLE_STATUS_CODES:
            self._count(None)
        return response

    def _count(self, cause: Exception | None) -> None:
        self._failures += 1
        if self._failures >= _TRIES:
            raise exceptions.RefreshError("The token server does not answer.") from cause


def application_default() -> Found:
    """Application Default Credentials (https://google.aip.dev/auth/4110)."""
    return google.auth.default(scopes=SCOPES, request=_Request())


class CallerCredentials:
    """The access token that a caller has brought. It cannot be renewed, and names no project."""

    def __init__(self, token: str, project: str | None, quota_project: str | None) -> None:
        self._token = token
        self._project = project
        self._quota_project = quota_project

    def token(self) -> str:
        """The token, good or not: Vertex decides."""
        return self._token

    def renew(self, refused: str) -> str:
        """Raise `Unauthorized`: the caller has to bring another."""
        del refused
        raise errors.Unauthorized(
            "Google refused your access token: it has expired, or it is none.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def project(self) -> str | None:
        """The one in the settings."""
        return self._project

    def quota_project(self) -> str | None:
        """As the settings have it."""
        return self._quota_project

    def impersonating(self, account: str) -> NoReturn:
        """Raise `Forbidden`: nobody acts as another with a token of his own."""
        raise errors.Forbidden(f"This deployment does not act as {account}.")


def credentials_factory(settings: Settings) -> Callable[[], Found]:
    """How to find credentials: by the metadata server where it is known to be there."""
    if (host := settings.metadata_host) is None:
        return application_default
    return lambda: (RuntimeAccount(host, SCOPES, settings.quota_project), None)


class Credentials:
    """Looks for credentials when the first token is needed, and keeps the token fresh from then on.

    A token that is good for a few minutes more is used while one thread fetches the next; threads that have
    no good token wait for the one that fetches it, and share its failure.
    """

    def __init__(
        self,
        find: Callable[[], Found] = application_default,
    ) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._credentials: Account | None = None
        self._project: str | None = None
        self._failure: tuple[float, errors.ApiError] | None = None

    def token(self) -> str:
        """A token that is good now; raises `Unavailable`."""
        if (credentials := self._credentials) is not None:
            token, left = credentials.token, _left(credentials)
            if _NOTHING < left < RENEWED and self._lock.acquire(blocking=False):
                threading.Thread(target=self._fetch_aside, daemon=True).start()
            if left > _NOTHING:
                return str(token)
        return self._fetch(refused=None)

    def renew(self, refused: str) -> str:
        """A token other than the one that Vertex refused; raises `Unavailable`."""
        return self._fetch(refused)

    def project(self) -> str | None:
        """The project that the credentials belong to, where they know; raises `Unavailable`."""
        if self._project is None:  # also where it was asked for in vain: it may be known by now
            self._alone(self._look_for_project)
        return self._project

    def quota_project(self) -> str | None:
        """The project that pays for quota, where it is not the one that is called: google-auth knows.

        From GOOGLE_CLOUD_QUOTA_PROJECT, or a user's own credentials.
        """
        project: str | None = getattr(self._credentials, "quota_project_id", None)
        return project

    def impersonating(self, account: str) -> Credentials:
        """The credentials of a service account on which ours may create tokens."""
        from google.auth import credentials, impersonated_credentials  # noqa: PLC0415  (few need it)

        def find() -> Found:
            own, project = self._find()
            if not isinstance(own, credentials.Credentials):  # google-auth acts for others with its own only
                own, project = application_default()
            return impersonated_credentials.Credentials(own, account, SCOPES), project

        return Credentials(find)

    def _fetch(self, refused: str | None) -> str:
        return self._alone(lambda: self._fetch_locked(refused))

    def _alone(self, work: Callable[[], T]) -> T:
        """What `work` gives, done by one thread at a time; those that waited share its failure."""
        asked = time.monotonic()
        with self._lock:
            if self._failure and self._failure[0] >= asked:
                raise self._failure[1]
            try:
                return work()
            except exceptions.GoogleAuthError as error:
                fault = _fault(error)
                self._failure = (time.monotonic(), fault)
                raise fault from error

    def _fetch_locked(self, refused: str | None) -> str:
        credentials = self._credentials or self._look()
        if _left(credentials) < RENEWED or credentials.token == refused:
            credentials.refresh(_Request())
        return str(credentials.token)

    def _look(self) -> Account:
        found, self._project = self._find()
        self._credentials = self._credentials or found
        return self._credentials

    def _look_for_project(self) -> None:
        if self._project is None:  # another thread may have found it by now
            found = self._look()
            self._project = self._project or getattr(found, "project_id", None)

    def _fetch_aside(self) -> None:
        """Fetch the next token in good time; the caller has taken the lock."""
        try:
            self._fetch_locked(refused=None)
        except exceptions.GoogleAuthError:
            pass  # the old token serves on; the next request tries again
        finally:
            self._lock.release()


def _left(account: Account) -> timedelta:
    """For how long the account's token is good."""
    if not account.token:
        return _NOTHING
    return account.expiry - datetime.now(UTC).replace(tzinfo=None) if account.expiry else timedelta.max


def _fault(error: exceptions.GoogleAuthError) -> errors.ApiError:
    if isinstance(error, exceptions.DefaultCredentialsError):
        said = (
            "This function has no Google credentials. On Google Cloud, run it with a service account; "
            "on your machine, run `gcloud auth application-default login`."
        )
    else:
        said = "This function could not get an access token for Vertex AI from its service account."
    return errors.Unavailable(said, code="upstream_authentication_error")
