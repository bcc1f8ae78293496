"""What a Gemini's name tells about it.

https://cloud.google.com/vertex-ai/generative-ai/docs/models, November 2026. A name that tells no version (a
tuned endpoint, an alias) is taken for a current model, and what is an error elsewhere is left to Vertex.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, TypeAlias

Version: TypeAlias = tuple[int, int]

JSON_SCHEMA: Final[Version] = (2, 0)
"""The first that takes JSON Schema; before, Google's own `Schema`."""

SEPARATE_TURNS: Final[Version] = (2, 0)
"""The first that takes two turns of one role in a row."""

VALIDATED: Final[Version] = (2, 5)
"""The first whose calls can be held to their schema."""

GEMINI_3: Final[Version] = (3, 0)
"""Signs its calls and knows their ids, thinks in levels, mixes functions with Google's tools, sees each file
in a resolution of its own, takes files as results of calls; has no penalties."""

_VERSION: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?:$|-)")
_FIRST: Final = re.compile(r"gemini-(?:pro|ultra)(?:$|-)")


@lru_cache(maxsize=1024)
def version(name: str) -> Version | None:
    """The version in a name, None if there is none."""
    if found := _VERSION.match(name):
        return int(found[1]), int(found[2] or 0)
    return (1, 0) if _FIRST.match(name) else None


def since(name: str, first: Version) -> bool:
    """Whether the model is known to be of version `first` or later."""
    known = version(name)
    return known is not None and known >= first


def before(name: str, first: Version) -> bool:
    """Whether the model is known to be older than version `first`."""
    known = version(name)
    return known is not None and known < first


def has_system(name: str) -> bool:
    """Whether the model takes a system instruction."""
    return version(name) != (1, 0)


def wants_signatures(name: str) -> bool:
    """Whether the model refuses calls that come back without their signature."""
    return since(name, GEMINI_3) and "image" not in name
