"""OpenAI's side: one module per OpenAI resource.

An operation is a function from an `Ask` to a `Reply`; `routes` says which one answers which path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vertex_compat.config import Settings
from vertex_compat.routing import Router
from vertex_compat.transport import Answer, Client
from vertex_compat.wire import JSON, Model, UpstreamCall


class Opens(Protocol):
    """What an operation needs of the network: `transport.Transport`, or a test's own."""

    def open(self, call: UpstreamCall, model: Model, client: Client, *, retries: int | None = None) -> Answer:
        """Make the call; returns when the upstream has begun a good answer, else raises `ApiError`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One client request, as an operation sees it. `arguments` are what the path holds."""

    body: bytes
    arguments: Mapping[str, str]
    client: Client
    settings: Settings
    router: Router
    transport: Opens


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client gets: one JSON object, or server-sent events as they come."""

    body: JSON | Iterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
