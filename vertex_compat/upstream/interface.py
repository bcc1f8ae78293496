"""The protocols between the operations and the network."""

from __future__ import annotations

from typing import Protocol

from vertex_compat.server.client_connection import Client
from vertex_compat.types import JSON, Model, Site, UpstreamCall
from vertex_compat.upstream.transport import Answer


class Opens(Protocol):
    """What an operation needs of the network: `transport.Transport`, or a test's own."""

    def open(
        self, call: UpstreamCall, model: Model | Site, client: Client, *, retries: int | None = None
    ) -> Answer:
        """Make the call; returns when the upstream has begun a good answer, else raises `ApiError`."""

    def describe(self, call: UpstreamCall, model: Model | Site) -> JSON:
        """The call as it would be made, without our token."""


class Network(Opens, Protocol):
    """`transport.Transport`, or a test's own."""

    def for_caller(self, token: str) -> Opens:
        """The same network, with a caller's own access token instead of ours."""
