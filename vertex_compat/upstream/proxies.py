"""The proxies of the environment, and connections through them.

The variables are those of `requests`: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
(https://requests.readthedocs.io/en/latest/user/advanced/#proxies). This module is loaded only if one of them
is set. `http.client` has no TLS to a proxy, so urllib3 connects, and urllib3 takes long to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote

import urllib3.connection
import urllib3.exceptions
import urllib3.util
from requests.utils import get_environ_proxies, select_proxy
from urllib3._base_connection import ProxyConfig
from urllib3.util import Url

from vertex_compat import errors
from vertex_compat.upstream.network import Network


class Proxy(NamedTuple):
    """A proxy, and the headers that are for it."""

    url: Url
    headers: Mapping[str, str]


def find(url: str) -> Proxy | None:
    """Return the proxy of a URL, None if there is none.

    Raises `Unavailable` for an invalid proxy.
    """
    address = select_proxy(url, get_environ_proxies(url))
    if not address:
        return None
    proxy = urllib3.util.parse_url(address if "://" in address else f"http://{address}")
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise errors.Unavailable(
            f"The proxy variables name a {proxy.scheme}:// proxy; only http:// and https:// work."
        )
    headers = urllib3.util.make_headers(proxy_basic_auth=unquote(proxy.auth)) if proxy.auth else {}
    return Proxy(proxy, headers)


def connection(network: Network, proxy: Proxy, url: SplitResult, **options: Any) -> HTTPConnection:
    """Return a new connection for a URL, not connected yet; `options` are urllib3's.

    A proxy forwards http:// requests, whose target is then the whole URL. It tunnels everything else.
    """
    config = ProxyConfig(None, use_forwarding_for_https=False, assert_hostname=None, assert_fingerprint=None)
    options |= {"proxy": proxy.url, "proxy_config": config}
    host, port = proxy.url.host or "", proxy.url.port
    if url.scheme == "http" and proxy.url.scheme == "http":
        return _HTTPConnection(host, port, **options)
    connection = _HTTPSConnection(host, port, ssl_context=network.context, **options)
    if url.scheme == "https":
        scheme = proxy.url.scheme or "http"
        connection.set_tunnel(url.hostname or "", url.port or 443, proxy.headers, scheme=scheme)
    return connection


class _OSErrors:
    """Raises `OSError` where urllib3 has errors of its own, which wrap them."""

    def connect(self) -> None:
        """Connect to the proxy, and through it."""
        try:
            super().connect()  # type: ignore[misc]
        except urllib3.exceptions.HTTPError as error:
            raise error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error)) from error


class _HTTPConnection(_OSErrors, urllib3.connection.HTTPConnection):
    pass


class _HTTPSConnection(_OSErrors, urllib3.connection.HTTPSConnection):
    pass
