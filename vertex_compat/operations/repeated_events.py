"""Decode events that differ from the last one only in their text, as most events do.

Only the text is decoded, at a fraction of the cost of a whole event (`tests/benchmark`, row `paced`).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from vertex_compat.types import JSON

MAX_MISSES: Final = 32
"""Comparisons without a match after which no more events are compared: the server varies other fields."""

_TEXT: Final = re.compile(rb'"(text|content|reasoning_content|thinking)": ?("(?:[^"\\]|\\.)*")')
_decode_text = msgspec.json.Decoder(str).decode


class RepeatedEvents:
    """The last event of a stream, and where its text is.

    A block with the same bytes around another JSON string is the same event with another text. A JSON string
    has no line end, so the framing is the same too.
    """

    __slots__ = ("_after", "_before", "_event", "_holder", "_key", "_misses")

    def __init__(self) -> None:
        self._event: JSON | None = None
        self._misses = 0

    def decode(self, block: bytes) -> JSON | None:
        """Return the event in a block if it differs from the last one only in its text, else None.

        It is the object of the last event, changed: nothing of that may be used any more.
        """
        event = self._event
        if event is None or not (block.startswith(self._before) and block.endswith(self._after)):
            return None
        try:
            self._holder[self._key] = _decode_text(block[len(self._before) : -len(self._after)])
        except ValueError:  # not one string
            return None
        return event

    def remember(self, block: bytes, event: JSON) -> None:
        """Note the last event, which is all of `block`, if it has exactly one text."""
        self._event = None
        if self._misses >= MAX_MISSES:
            return
        self._misses += 1
        texts = list(_TEXT.finditer(block))
        if len(texts) != 1:
            return
        start, end = texts[0].span(2)
        key = texts[0][1].decode()
        holders = _holders(event, key)
        if len(holders) == 1:
            self._before, self._after = block[:start], block[end:]
            self._holder, self._key, self._event = holders[0], key, event


def _holders(value: Any, key: str) -> list[JSON]:
    """Return the objects in a JSON value in which `key` has a string."""
    holders: list[JSON] = []
    pending = [value]
    while pending:
        inner = pending.pop()
        if isinstance(inner, dict):
            if isinstance(inner.get(key), str):
                holders.append(inner)
            pending += inner.values()
        elif isinstance(inner, list):
            pending += inner
    return holders
