"""Names of tools that Claude takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from vertex_compat.publishers import tools

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
_MAX_LENGTH: Final = 64


def legal_name(name: str) -> str:
    """Return the name of a tool as Claude takes it."""
    return tools.sanitize_name(name, _NAME, _MAX_LENGTH)


def client_names(names: Iterable[str]) -> Mapping[str, str]:
    """Return the name that Claude takes → the client's, for those that differ."""
    return tools.name_map(names, _NAME, _MAX_LENGTH)
