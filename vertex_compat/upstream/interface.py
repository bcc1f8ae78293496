"""The protocols between the operations and the network."""

from __future__ import annotations

from typing import Protocol

from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.response import UpstreamResponse


class Transport(Protocol):
    """Opens upstream calls: `HttpTransport`, or a test's own."""

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> UpstreamResponse:
        """Make a call; return its successful response when the head has arrived; raises `ApiError`."""

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """Return the request that `open` would send, without credentials."""

    def project(self, model: Model | ResourceTarget) -> str:
        """Return the Google Cloud project that calls to `model` are made in."""


class RootTransport(Transport, Protocol):
    """A transport that can also make calls with the credentials of callers."""

    def for_caller(self, token: str) -> RootTransport:
        """Return a transport that uses a caller's access token instead of ours."""
