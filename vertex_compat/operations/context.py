"""The request context of an operation, and the response that it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from vertex_compat.config.settings import Settings
from vertex_compat.routing.router import Router
from vertex_compat.server.client_connection import Client
from vertex_compat.server.request_log import Record
from vertex_compat.types import JSON, Model, Site, UpstreamCall
from vertex_compat.upstream.interface import Opens
from vertex_compat.upstream.transport import Answer
from vertex_compat.upstream.url_fetcher import Fetched

Discover: TypeAlias = Callable[[], Sequence[str]]
"""The names of the models that Vertex lists."""

Fetch: TypeAlias = Callable[[str, str], Fetched]
"""A link and its place in the request → the file; raises `BadRequest`."""


class Described(Exception):
    """A call that is shown instead of made."""

    def __init__(self, call: JSON) -> None:
        super().__init__()
        self.call = call


@dataclass(frozen=True, slots=True)
class Dry:
    """A network on which the first call ends the request: the client wants to see it."""

    inner: Opens

    def open(
        self, call: UpstreamCall, model: Model | Site, client: Client, *, retries: int | None = None
    ) -> Answer:
        """Raise `Described`."""
        del client, retries
        raise Described(self.describe(call, model))

    def describe(self, call: UpstreamCall, model: Model | Site) -> JSON:
        """What the real network would do."""
        return self.inner.describe(call, model)


class Ask(msgspec.Struct, frozen=True):
    """One client request, as an operation sees it.

    `arguments` are what the path holds, `query` gives what follows it; `accept` gives that header. `read`
    gives the whole body; an upload is read as it comes, in `blocks` instead. `fetch` gets linked files,
    unless the settings forbid it; `discover` lists Vertex's models, if they ask for it.
    """

    read: Callable[[], bytes]
    blocks: Callable[[], Iterator[bytes]]
    content_type: str
    arguments: Mapping[str, str]
    query: Callable[[], Mapping[str, str]]
    accept: Callable[[], str]
    client: Client
    settings: Settings
    fetch: Fetch | None
    discover: Discover | None
    router: Router
    record: Record
    transport: Opens

    @property
    def body(self) -> bytes:
        """The whole body; raises `TooLarge`, and `BadRequest` if it breaks off."""
        return self.read()


@dataclass(frozen=True, slots=True)
class Content:
    """A file, or plain text."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is sent as it comes. One that breaks off breaks the connection: it never just ends."""

    blocks: Iterator[bytes]
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client gets: one JSON object, a file, or server-sent events as they come."""

    body: JSON | Content | Download | Iterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
