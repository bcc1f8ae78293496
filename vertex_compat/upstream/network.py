"""Certificate authorities to trust, and the proxies of the environment.

The variables are those of `requests` and OpenSSL: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
(https://requests.readthedocs.io/en/latest/user/advanced/#proxies), REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE,
SSL_CERT_FILE and SSL_CERT_DIR. `Settings` reads those of the certificates.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import certifi
import urllib3.util
from urllib3._base_connection import ProxyConfig
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Url

from vertex_compat import errors
from vertex_compat.config.settings import Settings

CA_VARIABLES: Final = "REQUESTS_CA_BUNDLE, SSL_CERT_FILE or SSL_CERT_DIR"


class Proxy(NamedTuple):
    """A proxy, and the headers that are for it."""

    url: Url
    headers: Mapping[str, str]


class Network:
    """Makes connections; one object for the process.

    `ca_bundle` is a file of certificates, or a directory as `ca_directory` is: one with a file for each
    authority, named by its hash (`openssl rehash`). If both are None, certifi's authorities are trusted.
    """

    def __init__(
        self, ca_bundle: Path | None = None, ca_directory: Path | None = None, *, use_proxies: bool = False
    ) -> None:
        self._ca_bundle = ca_bundle
        self._ca_directory = ca_directory
        self._use_proxies = use_proxies

    @staticmethod
    def from_settings(settings: Settings) -> Network:
        """Return the network of the settings."""
        return Network(settings.ca_bundle, settings.ca_directory, use_proxies=settings.use_proxies)

    @property
    def ca_path(self) -> str | None:
        """The file or directory of authorities, as `requests` takes it; None for certifi's."""
        path = self._ca_bundle or self._ca_directory
        return str(path) if path else None

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The TLS context of all connections: its certificates are read once."""
        bundle, directory = self._ca_bundle, self._ca_directory
        if bundle and bundle.is_dir():
            bundle, directory = None, bundle
        if not (bundle or directory):
            bundle = Path(certifi.where())
        return ssl.create_default_context(cafile=bundle, capath=directory)

    def proxy_for(self, url: str) -> Proxy | None:
        """Return the proxy of a URL, None if there is none.

        Raises `Unavailable` for an invalid proxy.
        """
        if not self._use_proxies:
            return None
        from requests.utils import get_environ_proxies, select_proxy  # noqa: PLC0415  (few deployments need it)

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

    def connection(self, url: Url, proxy: Proxy | None, **options: Any) -> HTTPConnection:
        """Return a new connection for a URL, not connected yet; `options` are urllib3's.

        A proxy forwards http:// requests, whose target is then the whole URL. It tunnels everything else.
        """
        target = proxy.url if proxy else url
        if proxy:
            config = ProxyConfig(
                None, use_forwarding_for_https=False, assert_hostname=None, assert_fingerprint=None
            )
            options |= {"proxy": proxy.url, "proxy_config": config}
        if url.scheme == "http" and target.scheme == "http":
            return HTTPConnection(target.host or "", target.port, **options)
        connection = HTTPSConnection(target.host or "", target.port, ssl_context=self.context, **options)
        if proxy and url.scheme == "https":
            connection.set_tunnel(
                url.host or "", url.port or 443, proxy.headers, scheme=proxy.url.scheme or "http"
            )
        return connection
