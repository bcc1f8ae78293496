"""Flask request → operation → Flask response.

Errors get the form of the client's API here, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import flask
import msgspec

from vertex_compat import errors, ids, routes
from vertex_compat.config.settings import Settings
from vertex_compat.error_formats import ErrorFormat
from vertex_compat.limits.limiter import Limiter
from vertex_compat.limits.stores import open_store
from vertex_compat.operations.context import (
    DryRunTransport,
    EventStream,
    FileBody,
    ListVertexModels,
    RequestContext,
    Response,
    StreamingBody,
)
from vertex_compat.operations.resource_rules import CheckedTransport, ResourceRules
from vertex_compat.routing.router import Router
from vertex_compat.server import cors, wsgi_server
from vertex_compat.server.auth import ANONYMOUS, Authenticator, Caller
from vertex_compat.server.capacity.concurrency import ConcurrencyLimiter
from vertex_compat.server.capacity.memory_budget import MemoryBudget
from vertex_compat.server.capacity.request_resources import RequestResources
from vertex_compat.server.client_connection import ClientConnection, ClientDisconnected
from vertex_compat.server.error_log import log_unexpected
from vertex_compat.server.gunicorn_hooks import GunicornHooks
from vertex_compat.server.request_body import RequestBody
from vertex_compat.server.request_log import CLIENT_DISCONNECTED, RequestLog
from vertex_compat.upstream.dedicated_endpoints import DedicatedEndpointTransport
from vertex_compat.upstream.interface import RootTransport
from vertex_compat.upstream.linked_files import CountBytes, Fetched, LinkedFiles
from vertex_compat.upstream.network import Network

if TYPE_CHECKING:
    from vertex_compat.upstream.url_fetcher import UrlFetcher

CLIENT_CLOSED_REQUEST: Final = 499

EncodeError: TypeAlias = Callable[[errors.ApiError], bytes]
"""Encodes an error as the end of a stream."""

_NO_DEBUG: Final = (
    "'x-vertex-compat-debug' shows the project and the bucket, so a deployed function allows it only to keys "
    "with `debug = true` in their [keys.NAME]."
)

_UNEXPECTED: Final = errors.ApiError("This function failed in an unexpected way; its log says how.")


class _Request(NamedTuple):
    """A client's request: its path without the base path, its connection and its resources."""

    flask: flask.Request
    path: str
    client: ClientConnection
    body: RequestBody
    resources: RequestResources
    log: RequestLog

    @property
    def is_head(self) -> bool:
        """True for a request for the headers of a response."""
        return self.flask.method == "HEAD"

    @property
    def method(self) -> str:
        """The method of the operation that answers: GET for HEAD."""
        return "GET" if self.is_head else self.flask.method

    def free_body(self) -> None:
        """Free the body of a stream that has begun: only the translated request is needed."""
        self.body.discard()
        self.resources.memory.release_half()


class App:
    """The function; one for the process.

    Each of `on_request_end` is called with the log entry and the status of each request that has ended.
    """

    def __init__(
        self,
        settings: Settings,
        transport: RootTransport,
        on_request_end: Sequence[Callable[[RequestLog, int], None]] = (),
        server: GunicornHooks | None = None,
    ) -> None:
        self._on_request_end = on_request_end
        self._settings = settings
        self._transport = DedicatedEndpointTransport(transport)
        self._server = server or GunicornHooks()
        self._router = Router(settings.routing, settings.project, settings.location)
        self._authenticator = Authenticator(settings)
        self._limiter = ConcurrencyLimiter(settings.threads)
        self._key_limits = Limiter(
            open_store(settings.redis_url), settings.routing.file.on_limit_store_failure
        )
        self._memory_budget = MemoryBudget.from_settings(settings)
        self._list_vertex_models = self._model_list() if settings.list_vertex_models else None

    def running(self) -> int:
        """Return how many requests run now."""
        return self._settings.threads - self._limiter.free()

    def free(self) -> int:
        """Return how many more requests this instance takes now."""
        return self._limiter.free()

    def handle(self, request: flask.Request) -> flask.Response:
        """Answer one request, and write its line in the log when it has ended. Never raises."""
        path = self._without_base_path(request.path)
        sock = wsgi_server.client_socket(request.environ)
        self._server.take_over(sock)
        log = RequestLog.start(request.method, path, request.environ)
        resources = RequestResources(self._limiter, self._memory_budget)
        body = RequestBody(
            wsgi_server.take_body(request.environ),
            self._settings.max_body,
            resources.memory,
            sock,
            self._server.deadlines,
            self._settings.body_timeout,
        )
        error_format = routes.error_format(path, lambda name: request.headers.get(name, ""))
        client = ClientConnection(sock, log.id, log.calls, self._server.shutdown_fd)
        response = self._respond(_Request(request, path, client, body, resources, log), error_format)
        body.drain()
        response.headers.extend(log.headers() | {error_format.request_id_header: log.id})
        if self._settings.cors_origins:
            response.headers.extend(
                cors.headers(self._settings.cors_origins, request.method, request.headers.get)
            )
        log.target = response.headers.get("x-vertex-compat-target")
        log.ignored = response.headers.get("x-vertex-compat-ignored")
        response.headers.extend(_accounting_headers(log, whole=not isinstance(response, _StreamingResponse)))
        response.call_on_close(partial(self._end, log, response.status_code, resources))
        return response

    def _without_base_path(self, path: str) -> str:
        """Return a path without the prefix that a proxy in front has not removed."""
        base = self._settings.base_path
        return path[len(base) :] or "/" if base and f"{path}/".startswith(f"{base}/") else path

    def _model_list(self) -> ListVertexModels:
        from vertex_compat.upstream.model_list import ModelList  # noqa: PLC0415  (few settings ask for it)

        return ModelList(self._transport, self._router).names

    @cached_property
    def _fetcher(self) -> UrlFetcher:
        from vertex_compat.upstream.url_fetcher import UrlFetcher  # noqa: PLC0415  (few requests link to files)

        return UrlFetcher(Network.from_settings(self._settings))

    def _end(self, log: RequestLog, status: int, resources: RequestResources) -> None:
        resources.release()
        log.write(status, project=self._settings.project, deployed=self._settings.on_cloud_run)
        for notify in self._on_request_end:
            notify(log, status)
        if log.allowance:
            log.allowance.settle(*_amounts_used(log))

    def _respond(self, request: _Request, error_format: ErrorFormat) -> flask.Response:
        log, headers = request.log, request.flask.headers
        if self._settings.cors_origins and cors.is_preflight(request.flask.method, headers.get):
            return flask.Response(status=204)
        try:
            return self._operation_response(request, error_format)
        except errors.ApiError as error:
            log.error = error.code or error.type
            return _error_response(error, error_format, log)
        except ClientDisconnected:
            log.error = CLIENT_DISCONNECTED
            return flask.Response(status=CLIENT_CLOSED_REQUEST)
        except Exception as error:  # noqa: BLE001  (the only place: a client never sees a traceback)
            log_unexpected(error)
            log.error = _UNEXPECTED.type
            return _error_response(_UNEXPECTED, error_format, log)

    def _operation_response(self, request: _Request, error_format: ErrorFormat) -> flask.Response:
        """Return the operation's response; raises its errors, also those before the first event."""
        log = request.log
        result = self._run_operation(request)
        if request.is_head:
            return _head_response(result)
        response = _flask_response(result, log, lambda error: error_format.event(error, log.id))
        if isinstance(response, _StreamingResponse):
            request.free_body()
        return response

    def _run_operation(self, request: _Request) -> Response:
        caller = self._admit(request)
        operation, path_args = routes.find(request.flask.method, request.path)
        _check_rights(caller, routes.operation_name(operation, request.path))
        return operation(self._context(request, caller, path_args))

    def _context(self, request: _Request, caller: Caller, path_args: Mapping[str, str]) -> RequestContext:
        headers, log = request.flask.headers, request.log
        dry_run = self._is_dry_run(request, caller)
        router = self._router.for_key(caller.key, caller.rule)
        owner = ids.owner_name(None if self._settings.routing.file.shared_files else caller.key)
        transport = CheckedTransport(
            self._transport.for_caller(caller.token) if caller.token else self._transport,
            ResourceRules(self._settings, router, owner, caller.key),
            request.body.read,
        )
        files = LinkedFiles(self._fetch_file, request.resources.memory.add)
        return RequestContext(
            read=request.body.read,
            iter_body=request.body.iter_chunks,
            content_type=request.flask.environ.get("CONTENT_TYPE", ""),
            path_args=path_args,
            query=lambda: request.flask.args,
            header=lambda name: headers.get(name, ""),
            headers=lambda: [(name.lower(), value) for name, value in headers.items()],
            method=request.method,
            head_only=request.is_head,
            client=request.client,
            settings=self._settings,
            fetch_url=files.fetch if self._settings.fetch_links else None,
            list_vertex_models=self._list_vertex_models,
            router=router,
            log=log,
            transport=DryRunTransport(transport) if dry_run else transport,
            owner=owner,
            dry_run=dry_run,
            allowance=log.allowance,
        )

    def _is_dry_run(self, request: _Request, caller: Caller) -> bool:
        """Return whether the request is to be described, not sent; raises `Forbidden`."""
        if request.flask.headers.get("x-vertex-compat-debug") != "request":
            return False
        if not (caller.rule.debug if caller.rule else not self._settings.on_cloud_run):
            raise errors.Forbidden(_NO_DEBUG, param="x-vertex-compat-debug")
        return True

    def _fetch_file(self, url: str, param: str, count: CountBytes) -> Fetched:
        return self._fetcher.fetch(url, param, count)

    def _admit(self, request: _Request) -> Caller:
        """Authenticate the caller, then occupy a slot.

        Raises `Unauthorized`, `Forbidden`, `RateLimited`.
        """
        resource = routes.resource(request.path)
        if resource in routes.OPEN:
            return ANONYMOUS
        caller = self._authenticate(request.flask, public=resource in routes.PUBLIC)
        request.log.key = caller.key
        request.resources.acquire_slot()
        request.log.allowance = self._key_limits.allowance(caller.key, caller.rule)
        return caller

    def _authenticate(self, request: flask.Request, *, public: bool) -> Caller:
        return self._authenticator.authenticate(request.environ, _api_key(request), public=public)


def _check_rights(caller: Caller, operation: str) -> None:
    """Raise `Forbidden` if the rule of the caller's key does not list the operation."""
    if caller.rule and operation not in caller.rule.operations:
        raise errors.Forbidden(
            f"The API key {caller.key!r} may not use {operation}: `operations` of its rule does not list it.",
            code="operation_not_allowed",
        )


def _api_key(request: flask.Request) -> str | None:
    """Return the API key where Anthropic's, Azure's and Google's clients send it."""
    headers = request.headers
    key = headers.get("x-api-key") or headers.get("api-key") or headers.get("x-goog-api-key")
    if not key and routes.takes_key_in_query(request.path):
        key = request.args.get("key")
    return key or None


def _accounting_headers(log: RequestLog, *, whole: bool) -> dict[str, str]:
    """Return what is left of the key's limits, and what a whole response has cost."""
    headers = log.allowance.headers() if log.allowance else {}
    if whole and (cost := log.cost_usd()) is not None:
        headers["x-vertex-compat-cost-usd"] = f"{cost:.9f}".rstrip("0").rstrip(".")
    return headers


def _amounts_used(log: RequestLog) -> tuple[int | None, int | None]:
    """Return the tokens and nano-dollars that a request has used; None for what is not known.

    Nothing is used where no model has answered, unless the client has left a model that was about to.
    """
    if log.usages or log.units:
        return log.tokens(), log.cost()
    is_billed = log.target or (log.error == CLIENT_DISCONNECTED and log.calls)
    return (None, None) if is_billed else (0, 0)


def _error_response(error: errors.ApiError, error_format: ErrorFormat, log: RequestLog) -> flask.Response:
    return _json(error_format.status(error), error_format.body(error, log.id), error.headers)


def _flask_response(response: Response, log: RequestLog, encode_error: EncodeError) -> flask.Response:
    answer = _with_body(response, log, encode_error)
    if response.after:
        answer.call_on_close(response.after)
    return answer


def _with_body(response: Response, log: RequestLog, encode_error: EncodeError) -> flask.Response:
    match response.body:
        case StreamingBody():
            return _download(response.status, response.body, response.headers, log)
        case EventStream():
            return _stream(response.body, response.headers, log, encode_error)
        case body:
            return _file_or_json(response.status, body, response.headers)


def _head_response(response: Response) -> flask.Response:
    """Return the headers of a response: RFC 9110, section 9.3.2.

    Werkzeug leaves out the body of a whole response.
    """
    match response.body:
        case StreamingBody(stream, content_type) | EventStream(stream, content_type):
            next(stream, None)  # an error before the first chunk is an HTTP status
            if close := getattr(stream, "close", None):
                close()
            answer = flask.Response(iter(()), response.status, content_type=content_type)
            answer.headers.extend(response.headers)
            return answer
        case body:
            return _file_or_json(response.status, body, response.headers)


def _file_or_json(
    status: int, body: FileBody | Mapping[str, object], headers: Mapping[str, str]
) -> flask.Response:
    if isinstance(body, FileBody):
        return _whole(status, body.data, body.content_type, headers)
    return _json(status, body, headers)


def _json(status: int, body: Mapping[str, object], headers: Mapping[str, str]) -> flask.Response:
    return _whole(status, msgspec.json.encode(body), "application/json", headers)


def _whole(status: int, body: bytes, content_type: str, headers: Mapping[str, str]) -> flask.Response:
    response = flask.Response(body, status, content_type=content_type)
    response.headers.extend(headers)
    return response


def _download(
    status: int, file: StreamingBody, headers: Mapping[str, str], log: RequestLog
) -> flask.Response:
    first = next(file.chunks, b"")  # an error before the first chunk can still be an HTTP status
    log.first_byte_at = time.monotonic()
    response = flask.Response(_with_first(first, file.chunks), status, content_type=file.content_type)
    response.headers.extend(headers)
    return response


def _with_first(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    with suppress(ClientDisconnected):
        yield from chunks


def _stream(
    stream: EventStream, headers: Mapping[str, str], log: RequestLog, encode_error: EncodeError
) -> flask.Response:
    events = _StartedStream(stream, log, stream.encode_error or encode_error)
    log.first_byte_at = time.monotonic()
    response = _StreamingResponse(events, stream.content_type)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    response.headers.extend(headers)
    return response


class _StreamingResponse(flask.Response):
    """A response whose events go to the WSGI server unchanged, without werkzeug's work on each."""

    def __init__(self, events: _StartedStream, mimetype: str) -> None:
        super().__init__(events, mimetype=mimetype, direct_passthrough=True)
        self._events = events

    def call_on_close(self, func: Callable[[], object]) -> Callable[[], object]:
        """Call `func` when the server closes the events.

        The server closes these instead of the response.
        """
        self._events.on_close.append(func)
        return func


class _StartedStream:
    """The body of a stream whose first bytes are known.

    An error before them is raised by the constructor. A later error is sent as a last event, so a stream
    never just ends. The server calls `close` in any case; it ends the upstream calls.
    """

    def __init__(self, stream: EventStream, log: RequestLog, encode_error: EncodeError) -> None:
        self._events = stream.events
        self._encode_error = encode_error
        self._log = log
        self._first = next(stream.events)
        self._complete = False
        self.on_close: list[Callable[[], object]] = []

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        try:
            yield from self._events
            self._complete = True
        except ClientDisconnected:
            self._log.error = CLIENT_DISCONNECTED
        except errors.ApiError as error:
            self._log.error = error.code or error.type
            yield self._encode_error(error)
        except Exception as error:  # noqa: BLE001  (as in `App`, for errors after the first byte)
            log_unexpected(error)
            self._log.error = _UNEXPECTED.type
            yield self._encode_error(_UNEXPECTED)

    def close(self) -> None:
        """End the stream, however far it came."""
        if not (self._complete or self._log.error):
            self._log.error = CLIENT_DISCONNECTED  # during a write, or it read nothing for too long
        try:
            if close := getattr(self._events, "close", None):
                close()
        finally:
            for func in self.on_close:
                func()
