"""What Vertex lists: its publishers' models, and the endpoints of the project.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/list and
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/list. Model Garden
holds much that nobody can call by its name, weights to be deployed above all: only names remain that this
function takes and that Google serves.
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
from vertex_compat.routing.catalog import CATALOG, NATIVE_PUBLISHERS
from vertex_compat.routing.router import Router
from vertex_compat.server.client_connection import ClientConnection, ClientDisconnected
from vertex_compat.types import ResourceTarget, Service, UpstreamCall
from vertex_compat.upstream.interface import Transport
from vertex_compat.upstream.transport import multiplex

_log = logging.getLogger(__name__)

FRESH: Final = 600.0
"""Seconds that a list is good for; then the next client has it read again, and gets the old one."""

AGAIN: Final = 30.0
"""Seconds after which lists that could not be read are asked for again."""

WAIT: Final = 3.0
"""Seconds that a client waits for the first list; whatever Vertex does, it gets an answer then."""

PATIENCE: Final = 20.0
"""Seconds that Vertex may be silent in the middle of a page."""

PAGE: Final = 300
MAX_PAGES: Final = 20

TUNED: Final = "google-vertex-llm-tuning-base-model-id"
"""The label of an endpoint with a tuned Gemini, as Google's SDKs know it."""

NATIVE: Final = "is_hf_wildcard(false)"
"""The filter by which Google's SDK leaves out the models of Hugging Face."""

_MODEL: Final = re.compile(r"publishers/([^/]+)/models/([^/]+)")
_SERVED: Final = re.compile(
    r"google/(gemini|text-embedding|text-multilingual-embedding|multimodalembedding).*"
    r"|(anthropic|mistralai|ai21|xai)/.*|.*/.*-maas"
)
_NOT_OURS: Final = re.compile(r".*(-ocr|-live-|-native-audio|count-tokens).*")
"""Models with a wire that this function does not speak."""

_DEPLOYED_FIRST: Final = frozenset({"deploy", "multiDeployVertex"})
"""What can be done with weights."""


class _Listed(msgspec.Struct, rename="camel"):
    name: str
    labels: dict[str, str] = {}
    deployed_models: list[Any] = []
    supported_actions: dict[str, Any] = {}


class _Page(msgspec.Struct, rename="camel"):
    publisher_models: list[_Listed] = []
    endpoints: list[_Listed] = []
    next_page_token: str = ""


_page = msgspec.json.Decoder(_Page).decode


class Discovery:
    """The lists, read by a thread beside the requests. One for the process."""

    def __init__(self, network: Transport, router: Router) -> None:
        self._network = network
        self._router = router
        self._known: dict[str, list[str]] = {}
        self._due = 0.0
        self._begun = 0.0
        self._reading: threading.Thread | None = None
        self._lock = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """The names that were read last; nothing where nothing could be. Returns after `WAIT` seconds."""
        now = time.monotonic()
        with self._lock:
            reading = self._reading
            if reading is None and now >= self._due:
                reading = self._reading = threading.Thread(target=self._read, name="discovery", daemon=True)
                self._begun = now
                reading.start()
        if reading and not self._known:
            reading.join(max(0, self._begun + WAIT - now))
        return tuple(dict.fromkeys(name for names in list(self._known.values()) for name in names))

    def _read(self) -> None:
        due = AGAIN
        try:
            if all(
                [self._list("publisher models", self._publishers), self._list("endpoints", self._endpoints)]
            ):
                due = FRESH
        finally:
            with self._lock:
                self._due = time.monotonic() + due
                self._reading = None

    def _list(self, what: str, read: Callable[[], Iterator[str]]) -> bool:
        """Learn a list; whether it could be read. If not, what was known of it stays."""
        try:
            self._known[what] = list(read())
        except (errors.ApiError, ClientDisconnected, ValueError) as error:
            _log.warning("Vertex AI's list of %s could not be read: %.200s", what, error)
            return False
        return True

    def _publishers(self) -> Iterator[str]:
        site = self._router.project_site("publishers", None, "global")
        for page in self._pages("publishers/*/models", site, "model_garden", filter=NATIVE):
            yield from filter(None, map(callable_name, page.publisher_models))

    def _endpoints(self) -> Iterator[str]:
        place = self._router.locate("endpoints/0")
        for location in place.locations:
            site = ResourceTarget(
                "endpoints", (location,), project=place.project, impersonate_account=place.impersonate_account
            )
            for page in self._pages("endpoints", site, "aiplatform"):
                yield from (_endpoint(one) for one in page.endpoints if one.deployed_models)

    def _pages(self, path: str, site: ResourceTarget, service: Service, **query: str) -> Iterator[_Page]:
        token = ""
        for _ in range(MAX_PAGES):
            asked = urlencode({"pageSize": PAGE, **query} | ({"pageToken": token} if token else {}))
            call = UpstreamCall(f"{path}?{asked}", {}, "v1beta1", method="GET", service=service)
            client = ClientConnection()
            with closing(self._network.open(call, site, client, retries=0)) as answer:
                blocks = multiplex([answer], client, keepalive=PATIENCE, patience=PATIENCE)
                page = _page(b"".join([block[1] for block in blocks if block]))
            yield page
            if not (token := page.next_page_token):
                return


def callable_name(listed: _Listed) -> str | None:
    """What a client calls a publisher's model; None for one that nobody can call so."""
    found = _MODEL.fullmatch(listed.name)
    if not found or listed.supported_actions.keys() & _DEPLOYED_FIRST:
        return None
    publisher, name = found.groups()
    qualified = f"{publisher}/{name}"
    if not _SERVED.fullmatch(qualified) or _NOT_OURS.fullmatch(name) or CATALOG.replacement(name):
        return None
    asked = name if publisher in NATIVE_PUBLISHERS else qualified
    try:
        model_names.resolve(asked)
    except errors.NotFound:
        return None
    return asked


def _endpoint(listed: _Listed) -> str:
    number = listed.name.rpartition("/")[2]
    return f"gemini/{number}" if TUNED in listed.labels else f"endpoints/{number}"
