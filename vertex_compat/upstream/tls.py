"""The certificate authorities that calls over TLS trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi


def create_context(bundle: Path | None = None, directory: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts a bundle's and a directory's authorities, certifi's if both are None.

    A directory holds a file for each authority, named by its hash, as `openssl rehash` does it. A bundle may
    be such a directory too, as in `requests`. Raises `OSError` (`ssl.SSLError` is one) for an unusable file.
    """
    if bundle and bundle.is_dir():
        bundle, directory = None, bundle
    if not (bundle or directory):
        bundle = Path(certifi.where())
    return ssl.create_default_context(cafile=bundle, capath=directory)
