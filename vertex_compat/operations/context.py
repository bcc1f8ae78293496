"""The request context of an operation, and the response that it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from vertex_compat.config.settings import Settings
from vertex_compat.routing.router import Router
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.server.request_log import RequestLog
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.interface import Transport
from vertex_compat.upstream.transport import UpstreamResponse
from vertex_compat.upstream.url_fetcher import Fetched

ListVertexModels: TypeAlias = Callable[[], Sequence[str]]
"""The names of the models that Vertex lists."""

FetchUrl: TypeAlias = Callable[[str, str], Fetched]
"""A link and its place in the request → the file; raises `BadRequest`."""


class DryRunResult(Exception):
    """A call that is shown instead of made."""

    def __init__(self, call: JSON) -> None:
        super().__init__()
        self.call = call


@dataclass(frozen=True, slots=True)
class DryRunTransport:
    """A network on which the first call ends the request: the client wants to see it."""

    inner: Transport

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> UpstreamResponse:
        """Raise `DryRunResult`."""
        del client, retries
        raise DryRunResult(self.describe(call, model))

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """What the real network would do."""
        return self.inner.describe(call, model)


class RequestContext(msgspec.Struct, frozen=True):
    """One client request, as an operation sees it.

    `arguments` are what the path holds, `query` gives what follows it; `accept` gives that header. `read`
    gives the whole body; an upload is read as it comes, in `blocks` instead. `fetch` gets linked files,
    unless the settings forbid it; `discover` lists Vertex's models, if they ask for it.
    """

    read: Callable[[], bytes]
    iter_body: Callable[[], Iterator[bytes]]
    content_type: str
    path_args: Mapping[str, str]
    query: Callable[[], Mapping[str, str]]
    accept: Callable[[], str]
    client: ClientConnection
    settings: Settings
    fetch_url: FetchUrl | None
    list_vertex_models: ListVertexModels | None
    router: Router
    log: RequestLog
    transport: Transport

    @property
    def body(self) -> bytes:
        """The whole body; raises `TooLarge`, and `BadRequest` if it breaks off."""
        return self.read()


@dataclass(frozen=True, slots=True)
class FileBody:
    """A file, or plain text."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class StreamingBody:
    """A file that is sent as it comes. One that breaks off breaks the connection: it never just ends."""

    chunks: Iterator[bytes]
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Response:
    """What the client gets: one JSON object, a file, or server-sent events as they come."""

    body: JSON | FileBody | StreamingBody | Iterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
