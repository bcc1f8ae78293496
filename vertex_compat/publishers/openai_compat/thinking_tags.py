"""Thoughts that a server leaves in the content, between `<think>` and `</think>` → `reasoning_content`.

vLLM does so where it was not told which parser a model needs:
https://docs.vllm.ai/en/latest/features/reasoning_outputs. Read only of models that are known to write the
tags, or that the settings say it of, and only where an answer begins with one: elsewhere they are text.
Newlines beside the tags are part of them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from vertex_compat.publishers.openai_compat import openai_response
from vertex_compat.types import JSON, Delta, StreamPart, StreamTranslator, UpstreamCall, parts_of

OPEN: Final = "<think>"
CLOSE: Final = "</think>"


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """The pieces of a whole answer."""
    return parts_of(stream(call)(body))


def stream(call: UpstreamCall) -> StreamTranslator:
    """The reader of one stream."""
    feed = openai_response.stream(call)
    return _Reader(feed).read if call.reasoning_tags else feed


class _Reader:
    """One answer, each choice of it parted by itself."""

    def __init__(self, inner: StreamTranslator) -> None:
        self._inner = inner
        self._choices: dict[int, _Parted] = {}

    def read(self, answer: JSON) -> Iterator[StreamPart]:
        for piece in parts_of(self._inner(answer)):
            if isinstance(piece, Delta):
                choice = self._choices.setdefault(piece.choice, _Parted())
                yield replace(piece, fields=choice.read(piece.fields, last=piece.finish_reason is not None))
            else:
                yield piece


class _State(enum.Enum):
    BEFORE = enum.auto()  # nothing but the beginning of a tag has come
    INSIDE = enum.auto()
    AFTER = enum.auto()


class _Parted:
    """The content of one choice. What may be a part of a tag is held until it is known."""

    def __init__(self) -> None:
        self._state = _State.BEFORE
        self._held = ""
        self._begins = True  # whether no thought, or no content, has been told since the tag

    def read(self, fields: JSON, *, last: bool) -> JSON:
        """The fields of a delta, parted. One that says something else as well ends the waiting."""
        others = {name: value for name, value in fields.items() if name != "content"}
        if self._state is _State.BEFORE and "reasoning_content" in others:
            self._state, self._begins = _State.AFTER, False  # the server parts them itself
        self._held += fields.get("content", "")
        if self._state is _State.BEFORE:
            self._open(last=last or bool(others))
        thought = self._inside(last=last) if self._state is _State.INSIDE else ""
        content = self._after() if self._state is _State.AFTER else ""
        if thought:
            others["reasoning_content"] = others.get("reasoning_content", "") + thought
        return others | ({"content": content} if content else {})

    def _open(self, *, last: bool) -> None:
        begin = self._held.lstrip()
        if begin.startswith(OPEN):
            self._state, self._held = _State.INSIDE, begin[len(OPEN) :]
        elif last or not OPEN.startswith(begin):
            self._state, self._begins = _State.AFTER, False

    def _inside(self, *, last: bool) -> str:
        thought, close, rest = self._held.partition(CLOSE)
        if close:
            thought = self._shown(thought.rstrip("\n"))
            self._state, self._held, self._begins = _State.AFTER, rest, True
            return thought
        kept = 0 if last else _unsure(thought)
        self._held = thought[len(thought) - kept :]
        return self._shown(thought[: len(thought) - kept])

    def _after(self) -> str:
        content, self._held = self._held, ""
        return self._shown(content)

    def _shown(self, text: str) -> str:
        """The text without the newlines that follow a tag."""
        if self._begins:
            text = text.lstrip("\n")
            self._begins = not text
        return text


def _unsure(text: str) -> int:
    """How many characters at the end may be newlines before the closing tag, or its beginning."""
    begun = next(length for length in range(len(CLOSE), -1, -1) if text.endswith(CLOSE[:length]))
    before = text[: len(text) - begun]
    return begun + len(before) - len(before.rstrip("\n"))
