"""Decoder and encoder of server-sent events. No I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html

Only `data` is read: the publishers repeat the name of the event in it.
"""

from __future__ import annotations

from typing import Final

import msgspec

DONE: Final = b"data: [DONE]\n\n"
"""Last event of OpenAI's streams."""

KEEPALIVE: Final = b": keepalive\n\n"
"""A comment: clients skip it, and the connection stays open."""

MAX_UNFRAMED_BYTES: Final = 65_536

_OTHER_FIELDS: Final = (b"event", b"id", b"retry", b":")
_BOM: Final = b"\xef\xbb\xbf"
_BLANK_LINES: Final = (b"\n", b"\r\n")


class Decoder:
    r"""Incremental decoder: takes bytes, returns events.

    Lines end in ``\n``, ``\r\n`` or ``\r``; the bytes may be split anywhere, also inside a line end or a
    character. Cost is linear in the bytes, also for one event in thousands of pieces.
    """

    __slots__ = ("_after_cr", "_data", "_line", "_started", "_unframed", "_unframed_size", "between_events")

    def __init__(self) -> None:
        self._line: list[bytes] = []  # parts of the unfinished line
        self._data: list[bytes] = []  # `data` lines of the unfinished event
        self._after_cr = False
        self._started = False
        self.between_events = False
        """True if the last event is complete and the next has not started."""
        self._unframed: list[bytes] = []  # lines that are no fields
        self._unframed_size = 0

    def feed(self, block: bytes) -> list[bytes]:
        """Return the `data` of each event that `block` completes (usually one whole event)."""
        if self.between_events:
            line, _, remainder = block.partition(b"\n")
            if line[:6] == b"event:" and b"\r" not in line[:-1]:
                line, _, remainder = remainder.partition(b"\n")
            event = line[6:].removesuffix(b"\r")
            if line[:6] == b"data: " and remainder in _BLANK_LINES and b"\r" not in event:
                return [event]
        events = self._feed(block)
        self.between_events = self._started and not (self._data or self._after_cr or any(self._line))
        return events

    def _feed(self, block: bytes) -> list[bytes]:
        if not self._started and (block := self._skip_bom(block)) == b"":
            return []
        if self._after_cr and block:
            self._after_cr = False
            block = block.removeprefix(b"\n")
        if b"\r" in block:
            self._after_cr = block.endswith(b"\r")
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = block.split(b"\n")
        self._line.append(lines[0])
        if len(lines) == 1:
            return []
        lines[0] = b"".join(self._line)
        self._line = [lines.pop()]
        return self._events(lines)

    def close(self) -> list[bytes]:
        """Return the last event, if the stream ended without the blank line after it."""
        return [event for event in self.feed(b"\n\n") if event]

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line == b"data":
                self._data.append(b"")
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
            elif line and not line.startswith(_OTHER_FIELDS) and self._unframed_size < MAX_UNFRAMED_BYTES:
                self._unframed.append(line)
                self._unframed_size += len(line) + 1
        return events

    @property
    def unframed(self) -> bytes:
        """The lines so far that are no fields, such as an error that a server writes unframed."""
        return b"\n".join(self._unframed)

    def _skip_bom(self, block: bytes) -> bytes:
        """Remove a byte order mark from the start of the stream; b"" until that is decided."""
        block = b"".join([*self._line, block])
        if len(block) < len(_BOM) and _BOM.startswith(block):
            self._line = [block]
            return b""
        self._line = []
        self._started = True
        return block.removeprefix(_BOM)


def encode(value: object) -> bytes:
    """Return one event with `value` as JSON."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
