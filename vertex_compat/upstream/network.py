"""Connections to Google's hosts: the certificate authorities to trust, and the proxies.

The variables of the certificates are those of `requests` and OpenSSL: REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE,
SSL_CERT_FILE and SSL_CERT_DIR. `Settings` reads them. If none is set, the operating system's directory of
authorities is used. OpenSSL reads from it only what it needs. Certifi's file has all authorities, and takes
15 to 20 ms to read, a twentieth of a cold start. Google's images for Python have the directory:
https://github.com/GoogleCloudPlatform/buildpacks/blob/main/stacks/google_22/run-packages.txt (November 2026).
"""

from __future__ import annotations

import re
import ssl
from functools import cached_property
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult

from vertex_compat.config.settings import Settings

if TYPE_CHECKING:
    from vertex_compat.upstream.proxies import Proxy

CA_VARIABLES: Final = "REQUESTS_CA_BUNDLE, SSL_CERT_FILE or SSL_CERT_DIR"

MIN_AUTHORITIES: Final = 50
"""A directory with fewer has a company's own only, or some that were added to a file of all the others."""

SYSTEM_DIRECTORY: Final = "/etc/ssl/certs"
"""Of Debian, Ubuntu and Alpine, also where Python has an OpenSSL of its own."""

_HASH_NAME: Final = re.compile(r"[0-9a-f]{8}\.\d+")


class Network:
    """Makes connections; one object for the process.

    `ca_bundle` is a file of certificates, or a directory as `ca_directory` is: one with a file for each
    authority, named by its hash (`openssl rehash`). If both are None, the authorities are the operating
    system's, or certifi's if it has no such directory.
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

    @cached_property
    def _authorities(self) -> tuple[Path | None, Path | None]:
        """The file and the directory of authorities; at least one of them."""
        if self._ca_bundle and self._ca_bundle.is_dir():
            return None, self._ca_bundle
        if self._ca_bundle or self._ca_directory:
            return self._ca_bundle, self._ca_directory
        if directory := _system_directory():
            return None, directory
        import certifi  # noqa: PLC0415  (not needed on Google Cloud)

        return Path(certifi.where()), None

    @property
    def ca_path(self) -> str:
        """The file or directory of authorities, as `requests` takes it."""
        file, directory = self._authorities
        return str(file or directory)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The TLS context of all connections: a file of certificates is read once."""
        file, directory = self._authorities
        context = ssl.create_default_context(cafile=file, capath=directory)
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


def _system_directory() -> Path | None:
    """Return the operating system's directory of authorities, named by their hashes."""
    directories = (ssl.get_default_verify_paths().capath, SYSTEM_DIRECTORY)
    return next((Path(path) for path in directories if path and _has_authorities(path)), None)


def _has_authorities(directory: str) -> bool:
    try:
        names = [path.name for path in Path(directory).iterdir()]
    except OSError:
        return False
    return sum(1 for name in names if _HASH_NAME.fullmatch(name)) >= MIN_AUTHORITIES
