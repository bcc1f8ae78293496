"""Connections to Google's hosts: the certificate authorities to trust, and the proxies.

The variables of the certificates are those of `requests` and OpenSSL: REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE,
SSL_CERT_FILE and SSL_CERT_DIR. `Settings` reads them.
"""

from __future__ import annotations

import ssl
from functools import cached_property
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult

import certifi

from vertex_compat.config.settings import Settings

if TYPE_CHECKING:
    from vertex_compat.upstream.proxies import Proxy

CA_VARIABLES: Final = "REQUESTS_CA_BUNDLE, SSL_CERT_FILE or SSL_CERT_DIR"


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
        context = ssl.create_default_context(cafile=bundle, capath=directory)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def proxy_for(self, url: str) -> Proxy | None:
        """Return the proxy of a URL, None if there is none.

        Raises `Unavailable` for an invalid proxy.
        """
        if not self._use_proxies:
            return None
        from vertex_compat.upstream import proxies  # noqa: PLC0415  (few deployments need it)

        return proxies.find(url)

    def connection(self, url: SplitResult, timeout: float) -> HTTPConnection:
        """Return a new connection to the host of a URL, not connected yet."""
        host, port = url.hostname or "", url.port
        if url.scheme == "http":
            return HTTPConnection(host, port, timeout=timeout)
        return HTTPSConnection(host, port, timeout=timeout, context=self.context)

    def proxied_connection(self, proxy: Proxy, url: SplitResult, **options: Any) -> HTTPConnection:
        """Return a new connection through a proxy, not connected yet; `options` are urllib3's."""
        from vertex_compat.upstream import proxies  # noqa: PLC0415  (as above)

        return proxies.connection(self, proxy, url, **options)
