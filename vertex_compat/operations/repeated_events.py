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

MAX_ENDS: Final = 64
"""Ends with different spaces that are recognized without a regular expression."""

_TEXT: Final = re.compile(rb'"(text|content|reasoning_content|thinking)": ?("(?:[^"\\]|\\.)*")')
_END: Final = re.compile(rb"([\]} ]*)([\r\n]+)")
"""The end of an event with nothing but brackets after its text."""

_END_BYTES: Final = b"]} \r\n"
_decode_text = msgspec.json.Decoder(str).decode


class TextFrame:
    """The bytes of the last event around its text, if it has exactly one.

    A block with the same bytes around another JSON string is the same event with another text. A JSON string
    has no line end, so the framing is the same too. Spaces among the brackets at the end may differ: Claude's
    events are padded with a random number of them (recorded, 2024-08).
    """

    __slots__ = ("_after", "_before", "_end", "_ends", "_misses")

    def __init__(self) -> None:
        self._before = self._after = b""
        self._end: re.Pattern[bytes] | None = None
        self._ends: set[bytes] = set()  # that match `_end`
        self._misses = 0

    def remember(self, block: bytes) -> str | None:
        """Note the last event, which is all of `block`; return the key of its only text, else None."""
        self._before = b""
        if self._misses >= MAX_MISSES:
            return None
        self._misses += 1
        texts = list(_TEXT.finditer(block))
        if len(texts) != 1:
            return None
        start, end = texts[0].span(2)
        self._before, self._after = block[:start], block[end:]
        self._end = _padded(self._after)
        self._ends.clear()
        return texts[0][1].decode()

    def decode_text(self, block: bytes) -> str | None:
        """Return the text of the event in a block if all else is as in the last event, else None."""
        if not self._before:
            return None
        following = block.removeprefix(self._before)
        if len(following) == len(block):
            return None
        text = following.removesuffix(self._after)
        if len(text) == len(following) and not (text := self._text_before_padding(following)):
            return None
        try:
            return _decode_text(text)
        except ValueError:  # not one string
            return None

    def _text_before_padding(self, following: bytes) -> bytes:
        """Return the JSON of the text if nothing but the spaces after it differs, else b""."""
        text = following.rstrip(_END_BYTES)
        end = following[len(text) :]
        if end in self._ends:
            return text
        if not (self._end and self._end.fullmatch(end)):
            return b""
        if len(self._ends) < MAX_ENDS:
            self._ends.add(end)
        return text


def _padded(end: bytes) -> re.Pattern[bytes] | None:
    """Return the pattern of an event's end with any spaces, None if it has more than brackets."""
    if not (parts := _END.fullmatch(end)):
        return None
    brackets = parts[1].decode().replace(" ", "")
    return re.compile("".join(f" *{re.escape(bracket)}" for bracket in brackets).encode() + b" *" + parts[2])


class RepeatedEvents(TextFrame):
    """The last event of a stream, and where its text is."""

    __slots__ = ("_event", "_holder", "_key")

    def remember_event(self, block: bytes, event: JSON) -> None:
        """Note the last event, which is all of `block`, if it has exactly one text."""
        key = self.remember(block)
        holders = _holders(event, key) if key else []
        if key and len(holders) == 1:
            self._event, self._holder, self._key = event, holders[0], key
        else:
            self._before = b""

    def decode(self, block: bytes) -> JSON | None:
        """Return the event in a block if it differs from the last one only in its text, else None.

        It is the object of the last event, changed: nothing of that may be used any more.
        """
        text = self.decode_text(block)
        if text is None:
            return None
        self._holder[self._key] = text
        return self._event

    def is_text(self, text: str) -> bool:
        """Return whether `text` is the object in which the last event has its text."""
        return bool(self._before) and self._holder[self._key] is text


class RelayedEvents(TextFrame):
    """The last event of a stream that is passed on, and where its data is in its block."""

    __slots__ = ("_data_start", "_end_size")

    def remember_data(self, block: bytes, data: bytes) -> None:
        """Note the last event, which is all of `block`, if it has exactly one text."""
        self.remember(block)
        self._data_start = block.find(data)
        self._end_size = len(block) - self._data_start - len(data)
        if self._data_start < 0:  # data of several lines
            self._before = b""

    def repeated_data(self, block: bytes) -> bytes | None:
        """Return the data of the event in a block if it differs from the last one only in its text."""
        if self.decode_text(block) is None:
            return None
        return block[self._data_start : len(block) - self._end_size]


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
