"""The network: pooled connections, timeouts, retries before the first byte, and who is still listening.

Everything here is about bytes and sockets. What a request or an answer means is said elsewhere.

While Vertex is silent, a thread waits on two sockets: Vertex's and its own client's. So a client that leaves
ends the upstream call (and the bill), also while the model thinks, and a stream can send signs of life.
Connections and what is sent on them are urllib3's (`connections`); bodies are read here, straight from
the socket: what urllib3 and `http.client` do for each chunk costs more than all else that happens to it.
"""

from __future__ import annotations

import copy
import os
import random
import re
import select
import ssl
import time
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from math import ceil
from typing import Any, Final, Protocol

import msgspec
import urllib3
import urllib3.exceptions
import urllib3.response

from vertex_compat import __version__, errors, vertex
from vertex_compat.config.settings import Settings
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream import connection_pool, http_body
from vertex_compat.upstream.connection_pool import POLL_SECONDS, WOULD_BLOCK
from vertex_compat.upstream.credentials import CallerCredentials, Credentials

CONNECT_TIMEOUT: Final = 5.0
"""Seconds."""

RESUME_INCOMPLETE: Final = 308
"""How Cloud Storage says that it has taken a piece of an upload and waits for the next."""

_HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": f"vertex_compat/{__version__}",
}

_NAME: Final = re.compile(r"[\w.:/=+-]{1,128}", re.ASCII)
_BLOCK: Final = 16_384  # bytes of TLS's longest record, so that none is read in part
_SIP: Final = 2_048  # bytes that are kept free for a read that waits
_MAX_ERROR: Final = 262_144


class UpstreamResponse(Protocol):
    """A good answer of the upstream (2xx) whose body is still to be read."""

    headers: Mapping[str, str]
    content_type: str
    location: str
    complete: bool
    """Whether its body has been read to the end."""

    def fileno(self) -> int:
        """The socket to wait on."""

    def read_available(self) -> bytes:
        """What has come, without waiting unless it lingers; may be nothing. Raises `UpstreamFault` at a cut.

        The first read may bring what no wait on the socket would tell of.
        """

    def set_blocking(self, lingers: bool) -> None:
        """Whether reads, after the first, wait for `POLL_SECONDS` where nothing has come."""

    def close(self) -> None:
        """End the upstream call, or keep its connection for the next where the body was read to its end."""


class _HTTPAnswer:
    """An `UpstreamResponse` over HTTP, read from its socket."""

    def __init__(self, response: urllib3.BaseHTTPResponse, location: str) -> None:
        self._http: connection_pool.PooledResponse = response._original_response  # type: ignore[attr-defined]  # noqa: SLF001  (the one way to the response that our connection made)
        self.location = location
        self.headers: Mapping[str, str] = response.headers
        self.content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self._response = response
        self._keeps = not self._http.will_close
        self._framing = http_body.of(chunked=bool(self._http.chunked), length=self._http.length)
        self._decoder = _decoder(self.headers.get("Content-Encoding", ""))
        sock = self._http.socket
        self._fd: int = sock.fileno()
        if sock.gettimeout() != 0:
            sock.settimeout(0)
        self._receive = sock.read if isinstance(sock, ssl.SSLSocket) else sock.recv
        self._begun = False
        self._size = _BLOCK
        self.complete = self._framing.ended

    def fileno(self) -> int:
        return self._fd

    def set_blocking(self, lingers: bool) -> None:
        if lingers != (self._size == _SIP):
            self._size = _SIP if lingers else _BLOCK
            os.set_blocking(self._fd, lingers)  # for the kernel: Python goes on to expect that reads may fail

    def read_available(self) -> bytes:
        try:
            data = self._receive(self._size) if self._begun else self._early() or self._receive(_BLOCK)
            if data:
                if len(data) == _SIP:
                    data += self._pending()
                body = self._framing.feed(data)
            else:
                self._framing.close()
                body = b""
        except WOULD_BLOCK:
            return b""
        except (OSError, http_body.ProtocolError) as error:
            raise errors.UpstreamFault(
                "The connection to Vertex AI broke in mid-answer.", retryable=True
            ) from error
        self.complete = self._framing.ended
        return self._decoded(body) if self._decoder else body

    def _early(self) -> bytes:
        """What of the body came with the headers, and is in a buffer by now. The buffer is given up."""
        self._begun = True
        try:
            early = bytes(self._http.fp.read1(_BLOCK))
        except WOULD_BLOCK:
            early = b""
        if early:
            early += self._pending()
        if self._keeps:  # else the socket would be closed with it
            self._http.close()
        return early

    def _pending(self) -> bytes:
        """The rest of a TLS record of which a part has been read: no poll would tell of it."""
        sock = self._http.socket
        return sock.read(_BLOCK) if isinstance(sock, ssl.SSLSocket) and sock.pending() else b""

    def _decoded(self, body: bytes) -> bytes:
        try:
            return bytes(self._decoder.decompress(body) + (self._decoder.flush() if self.complete else b""))
        except (urllib3.exceptions.DecodeError, zlib.error) as error:
            raise errors.UpstreamFault("Vertex AI answered something that cannot be decoded.") from error

    def close(self) -> None:
        if not (self.complete and self._keeps) or self._framing.surplus:
            self._response.close()
        self._http.close()
        self._response.release_conn()


def _decoder(encoding: str) -> Any:
    """urllib3's decoder of a body that is compressed though we never ask for it, None for one that is not."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return urllib3.response.GzipDecoder()
        case "deflate":
            return urllib3.response.DeflateDecoder()
        case _:
            raise errors.UpstreamFault("Vertex AI answered in an encoding that nobody asked for.")


class HttpTransport:
    """Opens calls to Vertex. One for the process."""

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        self._settings = settings
        self._credentials: Credentials | CallerCredentials = credentials
        self._impersonated: dict[str, Credentials] = {}
        self._found: dict[str, str] = {}  # a model's resource → the location that answered last
        self._timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=settings.upstream_timeout)
        self._pools = connection_pool.Pools(settings.threads)

    def for_caller(self, token: str) -> HttpTransport:
        """The same connections, with a caller's own access token: ours is not even looked for."""
        project = self._settings.project or self._settings.routing.file.project
        view = copy.copy(self)
        view._credentials = CallerCredentials(token, project, self._settings.quota_project)  # noqa: SLF001  (a copy of ourselves)
        return view

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> UpstreamResponse:
        """Make the call; returns when Vertex has begun a good answer.

        A location that does not have the model is left for the model's next. What cannot be done for now is
        tried again, `retries` times (as often as the settings say if None), in the next location where there
        is one, else after a pause (`Retry-After` obeyed). Nothing is tried again after this returned. Raises
        `ApiError`, `ClientGone`.
        """
        body = _content(call)
        places = self._places(model)
        latest = time.monotonic() + self._settings.retry_deadline
        left = self._settings.retries if retries is None else retries
        attempt = 0
        while True:
            try:
                answer = self._attempt(call, model, places[0], body, client)
            except errors.NotFound:
                if len(places) == 1:
                    raise
                places.popleft()
            except errors.ApiError as fault:
                pause = _pause(attempt, fault) if attempt + 1 >= len(places) else 0
                if not fault.retryable or attempt >= left or time.monotonic() + pause > latest:
                    if fault.retryable and attempt:
                        fault.headers["x-should-retry"] = "false"  # a client's retries would multiply ours
                    raise
                places.rotate(-1)
                client.sleep(pause)
                attempt += 1
            else:
                self._found[model.resource] = places[0]
                return answer

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """The call as it would be made first, without our token."""
        url = vertex.url(call, self._project(model), self._places(model)[0], self._settings.base_urls)
        body = call.body if call.content is None else f"{len(call.content)} bytes"
        return {"method": call.method, "url": url, "headers": dict(call.headers), "body": body}

    def _places(self, model: Model | ResourceTarget) -> deque[str]:
        """Where to try, in order: where the model answered last time first, if it is one of its locations."""
        found = self._found.get(model.resource)
        return deque(
            sorted(model.locations, key=lambda location: location != found and not model.location_pinned)
        )

    def _attempt(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        location: str,
        body: bytes,
        client: ClientConnection,
    ) -> UpstreamResponse:
        """One try, and one more with a fresh token where the first one was refused."""
        credentials = self._credentials_of(model.impersonate_account)
        url = vertex.url(call, self._project(model), location, self._settings.base_urls)
        token = credentials.token()
        for renewed in (False, True):
            headers = {**_HEADERS, **call.headers, "Authorization": f"Bearer {token}"}
            if client.request:  # a place in Google's audit logs
                headers["x-goog-request-reason"] = client.request
            if quota := credentials.quota_project():
                headers["x-goog-user-project"] = quota
            name = ""
            try:
                response = self._send(call.method, url, body, headers, client)
                name = _name(response.headers)
            except urllib3.exceptions.HTTPError as error:
                raise _unreachable(error) from error
            finally:
                client.calls.append(name)
            answer = _HTTPAnswer(response, location)
            if 200 <= response.status < 300 or response.status == RESUME_INCOMPLETE:
                return answer
            content = _error_content(answer, client)
            if response.status != 401 or renewed:
                break
            token = credentials.renew(token)
        raise errors.from_upstream(response.status, content, response.headers)

    def _send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], client: ClientConnection
    ) -> urllib3.BaseHTTPResponse:
        scheme, _, rest = url.partition("://")
        host, _, target = rest.partition("/")
        connection_pool.wait_for(client, self._settings.upstream_timeout)
        return self._pools.of(f"{scheme}://{host}").urlopen(
            method,
            f"/{target}",
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
            preload_content=False,
        )

    def _credentials_of(self, account: str | None) -> Credentials | CallerCredentials:
        """Our own credentials, or those of a service account that we act as."""
        if account is None:
            return self._credentials
        if account not in self._impersonated:
            self._impersonated[account] = self._credentials.impersonating(account)
        return self._impersonated[account]

    def _project(self, model: Model | ResourceTarget) -> str:
        project = model.project or self._credentials.project()
        if not project:
            raise errors.UpstreamFault(
                "This function does not know its Google Cloud project: the credentials name none. "
                "Set GOOGLE_CLOUD_PROJECT.",
                code="project_not_set",
            )
        named = model.named_project
        if named and named != project and not (named.isdecimal() or project.isdecimal()):
            raise errors.NotFound(
                "The endpoint is in another project.", param="model", code="model_not_found"
            )
        return project


def _content(call: UpstreamCall) -> bytes:
    if call.content is not None:
        return call.content
    return msgspec.json.encode(call.body) if call.method in {"POST", "PATCH"} else b""


def _pause(attempt: int, fault: errors.ApiError) -> float:
    """Seconds before the next try: what the upstream asks for, else exponential with jitter."""
    asked = fault.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    return 0.5 * 2.0**attempt * random.uniform(0.5, 1.5)  # noqa: S311  (jitter, not a secret)


def _name(headers: Mapping[str, str]) -> str:
    """What an answer calls itself, in the words of whoever gave it."""
    name = headers.get("request-id") or headers.get("x-request-id") or ""
    return name if _NAME.fullmatch(name) else ""


def _unreachable(error: urllib3.exceptions.HTTPError) -> errors.ApiError:
    match error:
        case urllib3.exceptions.SSLError():  # would fail again
            return errors.Unavailable("Vertex AI could not be reached over TLS.")
        case urllib3.exceptions.NewConnectionError() | urllib3.exceptions.ProtocolError():
            return errors.Unavailable("Vertex AI could not be reached.", retryable=True)
        case urllib3.exceptions.TimeoutError():  # also in the middle of TLS's handshake
            return errors.DeadlineExceeded("Vertex AI could not be reached in time.", retryable=True)
        case _:
            return errors.UpstreamFault("The call to Vertex AI failed before an answer came.")


def _error_content(answer: UpstreamResponse, client: ClientConnection) -> bytes:
    """The body of a refusal, as far as it is needed; a connection that breaks in it changes nothing."""
    content: list[bytes] = []
    with closing(answer), suppress(errors.ApiError):
        for block in multiplex([answer], client, keepalive=CONNECT_TIMEOUT, patience=CONNECT_TIMEOUT):
            content.append(block[1] if block else b"")
            if sum(map(len, content)) > _MAX_ERROR:
                break
    return b"".join(content)


Block = tuple[int, bytes]
"""The number of an answer, and what one wake-up brought of it; `b""` is its end."""


def multiplex(
    answers: Sequence[UpstreamResponse], client: ClientConnection, *, keepalive: float, patience: float
) -> Iterator[Block | None]:
    """The bytes of all `answers` as they come; None after each `keepalive` seconds without any.

    Raises `ClientGone`, `DeadlineExceeded` after `patience` seconds of silence, `UpstreamFault` at a cut.

    A single answer's next bytes are waited for in the read itself, and only when nothing comes for a moment
    in a poll: each wait gives the interpreter's lock up and has to get it again, which is what ends the
    number of streams that an instance can hold. The client is looked at once a moment all the same.
    """
    poll = select.poll()
    client.watch(poll)
    waiting: dict[int, tuple[int, UpstreamResponse]] = {}
    for number, answer in enumerate(answers):
        waiting[answer.fileno()] = number, answer
        poll.register(answer.fileno(), select.POLLIN)
        answer.set_blocking(False)
    tick = min(keepalive, patience)
    lingers = len(answers) == 1 and tick > POLL_SECONDS
    milliseconds = ceil(tick * 1000)
    silent = 0.0
    fired = [(fd, select.POLLIN) for fd in waiting]  # what came with the headers is read first
    while True:
        look = (
            time.monotonic() + POLL_SECONDS if lingers else 0
        )  # when to poll again, though more may come; 0: at once
        for fd, _ in fired:
            if fd not in waiting:
                client.raise_if_closed(fired)
            number, answer = waiting[fd]
            while not answer.complete and (data := answer.read_available()):
                yield number, data
                if time.monotonic() > look:
                    break
            if answer.complete:
                poll.unregister(fd)
                del waiting[fd]
                yield number, b""
        if not waiting:
            return
        if lingers:
            answers[0].set_blocking(True)
        fired = poll.poll(milliseconds)
        if fired:
            silent = 0.0
            continue
        silent += tick
        if silent >= patience:
            raise errors.DeadlineExceeded(f"Vertex AI was silent for {patience:g} seconds.")
        yield None
