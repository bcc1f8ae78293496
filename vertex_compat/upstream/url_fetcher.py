"""Fetches a file that a client has linked to, for models that take files but no links.

The link is a stranger's, and this function stands where much can be reached that a stranger cannot: the
metadata server and its tokens first of all. So only https is fetched, only from public addresses, and the
address that counts is the one that the socket is connected to: what a name resolves to is looked at when the
connection is made, for each redirect anew. Size, time and type are bounded. Nothing of ours is sent along.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import certifi
import urllib3
import urllib3.connection
import urllib3.exceptions

from vertex_compat import errors

MAX_BYTES: Final = 20 * 1024 * 1024
"""Bytes: what Vertex takes inline in a request."""

MAX_SECONDS: Final = 20.0
"""Seconds for all of a fetch."""

REDIRECTS: Final = 3

TYPES: Final = ("image/", "audio/", "video/", "application/pdf", "text/")
"""How the content type of a file begins that some model takes."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

_NEVER: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "100::/64",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
    )
)
"""What IANA has set apart and not every version of Python's `is_global` knows.

https://www.iana.org/assignments/iana-ipv4-special-registry
"""


class Fetched(NamedTuple):
    """A file and its type."""

    data: bytes
    mime: str


def is_public(address: Address) -> bool:
    """Whether `address` is one of the open internet, also where it wraps another one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(one is not None and not is_public(one) for one in inner):
            return False
    set_apart = any(address in network for network in _NEVER if network.version == address.version)
    return address.is_global and not address.is_multicast and not set_apart


class UrlFetcher:
    """One for the process. `public` decides which addresses may be connected to."""

    def __init__(
        self, public: Callable[[Address], bool] = is_public, context: ssl.SSLContext | None = None
    ) -> None:
        self._context = context or ssl.create_default_context(cafile=certifi.where())
        self._connection = _connection_to(public)

    def fetch(self, url: str, place: str) -> Fetched:
        """The file at `url`; raises `BadRequest`, whose `param` is `place`."""
        latest = time.monotonic() + MAX_SECONDS
        for _ in range(REDIRECTS + 1):
            parts = urlsplit(url)
            if parts.scheme != "https" or not parts.hostname:
                raise _refused("Only https:// links can be fetched.", place)
            try:
                answer = self._get(url, latest)
                if not answer.get_redirect_location():
                    return _read(answer, latest, place)
                url = urljoin(url, str(answer.get_redirect_location()))
                answer.close()
            except NotPublic:
                raise _refused("The link leads to an address that is not public.", place) from None
            except (urllib3.exceptions.HTTPError, OSError, ValueError):
                raise _refused("The linked file could not be fetched.", place) from None
        raise _refused("The link is redirected too often.", place)

    def _get(self, url: str, latest: float) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        left = max(0.1, latest - time.monotonic())
        pool = urllib3.HTTPSConnectionPool(
            parts.hostname or "", parts.port or 443, ssl_context=self._context, timeout=left, retries=False
        )
        pool.ConnectionCls = self._connection
        target = urllib3.util.parse_url(url).request_uri
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "vertex_compat"}
        return pool.urlopen("GET", target, headers=headers, redirect=False, preload_content=False)


class NotPublic(Exception):
    """The address is not one to connect to."""


def _connection_to(public: Callable[[Address], bool]) -> type[urllib3.connection.HTTPSConnection]:
    """urllib3's connection, which connects to no address that is not `public`."""

    class Connection(urllib3.connection.HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            allowed = [entry for entry in found if public(_address(entry[4]))]
            if not allowed:
                raise NotPublic
            family, kind, protocol, _, where = allowed[0]
            connected = socket.socket(family, kind, protocol)
            with ExitStack() as undo:
                undo.callback(connected.close)
                connected.settimeout(float(self.timeout or MAX_SECONDS))
                connected.connect(where)
                if not public(_address(connected.getpeername())):
                    raise NotPublic
                undo.pop_all()
            return connected

    return Connection


def _address(where: Any) -> Address:
    return ipaddress.ip_address(str(where[0]).partition("%")[0])


def _read(answer: urllib3.BaseHTTPResponse, latest: float, place: str) -> Fetched:
    with answer:
        mime = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if answer.status != 200:
            raise _refused(f"The link answers {answer.status}.", place)
        if not mime.startswith(TYPES):
            raise _refused("The link does not lead to an image, a sound, a video, a PDF or a text.", place)
        blocks: list[bytes] = []
        size = 0
        while block := answer.read1(65_536):  # what is there: a server that drips must not hold us
            blocks.append(block)
            size += len(block)
            if size > MAX_BYTES:
                raise _refused(f"The linked file is larger than {MAX_BYTES} bytes.", place)
            if time.monotonic() > latest:
                raise _refused("The linked file takes too long to fetch.", place)
    return Fetched(b"".join(blocks), mime)


def _refused(said: str, place: str) -> errors.BadRequest:
    return errors.BadRequest(said, param=place, code="invalid_url")
