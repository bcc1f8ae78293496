"""Dedicated endpoints: a deployed model that only a host of its own serves, found by asking.

https://cloud.google.com/vertex-ai/docs/predictions/using-dedicated-endpoints. The host that all share refuses
such an endpoint with FAILED_PRECONDITION. Then the endpoint itself is read, which names its host, and that is
remembered. Nothing is taken from the refusal: it may hold what a client wrote.
"""

from __future__ import annotations

import copy
import logging
from contextlib import closing
from dataclasses import replace
from typing import Final, TypeAlias

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.interface import RootTransport, Transport
from vertex_compat.upstream.transport import UpstreamResponse, multiplex

_log = logging.getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds that the description of an endpoint may take to come."""

_Endpoint: TypeAlias = tuple[str | None, str, tuple[str, ...]]
"""Project, resource and where to look for it: what tells an endpoint from others."""

_DEPLOYED: Final = frozenset({"endpoints", "predictions"})


class DedicatedEndpointTransport:
    """A network on which calls to dedicated endpoints go to their hosts. One for the process."""

    def __init__(self, inner: RootTransport) -> None:
        self._inner: Transport = inner
        self._network = inner
        self._found: dict[_Endpoint, str] = {}  # only endpoints that are there: clients cannot make it grow

    def for_caller(self, token: str) -> DedicatedEndpointTransport:
        """The same hosts, with a caller's own access token instead of ours."""
        view = copy.copy(self)
        view._inner = self._network.for_caller(token)  # noqa: SLF001  (a copy of ourselves)
        return view

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> UpstreamResponse:
        """Make the call, as the network does."""
        if not isinstance(model, Model) or model.publisher not in _DEPLOYED:
            return self._inner.open(call, model, client, retries=retries)
        dns = self._known(model)
        if dns is None:
            try:
                return self._inner.open(call, model, client, retries=retries)
            except errors.BadRequest as refused:
                if refused.code != "failed_precondition" or not (dns := self._ask(model, client)):
                    raise
        return self._inner.open(*_at(dns, call, model), client, retries=retries)

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """The call as it would be made first."""
        if isinstance(model, Model) and (dns := self._known(model)):
            return self._inner.describe(*_at(dns, call, model))
        return self._inner.describe(call, model)

    def _known(self, model: Model) -> str | None:
        return model.endpoint_host or (self._found.get(_endpoint(model)) if self._found else None)

    def _ask(self, model: Model, client: ClientConnection) -> str | None:
        """The host of an endpoint that has one; None also where it cannot be learned."""
        try:
            endpoint = self._read(model, client)
        except (errors.ApiError, ValueError) as error:
            _log.warning("an endpoint may have a host of its own, and cannot be asked: %.200s", error)
            return None
        dns = str(endpoint.get("dedicatedEndpointDns") or "").removeprefix("https://")
        if not endpoint.get("dedicatedEndpointEnabled") or not vertex.region_of(dns):
            return None
        self._found[_endpoint(model)] = dns
        return dns

    def _read(self, model: Model, client: ClientConnection) -> JSON:
        call = UpstreamCall(model.resource, {}, method="GET")
        with closing(self._inner.open(call, model, client, retries=0)) as answer:
            blocks = multiplex([answer], client, keepalive=PATIENCE, patience=PATIENCE)
            return msgspec.json.decode(b"".join(block[1] for block in blocks if block), type=dict)


def _endpoint(model: Model) -> _Endpoint:
    return model.project, model.resource, model.locations


def _at(dns: str, call: UpstreamCall, model: Model) -> tuple[UpstreamCall, Model]:
    """The call to the host, and the model in the one place where that is."""
    region = vertex.region_of(dns)
    headers = {**call.headers, "Host": dns}  # also where another base URL stands for all such hosts
    there = msgspec.structs.replace(call, endpoint_host=dns, headers=headers)
    return there, replace(model, locations=(region,) if region else model.locations)
