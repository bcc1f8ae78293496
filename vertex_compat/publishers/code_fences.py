"""Code fences: around code that a publisher ran, and removed from requested JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from vertex_compat.types import JSON, Delta, StreamPart, StreamTranslator, parts_of, without_field

MAX_HELD: Final = 1_000
"""Characters at the end of a text that are held back because they may belong to the fence."""

_FENCE: Final = "```"
_OPENING: Final = re.compile(r"\s*```(?:json)?[ \t]*(?:\r?\n|(?=[{\[\"]))", re.IGNORECASE)
_OPENING_START: Final = re.compile(r"\s*(?:`{0,2}|```(?:j|js|jso|json)?[ \t]*\r?)", re.IGNORECASE)


def code_block(language: str, code: str) -> str:
    """Return code, or what it has written, in a fence that stands in a text of its own."""
    return f"\n{_FENCE}{language}\n{code.rstrip()}\n{_FENCE}\n"


class FenceRemover:
    """Removes the fence around one text that comes in pieces.

    Text without a fence at its start is kept.
    """

    def __init__(self) -> None:
        self._pending = ""
        self._is_fenced: bool | None = None
        self._has_ended = False

    def feed(self, text: str, *, is_last: bool) -> str:
        """Return what is certain of the text so far; may be empty."""
        if self._is_fenced is False or self._has_ended:
            return "" if self._has_ended else text
        text = self._pending + text
        self._pending = ""
        if self._is_fenced is None:
            if opening := _OPENING.match(text):
                self._is_fenced = True
                text = text[opening.end() :]
            elif not is_last and len(text) <= MAX_HELD and _OPENING_START.fullmatch(text):
                self._pending = text
                return ""
            else:
                self._is_fenced = False
                return text
        return self._inside(text, is_last=is_last)

    def _inside(self, text: str, *, is_last: bool) -> str:
        """Return the text up to the closing fence: in JSON no line begins with one."""
        content, closing, _ = text.partition(f"\n{_FENCE}")
        if closing:
            self._has_ended = True
            return content.rstrip()
        content = text.rstrip()
        content = content[: len(content) - _backticks(content)].rstrip()
        tail = text[len(content) :]
        if is_last:
            return content if _FENCE in tail else text
        if len(tail) > MAX_HELD:
            return text
        self._pending = tail
        return content


def _backticks(text: str) -> int:
    """Return how many backticks end the text, at most those of a fence."""
    tail = text[-len(_FENCE) :]
    return len(tail) - len(tail.rstrip("`"))


def without_fences(translate: StreamTranslator) -> Callable[[JSON], Iterator[StreamPart]]:
    """Return a translator of events or whole responses without the fence around each content."""
    removers: dict[int, FenceRemover] = {}

    def read(event: JSON) -> Iterator[StreamPart]:
        for part in parts_of(translate(event)):
            if isinstance(part, Delta):
                yield _without_fence(part, removers.setdefault(part.choice, FenceRemover()))
            else:
                yield part

    return read


def _without_fence(delta: Delta, remover: FenceRemover) -> Delta:
    is_last = delta.finish_reason is not None and delta.continuation is None
    content = delta.fields.get("content")
    if content is None and not is_last:
        return delta
    fields = without_field(delta.fields, "content")
    if text := remover.feed(content or "", is_last=is_last):
        fields["content"] = text
    return replace(delta, fields=fields)
