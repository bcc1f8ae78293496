"""Deployed models with a host of their own (dedicated endpoints), and their hosts.

https://cloud.google.com/vertex-ai/docs/predictions/using-dedicated-endpoints. The shared host refuses a
call to such an endpoint with FAILED_PRECONDITION. Then the endpoint's resource is read, which names the
host, and the host is remembered. Nothing is taken from the refusal itself: it may quote what a client
wrote.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import Final, TypeAlias

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.interface import RootTransport
from vertex_compat.upstream.response import UpstreamResponse, multiplex

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 10.0
"""For reading the resource of an endpoint."""

_Endpoint: TypeAlias = tuple[str | None, str, tuple[str, ...]]
"""Project, resource and locations, which identify an endpoint."""

_DEPLOYED: Final = frozenset({"endpoints", "predictions"})


class DedicatedEndpointTransport:
    """Calls dedicated endpoints at their hosts, and everything else as `inner` does.

    `hosts` are those that are known, by endpoint. Only endpoints that exist are added, so clients cannot
    let it grow without limit.
    """

    def __init__(self, inner: RootTransport, hosts: dict[_Endpoint, str] | None = None) -> None:
        self._inner = inner
        self._hosts = {} if hosts is None else hosts

    def for_caller(self, token: str) -> DedicatedEndpointTransport:
        """Return a transport with the same hosts that uses a caller's access token instead of ours."""
        return DedicatedEndpointTransport(self._inner.for_caller(token), self._hosts)

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> UpstreamResponse:
        """Make a call, as the inner transport does."""
        if not isinstance(model, Model) or model.publisher not in _DEPLOYED:
            return self._inner.open(call, model, client, retries=retries)
        host = self._known_host(model)
        if host is None:
            try:
                return self._inner.open(call, model, client, retries=retries)
            except errors.BadRequest as refusal:
                if refusal.code != "failed_precondition" or not (host := self._find_host(model, client)):
                    raise
        return self._inner.open(*_at_host(host, call, model), client, retries=retries)

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """Return the first request that `open` would send, without credentials."""
        if isinstance(model, Model) and (host := self._known_host(model)):
            return self._inner.describe(*_at_host(host, call, model))
        return self._inner.describe(call, model)

    def project(self, model: Model | ResourceTarget) -> str:
        """Return the Google Cloud project that calls to `model` are made in."""
        return self._inner.project(model)

    def _known_host(self, model: Model) -> str | None:
        return model.endpoint_host or (self._hosts.get(_endpoint(model)) if self._hosts else None)

    def _find_host(self, model: Model, client: ClientConnection) -> str | None:
        """Return the host of an endpoint; None if it has none, or if that cannot be found out."""
        try:
            endpoint = self._get(model, client)
        except (errors.ApiError, ValueError) as error:
            _log.warning("The endpoint could not be read to find its dedicated host: %.200s", error)
            return None
        host = str(endpoint.get("dedicatedEndpointDns") or "").removeprefix("https://")
        if not endpoint.get("dedicatedEndpointEnabled") or not vertex.region_of(host):
            return None
        self._hosts[_endpoint(model)] = host
        return host

    def _get(self, model: Model, client: ClientConnection) -> JSON:
        call = UpstreamCall(model.resource, {}, method="GET")
        with closing(self._inner.open(call, model, client, retries=0)) as response:
            blocks = multiplex([response], client, keepalive=TIMEOUT_SECONDS, timeout=TIMEOUT_SECONDS)
            return msgspec.json.decode(b"".join(block[1] for block in blocks if block), type=dict)


def _endpoint(model: Model) -> _Endpoint:
    return model.project, model.resource, model.locations


def _at_host(host: str, call: UpstreamCall, model: Model) -> tuple[UpstreamCall, Model]:
    """Return the call for a host, and the model in the host's region only."""
    region = vertex.region_of(host)
    headers = {**call.headers, "Host": host}  # for a base URL that stands for all hosts
    call = msgspec.structs.replace(call, endpoint_host=host, headers=headers)
    return call, msgspec.structs.replace(model, locations=(region,) if region else model.locations)
