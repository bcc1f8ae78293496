"""Reasoning between `<think>` and `</think>` in the content, as `reasoning_content`.

vLLM leaves it there unless its settings name a parser:
https://docs.vllm.ai/en/latest/features/reasoning_outputs. Tags are read only of models that are known to
write them, or that the settings name. They are read at the beginning of an answer; elsewhere they are text.
Newlines beside the tags belong to them.

The chat templates of some models open the tag themselves, so that the answer has the closing tag alone. Until
it comes, the beginning of a text without an opening tag is held back. A longer stream goes on as reasoning;
if it stops without the closing tag, it was the answer, and comes as content at its end.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from vertex_compat.publishers.openai_compat import openai_response
from vertex_compat.types import (
    JSON,
    Delta,
    DeltaFields,
    StreamPart,
    StreamTranslator,
    UpstreamCall,
    parts_of,
    without_field,
)

OPEN: Final = "<think>"
CLOSE: Final = "</think>"

MAX_UNDECIDED: Final = 2_000
"""Characters of a stream without tags that are held back; what follows is taken for reasoning."""

MAX_HELD: Final = 1_000_000
"""Characters without tags that are kept at most; a longer text is content."""

MAX_TAG_INDENT: Final = 1_000
"""Characters of white space that the opening tag may follow."""


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """Return the parts of a whole answer."""
    return parts_of(stream(call)(body))


def stream(call: UpstreamCall) -> StreamTranslator:
    """Return the translator of one stream."""
    translate = openai_response.stream(call)
    return _TagReader(translate).read if call.reasoning_tags else translate


class _TagReader:
    """Separates reasoning and content in one answer, choice by choice."""

    def __init__(self, translate: StreamTranslator) -> None:
        self._translate = translate
        self._choices: dict[int, _Separator] = {}

    def read(self, answer: JSON) -> Iterator[StreamPart]:
        """Return the parts in a chunk or in a whole answer."""
        for part in parts_of(self._translate(answer)):
            if isinstance(part, Delta):
                choice = self._choices.setdefault(part.choice, _Separator())
                yield replace(part, fields=choice.separate(part.fields, part.finish_reason))
            else:
                yield part


class _State(enum.Enum):
    UNDECIDED = enum.auto()
    REASONING = enum.auto()
    CONTENT = enum.auto()


class _Separator:
    """Separates the content of one choice.

    Text that may be reasoning or part of a tag is held back.
    """

    def __init__(self) -> None:
        self._state = _State.UNDECIDED
        self._buffer: list[str] = []
        self._length = 0
        self._tail = ""  # the last characters held back, which may begin a tag
        self._pending = ""  # the end of the reasoning so far, which may begin the closing tag
        self._may_open = True
        self._is_assumed = False  # whether only the length of the text makes it reasoning
        self._after_tag = True  # whether nothing but newlines has come since the tag

    def separate(self, fields: DeltaFields, finish_reason: str | None) -> DeltaFields:
        """Return the fields of a delta, separated.

        Other fields than the content end the holding back.
        """
        other_fields = without_field(fields, "content")
        content, is_last = fields.get("content", ""), finish_reason is not None
        if self._state is _State.UNDECIDED:
            if "reasoning_content" in other_fields:  # the server separates them itself
                self._state, self._after_tag = _State.CONTENT, False
            content = self._decide(content, is_final=is_last or bool(other_fields))
        elif self._is_assumed:
            self._buffer.append(content)
            self._length += len(content)
        reasoning = ""
        if self._state is _State.REASONING:
            reasoning, content = self._split(content, is_last=is_last)
            if self._is_assumed:
                content += self._answer_after_all(finish_reason)
        if self._state is _State.CONTENT:
            content = self._without_newlines(content)
        if reasoning:
            other_fields["reasoning_content"] = other_fields.get("reasoning_content", "") + reasoning
        if content:
            other_fields["content"] = content
        return other_fields

    def _decide(self, content: str, *, is_final: bool) -> str:
        """Return the text so far once its kind is decided, until then an empty string."""
        self._buffer.append(content)
        self._length += len(content)
        window = self._tail + content
        self._tail = window[1 - len(CLOSE) :]
        if self._state is _State.UNDECIDED and self._may_open:
            text = "".join(self._buffer).lstrip()
            if text.startswith(OPEN):
                self._state = _State.REASONING
                return text[len(OPEN) :]
            self._may_open = OPEN.startswith(text) and self._length < MAX_TAG_INDENT
        if self._state is _State.UNDECIDED and not self._may_open:
            opened, closed = window.find(OPEN), window.find(CLOSE)
            if closed >= 0 and not 0 <= opened < closed:
                self._state = _State.REASONING
            elif opened >= 0:  # a tag inside a text is text
                self._state, self._after_tag = _State.CONTENT, False
        if self._state is _State.UNDECIDED and is_final:
            self._state, self._after_tag = _State.CONTENT, False
        elif self._state is _State.UNDECIDED and self._length > MAX_UNDECIDED:
            self._state, self._is_assumed = _State.REASONING, True
        return "" if self._state is _State.UNDECIDED else "".join(self._buffer)

    def _answer_after_all(self, finish_reason: str | None) -> str:
        """Return the text that was taken for reasoning, if it was the answer or is too long to keep."""
        if self._state is _State.REASONING and finish_reason != "stop" and self._length <= MAX_HELD:
            return ""
        is_reasoning = self._state is _State.CONTENT  # the closing tag has come
        text = "" if is_reasoning else "".join(self._buffer)
        self._buffer, self._is_assumed = [], False
        if not is_reasoning:
            self._state, self._after_tag = _State.CONTENT, False
        return text

    def _split(self, content: str, *, is_last: bool) -> tuple[str, str]:
        """Return the reasoning and the content in a text that begins as reasoning."""
        reasoning, close, answer = (self._pending + content).partition(CLOSE)
        if close:
            reasoning = self._without_newlines(reasoning.rstrip("\n"))
            self._state, self._pending, self._after_tag = _State.CONTENT, "", True
            return reasoning, answer
        end = len(reasoning) - (0 if is_last else _possible_end(reasoning))
        self._pending = reasoning[end:]
        return self._without_newlines(reasoning[:end]), ""

    def _without_newlines(self, text: str) -> str:
        """Return the text without the newlines that follow a tag."""
        if self._after_tag:
            text = text.lstrip("\n")
            self._after_tag = not text
        return text


def _possible_end(text: str) -> int:
    """Return the length of the end that may be newlines and the start of the closing tag."""
    tag = next(length for length in range(len(CLOSE), -1, -1) if text.endswith(CLOSE[:length]))
    before = text[: len(text) - tag]
    return tag + len(before) - len(before.rstrip("\n"))
