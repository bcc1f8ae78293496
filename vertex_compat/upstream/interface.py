"""The protocols between the operations and the network."""

from __future__ import annotations

from typing import Protocol

from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.transport import UpstreamResponse


class Transport(Protocol):
    """What an operation needs of the network: `transport.Transport`, or a test's own."""

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> UpstreamResponse:
        """Make the call; returns when the upstream has begun a good answer, else raises `ApiError`."""

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """The call as it would be made, without our token."""


class RootTransport(Transport, Protocol):
    """`transport.Transport`, or a test's own."""

    def for_caller(self, token: str) -> Transport:
        """The same network, with a caller's own access token instead of ours."""
