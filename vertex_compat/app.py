"""Flask request → operation → Flask response. Errors become OpenAI's JSON here, once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import Final

import flask
import msgspec

from vertex_compat import errors, routes, sse
from vertex_compat.config.settings import Settings
from vertex_compat.operations.context import (
    DryRunResult,
    DryRunTransport,
    FileBody,
    ListVertexModels,
    RequestContext,
    Response,
    StreamingBody,
)
from vertex_compat.routing.router import Router
from vertex_compat.server import concurrency, cors
from vertex_compat.server.auth import ANONYMOUS, Authenticator
from vertex_compat.server.client_connection import ClientConnection, ClientDisconnected
from vertex_compat.server.concurrency import ConcurrencyLimiter, Slot
from vertex_compat.server.gunicorn_hooks import GunicornHooks
from vertex_compat.server.request_body import RequestBody
from vertex_compat.server.request_log import CLIENT_DISCONNECTED, RequestLog
from vertex_compat.types import JSON
from vertex_compat.upstream.dedicated_endpoints import DedicatedEndpointTransport
from vertex_compat.upstream.interface import RootTransport
from vertex_compat.upstream.url_fetcher import Fetched, UrlFetcher

_log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST: Final = 499

_UNEXPECTED: Final = errors.ApiError("This function failed in an unexpected way; its log says how.")


class App:
    """The function. One for the process. `note` gets the record and status of each request that has ended."""

    def __init__(
        self,
        settings: Settings,
        transport: RootTransport,
        note: Callable[[RequestLog, int], None] | None = None,
        server: GunicornHooks | None = None,
    ) -> None:
        self._note = note
        self._settings = settings
        self._transport = DedicatedEndpointTransport(transport)
        self._server = server or GunicornHooks()
        self._router = Router(settings.routing, settings.project, settings.location)
        self._gate = Authenticator(settings)
        self._places = ConcurrencyLimiter(settings.threads)
        self._discover = self._discovery() if settings.list_vertex_models else None

    def handle(self, request: flask.Request) -> flask.Response:
        """Answer one request, and write its line in the log when it has ended. Never raises."""
        record = RequestLog.start(request.method, request.path, request.environ)
        place = self._places.try_acquire()
        body = RequestBody.from_environ(request.environ, self._settings.max_body)
        response = self._answer(request, body, place, record)
        body.drain(request.environ.get("gunicorn.socket"))
        response.headers.extend(record.headers())
        if self._settings.cors_origins:
            response.headers.extend(
                cors.headers(self._settings.cors_origins, request.method, request.headers.get)
            )
        record.target = response.headers.get("x-vertex-compat-target")
        record.ignored = response.headers.get("x-vertex-compat-ignored")
        response.call_on_close(partial(self._end, record, response.status_code, place))
        return response

    def _discovery(self) -> ListVertexModels:
        from vertex_compat.upstream.model_list import Discovery  # noqa: PLC0415  (few want it)

        return Discovery(self._transport, self._router).names

    def _fetch(self, url: str, place: str) -> Fetched:
        return self._fetcher.fetch(url, place)

    @cached_property
    def _fetcher(self) -> UrlFetcher:
        return UrlFetcher()  # made when it is needed: it reads all certificates

    def _end(self, record: RequestLog, status: int, place: Slot | None) -> None:
        if place:
            place.release()
        record.write(status, project=self._settings.project, deployed=self._settings.on_cloud_run)
        if self._note:
            self._note(record, status)

    def _answer(
        self, request: flask.Request, body: RequestBody, place: Slot | None, record: RequestLog
    ) -> flask.Response:
        if self._settings.cors_origins and cors.is_preflight(request.method, request.headers.get):
            return flask.Response(status=204)
        try:
            reply = self._reply(request, body, place, record)
            if isinstance(reply.body, dict):
                return _json(reply.status, reply.body, reply.headers)
            if isinstance(reply.body, FileBody):
                return _whole(reply.status, reply.body.data, reply.body.content_type, reply.headers)
            if isinstance(reply.body, StreamingBody):
                return _download(reply.body, reply.headers)
            events = _Events(reply.body, record)
            record.first_byte_at = time.monotonic()
        except errors.ApiError as error:
            record.error = error.code or error.type
            return _json(error.status, error.body(), error.headers)
        except DryRunResult as shown:
            return _json(200, shown.call, {})
        except ClientDisconnected:
            record.error = CLIENT_DISCONNECTED
            return flask.Response(status=CLIENT_CLOSED_REQUEST)
        except Exception:  # noqa: BLE001  (the last line of defence: a client never sees a traceback)
            _log.exception("unexpected")
            record.error = _UNEXPECTED.type
            return _json(_UNEXPECTED.status, _UNEXPECTED.body(), {})
        response = _Stream(events)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Accel-Buffering"] = "no"
        response.headers.extend(reply.headers)
        return response

    def _reply(
        self, request: flask.Request, body: RequestBody, place: Slot | None, record: RequestLog
    ) -> Response:
        given = request.environ
        path = routes.resource(request.path)
        caller = ANONYMOUS
        if path not in routes.OPEN:
            if place is None:
                raise concurrency.busy()
            authorization = given.get("HTTP_AUTHORIZATION") or _google_key(given)
            caller = self._gate.authenticate(authorization, public=path in routes.PUBLIC)
            record.key = caller.key
        operation, arguments = routes.find(request.method, request.path)
        transport = self._transport.for_caller(caller.token) if caller.token else self._transport
        dry = given.get("HTTP_X_VERTEX_COMPAT_DEBUG") == "request"
        return operation(
            RequestContext(
                read=body.read,
                iter_body=body.iter_chunks,
                content_type=given.get("CONTENT_TYPE", ""),
                path_args=arguments,
                query=lambda: request.args,
                client=ClientConnection(
                    given.get("gunicorn.socket"), record.id, record.calls, self._server.ending
                ),
                accept=lambda: given.get("HTTP_ACCEPT", ""),
                settings=self._settings,
                fetch_url=self._fetch if self._settings.fetch_links else None,
                list_vertex_models=self._discover,
                router=self._router.for_key(record.key),
                log=record,
                transport=DryRunTransport(transport) if dry else transport,
            )
        )


def _google_key(given: Mapping[str, str]) -> str | None:
    """Google's clients have a header of their own for a key."""
    key = given.get("HTTP_X_GOOG_API_KEY")
    return f"Bearer {key}" if key else None


def _json(status: int, body: JSON, headers: Mapping[str, str]) -> flask.Response:
    return _whole(status, msgspec.json.encode(body), "application/json", headers)


def _whole(status: int, body: bytes, content_type: str, headers: Mapping[str, str]) -> flask.Response:
    response = flask.Response(body, status, content_type=content_type)
    response.headers.extend(headers)
    return response


def _download(file: StreamingBody, headers: Mapping[str, str]) -> flask.Response:
    first = next(file.chunks, b"")  # a refusal comes before it, while it can still be a status
    response = flask.Response(_rest(first, file.chunks), content_type=file.content_type)
    response.headers.extend(headers)
    return response


def _rest(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    with suppress(ClientDisconnected):
        yield from blocks


class _Stream(flask.Response):
    """Events that go to the server as they are, past what werkzeug would do for each of them."""

    def __init__(self, events: _Events) -> None:
        super().__init__(events, mimetype="text/event-stream", direct_passthrough=True)
        self._events = events

    def call_on_close(self, func: Callable[[], object]) -> Callable[[], object]:
        """What the server closes is then the events."""
        self._events.closing.append(func)
        return func


class _Events:
    """The body of a stream, begun: an error that came before the first bytes has been raised by now.

    A later error becomes an event, which OpenAI's clients raise, and no `[DONE]` follows: a stream never just
    ends. `close`, which the server calls in any case, ends the upstream calls.
    """

    def __init__(self, written: Iterator[bytes], record: RequestLog) -> None:
        self._written = written
        self._record = record
        self._first = next(written)
        self._ended = False
        self.closing: list[Callable[[], object]] = []

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        try:
            yield from self._written
            self._ended = True
        except ClientDisconnected:
            self._record.error = CLIENT_DISCONNECTED
        except errors.ApiError as error:
            self._record.error = error.code or error.type
            yield sse.encode(error.body())
        except Exception:  # noqa: BLE001  (as above, for what comes after the first byte)
            _log.exception("unexpected, in mid-stream")
            self._record.error = _UNEXPECTED.type
            yield sse.encode(_UNEXPECTED.body())

    def close(self) -> None:
        if not (self._ended or self._record.error):
            self._record.error = (
                CLIENT_DISCONNECTED  # in the middle of a write, or it took nothing for too long
            )
        try:
            if close := getattr(self._written, "close", None):
                close()
        finally:
            for then in self.closing:
                then()
