"""Fetches files that a client links to, for models that take files but no links.

The URL is the client's, and this function can reach much that the client cannot: the metadata server and
its tokens first of all. So only https on port 443 is fetched, and only from public addresses. The address
that counts is the one that the socket is connected to: it is checked when the connection is made, for each
redirect anew. Where a proxy connects instead, all addresses of the host are checked before; the proxy
resolves the name again. Size, time and media type are limited. Nothing of ours is sent along.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, Final, cast
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
import urllib3.exceptions
import urllib3.util
from urllib3.connection import HTTPSConnection

from vertex_compat import errors
from vertex_compat.publishers import media_types
from vertex_compat.upstream.linked_files import CountBytes, Fetched
from vertex_compat.upstream.network import Network

MAX_BYTES: Final = 20 * 1024 * 1024
"""Of a file: what Vertex AI takes inline in a request."""

MAX_SECONDS: Final = 20.0
"""For a fetch with its redirects."""

MAX_REDIRECTS: Final = 3

HTTPS_PORT: Final = 443

MEDIA_TYPES: Final = ("image/", "audio/", "video/", "application/pdf", "text/")
"""Beginnings of the media types that some model takes."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")

_SPECIAL_PURPOSE: Final = tuple(
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
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
"""Networks that are not the public internet, though some versions of Python's `is_global` say so.

https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry
"""


def is_public(address: Address) -> bool:
    """Return whether an address belongs to the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address not in _GLOBAL_UNICAST:  # other networks lead inside, or wrap addresses that do
            return False
    special = any(address in network for network in _SPECIAL_PURPOSE if network.version == address.version)
    return address.is_global and not address.is_multicast and not special


class NotPublic(Exception):
    """The host has an address that is not public."""


class UrlFetcher:
    """Fetches URLs; one object for the process.

    `public` decides which addresses may be connected to; `ports` are the allowed ones, None for all.
    """

    def __init__(
        self,
        network: Network | None = None,
        public: Callable[[Address], bool] = is_public,
        ports: frozenset[int] | None = frozenset({HTTPS_PORT}),
    ) -> None:
        self._network = network or Network()
        self._public = public
        self._ports = ports

    def fetch(self, url: str, param: str, count: CountBytes = lambda _: None) -> Fetched:
        """Return the file at `url`; raises `BadRequest` with `param`, and what `count` raises."""
        deadline = time.monotonic() + MAX_SECONDS
        for _ in range(MAX_REDIRECTS + 1):
            try:
                parts = self._parts(url, param)
                with self._response(parts, deadline) as response:
                    if not (location := response.get_redirect_location()):
                        return _read(response, deadline, param, count)
                    url = urljoin(url, str(location))
            except NotPublic:
                raise _invalid("The link leads to an address that is not public.", param) from None
            except (urllib3.exceptions.HTTPError, OSError, ValueError):
                if time.monotonic() > deadline:
                    raise _too_slow(param) from None
                raise _invalid("The linked file could not be fetched.", param) from None
        raise _invalid("The link is redirected too often.", param)

    def _parts(self, url: str, param: str) -> SplitResult:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise _invalid("Only https:// links can be fetched.", param)
        if self._ports is not None and (parts.port or HTTPS_PORT) not in self._ports:
            raise _invalid("Only links to port 443 can be fetched.", param)
        return parts

    @contextmanager
    def _response(self, url: SplitResult, deadline: float) -> Iterator[urllib3.BaseHTTPResponse]:
        """Send a GET request; its connection is closed at the deadline at the latest."""
        with ExitStack() as stack:
            connection = self._connection(url, deadline)
            stack.callback(connection.close)
            sockets = stack.enter_context(_closed_at(deadline, connection))
            connection.connect()
            sockets.append(connection.sock)
            target = urllib3.util.parse_url(url.geturl()).request_uri
            headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "vertex_compat"}
            connection.request("GET", target, headers=headers, preload_content=False)
            yield stack.enter_context(closing(connection.getresponse()))

    def _connection(self, url: SplitResult, deadline: float) -> HTTPSConnection:
        timeout = max(0.1, deadline - time.monotonic())
        origin = urlsplit(f"https://{url.netloc.rpartition('@')[2]}")
        host, port = url.hostname or "", url.port or HTTPS_PORT
        if proxy := self._network.proxy_for(origin.geturl()):
            if len(_resolve(host, port, self._public)) < len(_resolve(host, port, lambda _: True)):
                raise NotPublic
            connection = self._network.proxied_connection(proxy, origin, timeout=timeout)
            return cast(HTTPSConnection, connection)
        connection = _PublicConnection(host, port, ssl_context=self._network.context, timeout=timeout)
        connection.public = self._public
        return connection


class _PublicConnection(HTTPSConnection):
    """urllib3's connection, which connects only to an address that is public."""

    public: Callable[[Address], bool]

    def _new_conn(self) -> socket.socket:
        family, kind, protocol, _, address = _resolve(self.host, self.port, self.public)[0]
        sock = socket.socket(family, kind, protocol)
        with ExitStack() as stack:
            stack.callback(sock.close)
            sock.settimeout(float(self.timeout or MAX_SECONDS))
            sock.connect(address)
            if not self.public(_address(sock.getpeername())):
                raise NotPublic
            stack.pop_all()
        return sock


@contextmanager
def _closed_at(deadline: float, connection: HTTPSConnection) -> Iterator[list[Any]]:
    """Shut down a connection, and the sockets in the list, at the deadline.

    A server that sends a byte now and then passes every timeout. The socket of a connection that closes
    after its response is no longer the connection's, so it has to be in the list.
    """
    sockets: list[Any] = []

    def shut_down() -> None:
        for sock in filter(None, [connection.sock, *sockets]):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield sockets
    finally:
        timer.cancel()


def _resolve(host: str, port: int, public: Callable[[Address], bool]) -> list[Any]:
    """Return the public addresses of a host, as `getaddrinfo` does.

    Raises `NotPublic` if there are none.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    public_addresses = [entry for entry in addresses if public(_address(entry[4]))]
    if not public_addresses:
        raise NotPublic
    return public_addresses


def _address(socket_address: Any) -> Address:
    return ipaddress.ip_address(str(socket_address[0]).partition("%")[0])


def _read(response: urllib3.BaseHTTPResponse, deadline: float, param: str, count: CountBytes) -> Fetched:
    if time.monotonic() >= deadline:  # a head that was cut off looks like a complete one
        raise _too_slow(param)
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.status != 200:
        raise _invalid(f"The link answers with status {response.status}.", param)
    is_specific = media_types.normalize(media_type) is not None
    if is_specific and not media_type.startswith(MEDIA_TYPES):
        raise _not_a_file(param)
    chunks: list[bytes] = []
    size = 0
    while chunk := response.read1(65_536):  # without waiting for more
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BYTES:
            raise _invalid(f"The linked file is larger than {MAX_BYTES} bytes.", param)
        count(len(chunk))
    if time.monotonic() >= deadline:  # the connection was shut down, which looks like the end of a body
        raise _too_slow(param)
    data = b"".join(chunks)
    if not is_specific and not (media_type := media_types.of_bytes(data) or ""):
        raise _not_a_file(param)
    return Fetched(data, media_type)


def _not_a_file(param: str) -> errors.BadRequest:
    return _invalid("The link does not lead to an image, audio, a video, a PDF or a text.", param)


def _too_slow(param: str) -> errors.BadRequest:
    return _invalid("The linked file takes too long to fetch.", param)


def _invalid(message: str, param: str) -> errors.BadRequest:
    return errors.BadRequest(message, param=param, code="invalid_url")
