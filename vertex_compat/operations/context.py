"""The request context of an operation, and the response that it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn, TypeAlias

import msgspec

from vertex_compat import errors
from vertex_compat.config.settings import Settings
from vertex_compat.ids import SHARED_OWNER, IdSigner
from vertex_compat.limits.limiter import Allowance
from vertex_compat.operations.resource_rules import ResourceRules
from vertex_compat.routing.router import Router
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.server.request_log import RequestLog
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.interface import Transport
from vertex_compat.upstream.linked_files import Fetched

ListVertexModels: TypeAlias = Callable[[], Sequence[str]]
"""Returns the names of the models that Vertex AI lists."""

FetchUrl: TypeAlias = Callable[[str, str], Fetched]
"""Fetches the file at a URL (first argument). The second is the parameter that holds it, for `BadRequest`."""


class DryRunTransport(msgspec.Struct, frozen=True):
    """A transport that describes calls and makes none.

    Operations that call a model return the description. All others open their first call, and are refused.
    """

    inner: Transport

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> NoReturn:
        """Raise `BadRequest`: the operation has no dry run."""
        del call, model, client, retries
        raise errors.BadRequest(
            "'x-vertex-compat-debug: request' shows calls to models, and this operation calls none.",
            param="x-vertex-compat-debug",
            code="unsupported_value",
        )

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """Describe the call as the inner transport would make it."""
        return self.inner.describe(call, model)

    def project(self, model: Model | ResourceTarget) -> str:
        """Return the project of the inner transport."""
        return self.inner.project(model)


class RequestContext(msgspec.Struct, frozen=True):
    """One client request, as an operation sees it."""

    read: Callable[[], bytes]
    """Returns the whole body; use the property `body`."""
    iter_body: Callable[[], Iterator[bytes]]
    """Yields the body of an upload as it comes."""
    content_type: str
    path_args: Mapping[str, str]
    """The variable parts of the path."""
    query: Callable[[], Mapping[str, str]]
    header: Callable[[str], str]
    """Returns a request header by its name, empty if the client sent none."""
    headers: Callable[[], Iterable[tuple[str, str]]]
    """Returns all request headers, their names in lower case."""
    method: str
    """The method of the operation: GET for a HEAD request."""
    client: ClientConnection
    settings: Settings
    fetch_url: FetchUrl | None
    """None if the settings forbid to fetch files that clients link to."""
    list_vertex_models: ListVertexModels | None
    """None if the settings do not ask for Vertex AI's list."""
    router: Router
    log: RequestLog
    transport: Transport
    allowance: Allowance | None = None
    """The part of its key's limits that the request may use; None without limits."""
    owner: str = SHARED_OWNER
    """The owner of what the request creates: a folder of the bucket, a label of jobs."""
    head_only: bool = False
    """True for a HEAD request: only the headers of the response are sent."""
    dry_run: bool = False
    """True if the client requests a description of the call to the model instead of the call."""

    @property
    def ids(self) -> IdSigner:
        """Makes and reads the ids of files, batches, jobs and stored objects."""
        return IdSigner(self.settings.id_secret())

    @property
    def owner_ids(self) -> IdSigner:
        """Makes and reads ids of stored responses, conversations and completions of the owner."""
        return IdSigner(f"{self.settings.id_secret()} {self.owner}")

    @property
    def resources(self) -> ResourceRules:
        """The resources that the request may name."""
        return ResourceRules(self.settings, self.router, self.owner, self.log.key)

    @property
    def body(self) -> bytes:
        """The whole body; raises `PayloadTooLarge`, and `BadRequest` if it is incomplete."""
        return self.read()


class FileBody(msgspec.Struct, frozen=True):
    """A file or plain text."""

    data: bytes
    content_type: str


class StreamingBody(msgspec.Struct, frozen=True):
    """A file that is sent as it comes. An error in the middle breaks the connection."""

    chunks: Iterator[bytes]
    content_type: str = "application/octet-stream"


class EventStream(msgspec.Struct, frozen=True):
    """Events that are sent as they come. An error in the middle is sent as a last event.

    `encode_error` writes that event; None stands for the form of the client's API.
    """

    events: Iterator[bytes]
    content_type: str = "text/event-stream"
    encode_error: Callable[[errors.ApiError], bytes] | None = None


class Response(msgspec.Struct, frozen=True):
    """Response to the client: one JSON object, a file, or events as they come."""

    body: Mapping[str, object] | FileBody | StreamingBody | EventStream
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    status: int = 200
    after: Callable[[], None] | None = None
    """Called after the last byte has been sent to the client."""
