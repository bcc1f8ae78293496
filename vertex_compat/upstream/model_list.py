"""The models that Vertex AI lists: its publishers' and the project's endpoints.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/list and
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/list. Most of Model
Garden's entries are weights that have to be deployed first. They are left out: only names remain that this
function accepts and that Google serves.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from vertex_compat import errors
from vertex_compat.routing import model_names
from vertex_compat.routing.catalog import CATALOG, LISTED_OPERATIONS, NATIVE_PUBLISHERS, Catalog
from vertex_compat.routing.router import Router
from vertex_compat.server.client_connection import ClientConnection, ClientDisconnected
from vertex_compat.types import ResourceTarget, Service, UpstreamCall
from vertex_compat.upstream.interface import Transport
from vertex_compat.upstream.response import multiplex

_log = logging.getLogger(__name__)

TTL_SECONDS: Final = 600.0
"""Time for which a list is used before it is read again."""

RETRY_AFTER_SECONDS: Final = 30.0
"""Time after a failed read before a list is read again."""

INITIAL_WAIT_SECONDS: Final = 3.0
"""Time that a client waits for the first lists."""

READ_TIMEOUT_SECONDS: Final = 20.0
"""Longest silence of Vertex AI while it sends a page."""

PAGE_SIZE: Final = 300
MAX_PAGES: Final = 20

TUNED_MODEL_LABEL: Final = "google-vertex-llm-tuning-base-model-id"
"""The label of an endpoint that serves a tuned Gemini, as in Google's SDKs."""

NO_HUGGING_FACE: Final = "is_hf_wildcard(false)"
"""The filter with which Google's SDK leaves out the models of Hugging Face."""

_MODEL: Final = re.compile(r"publishers/([^/]+)/models/([^/]+)")

_DEPLOY_ACTIONS: Final = frozenset({"deploy", "multiDeployVertex"})
"""Supported actions of models that have to be deployed before they can be called."""


class _ListEntry(msgspec.Struct, rename="camel"):
    name: str
    labels: dict[str, str] = {}
    deployed_models: list[Any] = []
    supported_actions: dict[str, Any] = {}


class _Page(msgspec.Struct, rename="camel"):
    publisher_models: list[_ListEntry] = []
    endpoints: list[_ListEntry] = []
    next_page_token: str = ""


_page = msgspec.json.Decoder(_Page).decode


class ModelList:
    """The lists, which a background thread reads. One object for the process."""

    def __init__(self, transport: Transport, router: Router) -> None:
        self._transport = transport
        self._router = router
        self._names: dict[str, list[str]] = {}
        self._next_read = 0.0
        self._reading_since = 0.0
        self._reader: threading.Thread | None = None
        self._lock = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """Return the names that were read last; waits for the first lists, but not for long."""
        now = time.monotonic()
        with self._lock:
            reader = self._reader
            if reader is None and now >= self._next_read:
                reader = self._reader = threading.Thread(target=self._read, name="model list", daemon=True)
                self._reading_since = now
                reader.start()
        if reader and not self._names:
            reader.join(max(0, self._reading_since + INITIAL_WAIT_SECONDS - now))
        return tuple(dict.fromkeys(name for names in list(self._names.values()) for name in names))

    def _read(self) -> None:
        delay = RETRY_AFTER_SECONDS
        try:
            complete = [
                self._update("publisher models", self._publisher_models),
                self._update("endpoints", self._endpoints),
            ]
            if all(complete):
                delay = TTL_SECONDS
        finally:
            with self._lock:
                self._next_read = time.monotonic() + delay
                self._reader = None

    def _update(self, title: str, read: Callable[[], Iterator[str]]) -> bool:
        """Read one list; return whether that worked. If not, the old list stays."""
        try:
            self._names[title] = list(read())
        except (errors.ApiError, ClientDisconnected, ValueError) as error:
            _log.warning("Vertex AI's list of %s could not be read: %.200s", title, error)
            return False
        return True

    def _publisher_models(self) -> Iterator[str]:
        target = self._router.project_site("publishers", None, "global")
        for page in self._pages("publishers/*/models", target, "model_garden", filter=NO_HUGGING_FACE):
            names = (callable_name(entry, self._router.catalog) for entry in page.publisher_models)
            yield from filter(None, names)

    def _endpoints(self) -> Iterator[str]:
        site = self._router.locate("endpoints/0")
        for location in site.locations:
            target = ResourceTarget(
                "endpoints", (location,), project=site.project, impersonate_account=site.impersonate_account
            )
            for page in self._pages("endpoints", target, "aiplatform"):
                yield from (
                    _endpoint_name(endpoint) for endpoint in page.endpoints if endpoint.deployed_models
                )

    def _pages(self, path: str, target: ResourceTarget, service: Service, **query: str) -> Iterator[_Page]:
        token = ""
        for _ in range(MAX_PAGES):
            parameters = urlencode({"pageSize": PAGE_SIZE, **query} | ({"pageToken": token} if token else {}))
            call = UpstreamCall(f"{path}?{parameters}", {}, "v1beta1", method="GET", service=service)
            client = ClientConnection()
            with closing(self._transport.open(call, target, client, retries=0)) as response:
                blocks = multiplex(
                    [response], client, keepalive=READ_TIMEOUT_SECONDS, timeout=READ_TIMEOUT_SECONDS
                )
                page = _page(b"".join([block[1] for block in blocks if block]))
            yield page
            if not (token := page.next_page_token):
                return


def callable_name(entry: _ListEntry, catalog: Catalog = CATALOG) -> str | None:
    """Return the name by which clients call a publisher's model, None if they cannot call it."""
    match = _MODEL.fullmatch(entry.name)
    if not match or entry.supported_actions.keys() & _DEPLOY_ACTIONS:
        return None
    publisher, model = match.groups()
    name = model if publisher in NATIVE_PUBLISHERS else f"{publisher}/{model}"
    try:
        profile = model_names.resolve(name, catalog).profile
    except errors.NotFound:
        return None
    served = profile.managed and LISTED_OPERATIONS.intersection(profile.operations or LISTED_OPERATIONS)
    return name if served and not catalog.replacement(model) else None


def _endpoint_name(entry: _ListEntry) -> str:
    number = entry.name.rpartition("/")[2]
    return f"gemini/{number}" if TUNED_MODEL_LABEL in entry.labels else f"endpoints/{number}"
