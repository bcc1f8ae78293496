"""The network: one pooled session, timeouts, retries before the first byte, and who is still listening.

Everything here is about bytes and sockets. What a request or an answer means is said elsewhere.

While Vertex is silent, a thread waits on two sockets: Vertex's and its own client's. So a client that leaves
ends the upstream call (and the bill) at once, also while the model thinks, and a stream can send signs of
life. `http.client` makes that possible through `response_class`.
"""

from __future__ import annotations

import copy
import enum
import http.client
import random
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import certifi
import msgspec
import requests
import requests.adapters
import requests.structures
import urllib3
import urllib3.connection
import urllib3.exceptions

from vertex_compat import __version__, errors, vertex
from vertex_compat.config import Settings
from vertex_compat.credentials import CallersToken, Credentials
from vertex_compat.wire import JSON, Model, Site, UpstreamCall

CONNECT_TIMEOUT: Final = 5.0
"""Seconds."""

RESUME_INCOMPLETE: Final = 308
"""How Cloud Storage says that it has taken a piece of an upload and waits for the next."""

_BLOCK: Final = 65_536
_LONGEST_ERROR: Final = 262_144
_HANGUP: Final[int] = getattr(select, "POLLRDHUP", 0)  # Linux; elsewhere a departure shows at the next write


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Client:
    """Whoever waits for our answer, seen as a socket that may hang up."""

    __slots__ = ("_fd",)

    def __init__(self, sock: socket.socket | None = None) -> None:
        self._fd = sock.fileno() if sock is not None else -1

    def watch(self, poll: select.poll) -> None:
        """Have `poll` wake up when the client leaves."""
        if self._fd >= 0:
            poll.register(self._fd, _HANGUP)

    def left(self, fired: Sequence[tuple[int, int]]) -> bool:
        """Whether the client is among what woke `poll` up."""
        return any(fd == self._fd for fd, _ in fired)

    def sleep(self, seconds: float) -> None:
        """Wait; raises `ClientGone` as soon as the client leaves."""
        poll = select.poll()
        self.watch(poll)
        if self.left(poll.poll(seconds * 1000)):
            raise ClientGone


class _Patience(NamedTuple):
    client: Client
    seconds: float


_waiting = threading.local()
"""`_waiting.patience` is what a thread's upstream call may wait for: `requests` has no way to hand it on."""


class _Response(http.client.HTTPResponse):
    """http.client's response, which knows whether a read would have to wait."""

    fp: Any  # a buffered reader, None when the body has been read

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.socket = sock

    def begin(self) -> None:
        """Wait for the status line, with an eye on the client."""
        patience: _Patience | None = getattr(_waiting, "patience", None)
        if patience and not self.at_hand():
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            patience.client.watch(poll)
            fired = poll.poll(patience.seconds * 1000)
            if patience.client.left(fired):
                raise ClientGone
            if not fired:
                raise TimeoutError("timed out")
        super().begin()

    def at_hand(self) -> bool:
        """Whether bytes of the body (or its end) have arrived that no poll on the socket would show."""
        if self.fp is None:
            return True
        timeout = self.socket.gettimeout()
        self.socket.settimeout(0)
        try:
            buffered = len(self.fp.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            buffered = 0
        finally:
            self.socket.settimeout(timeout)
        # Between two chunks the line end of the last one is still in the buffer.
        nothing = 2 if getattr(self, "chunk_left", None) == 0 else 0
        return buffered > nothing or bool(isinstance(self.socket, ssl.SSLSocket) and self.socket.pending())


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' adapter with our connections and one TLS context for all of them.

    Left alone, `requests` loads the CA bundle again for every new connection.
    """

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        context = ssl.create_default_context(cafile=certifi.where())
        super().init_poolmanager(connections, maxsize, block, ssl_context=context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def cert_verify(self, *_: Any) -> None:
        """The context verifies."""


class Answer(Protocol):
    """A good answer of the upstream (2xx) whose body is still to be read."""

    headers: Mapping[str, str]
    content_type: str
    location: str

    def fileno(self) -> int:
        """The socket to wait on."""

    def at_hand(self) -> bool:
        """Whether `read` returns at once, though a poll on the socket would not say so."""

    def read(self) -> bytes:
        """What is there, waiting for the first byte; `b""` at the end; raises `UpstreamFault` at a cut."""

    def close(self) -> None:
        """End the upstream call, or keep its connection for the next where the body was read to its end."""


class _HTTPAnswer:
    """An `Answer` over HTTP."""

    def __init__(self, response: requests.Response, location: str) -> None:
        self._response = response
        self.location = location
        self._raw: urllib3.HTTPResponse = response.raw
        self._http: _Response = self._raw._original_response  # type: ignore[assignment]  # noqa: SLF001  (the one way from requests to the response that our connection made)
        self._fd = self._http.socket.fileno()
        self.headers: Mapping[str, str] = response.headers
        self.content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def fileno(self) -> int:
        return self._fd

    def at_hand(self) -> bool:
        return self._http.at_hand()

    def read(self) -> bytes:
        try:
            while not self._http.isclosed():
                if data := self._raw.read1(_BLOCK, decode_content=True):
                    return data
            return self._raw.read(decode_content=True)  # what a decoder kept back
        except urllib3.exceptions.ReadTimeoutError as error:
            raise errors.DeadlineExceeded("Vertex AI stopped answering in mid-answer.") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise errors.UpstreamFault("The connection to Vertex AI broke in mid-answer.") from error

    def close(self) -> None:
        if self._http.isclosed():
            self._raw.release_conn()
        else:
            self._response.close()


class Transport:
    """Opens calls to Vertex. One for the process."""

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        self._settings = settings
        self._credentials: Credentials | CallersToken = credentials
        self._impersonated: dict[str, Credentials] = {}
        self._found: dict[str, str] = {}  # a model's resource → the location that answered last
        self._session = requests.Session()
        self._session.trust_env = False  # no proxies, no netrc: nothing but our token speaks for us
        adapter = _Adapter(pool_connections=32, pool_maxsize=settings.threads)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.headers = requests.structures.CaseInsensitiveDict(
            {
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
                "User-Agent": f"vertex_compat/{__version__}",
            }
        )

    def for_caller(self, token: str) -> Transport:
        """The same connections, with a caller's own access token: ours is not even looked for."""
        project = self._settings.project or self._settings.rules.file.project
        view = copy.copy(self)
        view._credentials = CallersToken(token, project)  # noqa: SLF001  (a copy of ourselves)
        return view

    def open(
        self, call: UpstreamCall, model: Model | Site, client: Client, *, retries: int | None = None
    ) -> Answer:
        """Make the call; returns when Vertex has begun a good answer.

        A location that does not have the model is left for the model's next. What cannot be done for now is
        tried again, `retries` times (as often as the settings say if None), in the next location where there
        is one, else after a pause (`Retry-After` obeyed). Nothing is tried again after this returned. Raises
        `ApiError`, `ClientGone`.
        """
        body = _content(call)
        places = self._places(model)
        latest = time.monotonic() + self._settings.deadline
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
                if not fault.again or attempt >= left or time.monotonic() + pause > latest:
                    if fault.again and attempt:
                        fault.headers["x-should-retry"] = "false"  # a client's retries would multiply ours
                    raise
                places.rotate(-1)
                client.sleep(pause)
                attempt += 1
            else:
                self._found[model.resource] = places[0]
                return answer

    def describe(self, call: UpstreamCall, model: Model | Site) -> JSON:
        """The call as it would be made first, without our token."""
        url = vertex.url(call, self._project(model), self._places(model)[0], self._settings.base_urls)
        body = call.body if call.content is None else f"{len(call.content)} bytes"
        return {"method": call.method, "url": url, "headers": dict(call.headers), "body": body}

    def _places(self, model: Model | Site) -> deque[str]:
        """Where to try, in order: where the model answered last time first, if it is one of its locations."""
        found = self._found.get(model.resource)
        return deque(sorted(model.locations, key=lambda location: location != found and not model.settled))

    def _attempt(
        self, call: UpstreamCall, model: Model | Site, location: str, body: bytes, client: Client
    ) -> Answer:
        """One try, and one more with a fresh token where the first one was refused."""
        credentials = self._credentials_of(model.account)
        url = vertex.url(call, self._project(model), location, self._settings.base_urls)
        token = credentials.token()
        for renewed in (False, True):
            headers = {**call.headers, "Authorization": f"Bearer {token}"}
            if quota := credentials.quota_project():
                headers["x-goog-user-project"] = quota
            try:
                response = self._send(call.method, url, body, headers, client)
            except requests.RequestException as error:
                raise _unreachable(error) from error
            if 200 <= response.status_code < 300 or response.status_code == RESUME_INCOMPLETE:
                return _HTTPAnswer(response, location)
            content = _error_content(response)
            if response.status_code != 401 or renewed:
                break
            token = credentials.renew(token)
        raise errors.from_upstream(response.status_code, content, response.headers)

    def _send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], client: Client
    ) -> requests.Response:
        _waiting.patience = _Patience(client, self._settings.patience)
        try:
            return self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                stream=True,
                timeout=(CONNECT_TIMEOUT, self._settings.patience),
                allow_redirects=False,
            )
        finally:
            _waiting.patience = None

    def _credentials_of(self, account: str | None) -> Credentials | CallersToken:
        """Our own credentials, or those of a service account that we act as."""
        if account is None:
            return self._credentials
        if account not in self._impersonated:
            self._impersonated[account] = self._credentials.impersonating(account)
        return self._impersonated[account]

    def _project(self, model: Model | Site) -> str:
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


def _unreachable(error: requests.RequestException) -> errors.ApiError:
    match error:
        case requests.exceptions.ReadTimeout():  # patience is at its end
            return errors.DeadlineExceeded("Vertex AI did not answer in time.")
        case requests.exceptions.SSLError():  # would fail again
            return errors.Unavailable("Vertex AI could not be reached over TLS.")
        case requests.exceptions.Timeout():
            return errors.DeadlineExceeded("Vertex AI could not be reached in time.", again=True)
        case requests.exceptions.ConnectionError():
            return errors.Unavailable("Vertex AI could not be reached.", again=True)
        case _:
            return errors.UpstreamFault("The call to Vertex AI failed before an answer came.")


def _error_content(response: requests.Response) -> bytes:
    """The body of a refusal, as far as it is needed; a connection that breaks in it changes nothing."""
    try:
        return bytes(response.raw.read(_LONGEST_ERROR, decode_content=True))
    except (urllib3.exceptions.HTTPError, OSError):
        return b""
    finally:
        response.close()


class Block(NamedTuple):
    """What one wake-up brought from answer number `answer`; `b""` is its end."""

    answer: int
    data: bytes


def listen(
    answers: Sequence[Answer], client: Client, *, keepalive: float, patience: float
) -> Iterator[Block | None]:
    """The bytes of all `answers` as they come; None after each `keepalive` seconds without any.

    Raises `ClientGone`, `DeadlineExceeded` after `patience` seconds of silence, `UpstreamFault` at a cut.
    """
    poll = select.poll()
    client.watch(poll)
    numbers = {answer.fileno(): number for number, answer in enumerate(answers)}
    for fd in numbers:
        poll.register(fd, select.POLLIN)
    ready = [fd for fd, number in numbers.items() if answers[number].at_hand()]
    tick = min(keepalive, patience)
    silent = 0.0
    while numbers:
        # Those that have more at hand go on at once, but not before the others had their turn.
        fired = poll.poll(0 if ready else tick * 1000)
        if client.left(fired):
            raise ClientGone
        ready += [fd for fd, _ in fired if fd not in ready]
        if not ready:
            silent += tick
            if silent >= patience:
                raise errors.DeadlineExceeded(f"Vertex AI was silent for {patience:g} seconds.")
            yield None
            continue
        silent = 0.0
        more = []
        for fd in ready:
            number = numbers[fd]
            data, state = _drain(answers[number])
            if data:
                yield Block(number, data)
            if state is _State.MORE:
                more.append(fd)
            elif state is _State.ENDED:
                poll.unregister(fd)
                del numbers[fd]
                yield Block(number, b"")
        ready = more


class _State(enum.Enum):
    DRY = enum.auto()
    MORE = enum.auto()
    ENDED = enum.auto()


def _drain(answer: Answer) -> tuple[bytes, _State]:
    """What is at hand, about a block of it at most, and how the answer stands then."""
    blocks: list[bytes] = []
    size = 0
    state = _State.MORE
    while size < _BLOCK and state is _State.MORE:
        block = answer.read()
        blocks.append(block)
        size += len(block)
        if not block:
            state = _State.ENDED
        elif not answer.at_hand():
            state = _State.DRY
    return b"".join(blocks), state
