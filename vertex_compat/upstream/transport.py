"""Calls to Google's services: credentials, locations, timeouts, and retries.

Everything here is about bytes; `publishers` and `services` know what requests and responses mean.
"""

from __future__ import annotations

import http.client
import random
import re
import ssl
import time
from collections import deque
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Final

import msgspec

from vertex_compat import __version__, errors, vertex
from vertex_compat.config.settings import Settings
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.types import JSON, Model, ResourceTarget, Service, UpstreamCall
from vertex_compat.upstream.connection_pool import CONNECT_TIMEOUT_SECONDS, ConnectionPools
from vertex_compat.upstream.credentials import CallerCredentials, Credentials
from vertex_compat.upstream.network import CA_VARIABLES, Network
from vertex_compat.upstream.response import HTTPUpstreamResponse, UpstreamResponse, multiplex

RESUME_INCOMPLETE: Final = 308
"""Cloud Storage's status for a piece of an upload that it has taken, with more to come."""

MAX_ERROR_BYTES: Final = 262_144
"""Of an error's body; the rest is not read."""

_HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": f"vertex_compat/{__version__}",
}

_REQUEST_ID: Final = re.compile(r"[\w.:/=+-]{1,128}", re.ASCII)


class _Shared(msgspec.Struct, frozen=True):
    """State shared by the transports of all callers.

    `impersonated` has the credentials of the service accounts that were impersonated, `last_good_location`
    the location that answered last, by the model's resource.
    """

    pools: ConnectionPools
    impersonated: dict[str, Credentials] = msgspec.field(default_factory=dict)
    last_good_location: dict[str, str] = msgspec.field(default_factory=dict)


class HttpTransport:
    """Opens calls to Google's services with one identity, the process's or a caller's."""

    def __init__(
        self, settings: Settings, credentials: Credentials | CallerCredentials, shared: _Shared | None = None
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._shared = shared or _Shared(ConnectionPools(settings.threads, Network.from_settings(settings)))

    def for_caller(self, token: str) -> HttpTransport:
        """Return a transport over the same connections with a caller's access token."""
        project = self._settings.project or self._settings.routing.file.project
        credentials = CallerCredentials(token, project, self._settings.quota_project)
        return HttpTransport(self._settings, credentials, self._shared)

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> UpstreamResponse:
        """Make a call; return its response when the head of a successful one has arrived.

        If a location does not have the model, the model's next location is called. A retryable failure is
        retried `retries` times (None: as the settings say). The retry is in the next location if there is
        one, else after a delay that obeys `Retry-After`. Nothing is retried after this has returned. Raises
        `ApiError`, `ClientDisconnected`.
        """
        body = _content(call)
        locations = self._candidate_locations(model)
        deadline = time.monotonic() + self._settings.retry_deadline
        max_retries = self._settings.retries if retries is None else retries
        attempt = 0
        while True:
            try:
                response = self._attempt(call, model, locations[0], body, client)
            except errors.NotFound:
                if len(locations) == 1:
                    raise
                locations.popleft()
            except errors.ApiError as fault:
                delay = _backoff_delay(attempt, fault) if attempt + 1 >= len(locations) else 0
                if not fault.retryable or attempt >= max_retries or time.monotonic() + delay > deadline:
                    if fault.retryable and attempt:
                        fault.headers["x-should-retry"] = "false"  # a client's retries would multiply ours
                    raise
                locations.rotate(-1)
                client.sleep(delay)
                attempt += 1
            else:
                self._shared.last_good_location[model.resource] = locations[0]
                return response

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """Return the first request that `open` would send, without credentials."""
        location = self._candidate_locations(model)[0]
        url = vertex.url(call, self.project(model), location, self._settings.base_urls)
        body = call.body if call.content is None else f"{len(call.content)} bytes"
        return {"method": call.method, "url": url, "headers": dict(call.headers), "body": body}

    def _candidate_locations(self, model: Model | ResourceTarget) -> deque[str]:
        """Return the locations to try, in order; the one that answered last is the first."""
        last = self._shared.last_good_location.get(model.resource)
        return deque(
            sorted(model.locations, key=lambda location: location != last and not model.location_pinned)
        )

    def _attempt(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        location: str,
        body: bytes,
        client: ClientConnection,
    ) -> UpstreamResponse:
        """Make the call once, and once more with a new token if the first one was refused."""
        credentials = self._credentials_of(model.impersonate_account)
        url = vertex.url(call, self.project(model), location, self._settings.base_urls)
        token = credentials.token()
        for renewed in (False, True):
            headers = {**_HEADERS, **call.headers, "Authorization": f"Bearer {token}"}
            if client.request:  # Google's audit logs show it
                headers["x-goog-request-reason"] = client.request
            if quota := credentials.quota_project():
                headers["x-goog-user-project"] = quota
            response = self._send(call.method, url, body, headers, location, client)
            if 200 <= response.status < 300 or response.status == RESUME_INCOMPLETE:
                return response
            content = _error_content(response, client)
            if response.status != 401 or renewed:
                break
            token = credentials.renew(token)
        raise _with_role(errors.from_upstream(response.status, content, response.headers), call.service)

    def _send(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        location: str,
        client: ClientConnection,
    ) -> HTTPUpstreamResponse:
        """Send one request; raises `ApiError` if no response arrives."""
        scheme, _, authority_and_path = url.partition("://")
        host, _, target = authority_and_path.partition("/")
        request_id = ""
        try:
            pool = self._shared.pools.pool_for(f"{scheme}://{host}")
            connection, response = pool.request(
                method, f"/{target}", body, headers, client, self._settings.upstream_timeout
            )
            request_id = _upstream_request_id(response.headers)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(error) from error
        finally:
            client.calls.append(request_id)
        return HTTPUpstreamResponse(connection, response, location, pool.release)

    def _credentials_of(self, account: str | None) -> Credentials | CallerCredentials:
        """Return our own credentials, or those of a service account to impersonate."""
        if account is None:
            return self._credentials
        impersonated = self._shared.impersonated
        if account not in impersonated:
            impersonated[account] = self._credentials.impersonating(account)
        return impersonated[account]

    def project(self, model: Model | ResourceTarget) -> str:
        """Return the Google Cloud project that calls to `model` are made in; raises `ApiError`."""
        project = model.project or self._credentials.project()
        if not project:
            raise errors.UpstreamFault(
                "The credentials of this function name no Google Cloud project. Set GOOGLE_CLOUD_PROJECT.",
                code="project_not_set",
            )
        project_name = model.named_project
        if project_name and project_name != project and not (project_name.isdecimal() or project.isdecimal()):
            raise errors.NotFound(
                "The endpoint is in another project.", param="model", code="model_not_found"
            )
        return project


def _with_role(error: errors.ApiError, service: Service) -> errors.ApiError:
    """Return an error of a service beside Vertex AI, with the role that is missing where one is."""
    role = vertex.ROLES.get(service) if service not in {"aiplatform", "storage"} else None
    if role and error.status == 403 and "disabled" not in error.message:
        error.message += f" The function's service account needs the role {role}."
    return error


def _content(call: UpstreamCall) -> bytes:
    if call.content is not None:
        return call.content
    return msgspec.json.encode(call.body) if call.method in {"POST", "PATCH"} else b""


def _backoff_delay(attempt: int, fault: errors.ApiError) -> float:
    """Return the seconds before the next attempt: the upstream's, else exponential with jitter."""
    retry_after = fault.headers.get("Retry-After", "")
    if retry_after.isdecimal():
        return float(retry_after)
    return 0.5 * 2.0**attempt * random.uniform(0.5, 1.5)  # noqa: S311  (jitter, not a secret)


def _upstream_request_id(headers: Mapping[str, str]) -> str:
    """Return the id that the upstream gave to the call, "" if it gave none."""
    request_id = headers.get("request-id") or headers.get("x-request-id") or ""
    return request_id if _REQUEST_ID.fullmatch(request_id) else ""


def _unreachable(error: Exception) -> errors.ApiError:
    """Return the client's error for a call that got no response."""
    match error:
        case ssl.SSLCertVerificationError():
            return errors.Unavailable(
                f"The certificate of Vertex AI's host is not trusted: {error.verify_message}. "
                f"If it is signed by a company's own authority, name its certificate in {CA_VARIABLES}.",
                code="certificate_not_trusted",
            )
        case ssl.SSLError():  # the next attempt would fail too
            return errors.Unavailable("Vertex AI could not be reached over TLS.")
        case OSError(args=(str(message),)) if message.startswith("Tunnel connection failed"):
            return errors.Unavailable(f"The proxy did not connect to Vertex AI ({message[-40:]}).")
        case TimeoutError():  # TLS's handshake included
            return errors.DeadlineExceeded("Vertex AI did not answer in time.", retryable=True)
        case http.client.InvalidURL():
            return errors.UpstreamFault("The URL of Vertex AI is invalid.")
        case _:
            return errors.Unavailable("Vertex AI could not be reached.", retryable=True)


def _error_content(response: UpstreamResponse, client: ClientConnection) -> bytes:
    """Return the body of an error response. If the connection breaks, the body ends there."""
    blocks: list[bytes] = []
    with closing(response), suppress(errors.ApiError):
        for block in multiplex(
            [response], client, keepalive=CONNECT_TIMEOUT_SECONDS, timeout=CONNECT_TIMEOUT_SECONDS
        ):
            blocks.append(block[1] if block else b"")
            if sum(map(len, blocks)) > MAX_ERROR_BYTES:
                break
    return b"".join(blocks)
