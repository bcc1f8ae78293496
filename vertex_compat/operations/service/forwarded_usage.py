"""Token counts in responses of Vertex AI's own API, which are passed on as they come.

Of each response only the objects under one key are decoded; a later one completes or replaces the earlier.
Inside JSON strings the key's quotes are escaped, so that no text of a model is taken for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from vertex_compat.publishers.anthropic.chat import usage as claude_usage
from vertex_compat.publishers.google import usage as gemini_usage
from vertex_compat.publishers.openai_compat import openai_response
from vertex_compat.services import interactions
from vertex_compat.types import JSON, Usage

INTERACTIONS: Final = "interactions"
"""Key for interactions in place of a publisher; their counts have a form of their own."""

MAX_BYTES: Final = 65_536
"""Largest object that can be token counts."""

METHODS: Final = frozenset(
    {":generateContent", ":streamGenerateContent", ":embedContent", ":rawPredict", ":streamRawPredict"}
    | {"/chat/completions", "/embeddings"}
)
"""Methods whose responses have counts."""

_OBJECT: Final = re.compile(rb"\s{0,8}:\s{0,8}\{")
_SEPARATOR: Final = re.compile(rb"\s{0,8}:?\s{0,8}")
_decode = json.JSONDecoder().raw_decode

ReadCounts: TypeAlias = Callable[[JSON], Usage | None]
"""Reads a publisher's counts; returns None where the prompt's are missing."""


def with_usage(blocks: Iterator[bytes], publisher: str, usages: dict[object, Usage]) -> Iterator[bytes]:
    """Yield the blocks of a response, and note the counts in it."""
    finder = _ObjectFinder(b'"usageMetadata"' if publisher == "google" else b'"usage"')
    read: ReadCounts = _READERS.get(publisher, _read_openai)
    counts: JSON = {}
    for block in blocks:
        for counted_object in finder.feed(block):
            claude_usage.merge(counts, counted_object)
            if (usage := read(counts)) is not None:
                usages[finder] = usage
        yield block


def _read_gemini(counts: JSON) -> Usage | None:
    return None if gemini_usage.TOTALS.isdisjoint(counts) else gemini_usage.usage(counts)


def _read_claude(counts: JSON) -> Usage | None:
    return claude_usage.total([counts]) if "input_tokens" in counts else None


def _read_openai(counts: JSON) -> Usage | None:
    return openai_response.usage(counts) if "prompt_tokens" in counts else None


def _read_interaction(counts: JSON) -> Usage | None:
    return interactions.usage(counts) if "total_input_tokens" in counts else None


_READERS: Final[dict[str, ReadCounts]] = {
    "google": _read_gemini,
    "anthropic": _read_claude,
    INTERACTIONS: _read_interaction,
}


class _ObjectFinder:
    """Finds the objects under a key in JSON or in events, wherever blocks divide them."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._incomplete = b""

    def feed(self, block: bytes) -> Iterator[JSON]:
        """Yield the objects that `block` completes."""
        data = self._incomplete + block
        while (start := data.find(self._key)) >= 0:
            value = data[start + len(self._key) :]
            if _OBJECT.match(value):
                if (usage := _first_object(value[:MAX_BYTES])) is not None:
                    yield usage
                elif len(value) < MAX_BYTES:
                    self._incomplete = data[start:]
                    return
            elif _SEPARATOR.fullmatch(value):
                self._incomplete = data[start:]
                return
            data = value
        self._incomplete = data[1 - len(self._key) :]


def _first_object(data: bytes) -> JSON | None:
    """Return the object after a colon, None if it has not ended."""
    text = data.decode("utf-8", "replace")
    try:
        value: JSON = _decode(text, text.index("{"))[0]
    except (ValueError, RecursionError):
        return None
    return value
