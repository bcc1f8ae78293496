"""Parsers of responses whose texts are checked before the client gets them.

A stream is checked in passages: parts are held back until a passage is complete, and then sent or blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import items
from vertex_compat.operations.guardrails import prompt_text
from vertex_compat.operations.model_calls import decode_object
from vertex_compat.types import JSON, Delta, StreamPart, UpstreamCall, Usage

PASSAGE_CHARACTERS: Final = 1000
"""Text that a stream holds back for a check."""

OVERLAP_CHARACTERS: Final = 200
"""Text before a passage that is checked with it, so that nothing is hidden on the border."""

P = TypeVar("P")

CheckResponse: TypeAlias = Callable[[str], str | None]
"""Returns why a text is blocked, None if it is not."""


class Parser(Protocol[P]):
    """A parser of one response."""

    @property
    def done(self) -> bool:
        """As in `upstream_stream.ResponseParser`."""

    @property
    def continuation(self) -> UpstreamCall | None:
        """As in `upstream_stream.ResponseParser`."""

    def read(self, data: bytes, parts: list[P]) -> None:
        """As in `upstream_stream.ResponseParser`."""

    def whole(self, body: bytes, parts: list[P]) -> None:
        """As in `upstream_stream.ResponseParser`."""

    def resume(self, call: UpstreamCall, content_type: str) -> None:
        """As in `upstream_stream.ResponseParser`."""


class GuardedParser(Generic[P]):
    """Holds the parts of another parser back until their texts have been checked."""

    text_choice = 0

    def __init__(self, parser: Parser[P], check: CheckResponse) -> None:
        self._parser = parser
        self._check_response = check
        self._pending: list[P] = []
        self._size = 0

    @property
    def done(self) -> bool:
        """As in `upstream_stream.ResponseParser`."""
        return self._parser.done

    @property
    def continuation(self) -> UpstreamCall | None:
        """As in `upstream_stream.ResponseParser`."""
        return self._parser.continuation

    def resume(self, call: UpstreamCall, content_type: str) -> None:
        """Go on with the response to `continuation`."""
        self._parser.resume(call, content_type)

    def recover(self) -> bool:
        """Return False: the text that is held back has been released with the error."""
        return False

    def read_text(self, _: bytes) -> str | None:
        """Return None: no text is passed on before its check."""
        return None

    def read(self, data: bytes, parts: list[P]) -> None:
        """Append the parts of complete passages."""
        new: list[P] = []
        try:
            self._parser.read(data, new)
        except errors.ApiError:
            self._hold(new)
            self._release(parts)
            raise
        finished = self._hold(new)
        if finished or not data or self.done or self._size >= PASSAGE_CHARACTERS:
            self._release(parts)

    def whole(self, body: bytes, parts: list[P]) -> None:
        """Append the parts of a response that the client gets whole."""
        new: list[P] = []
        self._parser.whole(body, new)
        self._hold(new)
        self._release(parts)

    def _hold(self, new: list[P]) -> bool:
        """Hold parts back; return whether one of them has a finish reason."""
        self._pending += new
        self._size += sum(len(text) for part in new for text in self._texts(part))
        return any(map(self._has_finish, new))

    def _release(self, parts: list[P]) -> None:
        """Pass on the pending parts, except for blocked ones."""
        released, self._pending, self._size = self._pending, [], 0
        self._append(released, parts)

    def _append(self, released: list[P], parts: list[P]) -> None:
        raise NotImplementedError

    def _texts(self, part: P) -> Iterator[str]:
        raise NotImplementedError

    def _has_finish(self, part: P) -> bool:
        raise NotImplementedError


class GuardedChat(GuardedParser[StreamPart]):
    """Checks deltas; a blocked choice ends with a refusal, the others go on."""

    def __init__(self, parser: Parser[StreamPart], check: CheckResponse) -> None:
        super().__init__(parser, check)
        self._before: dict[int, str] = {}
        self._blocked: set[int] = set()

    def _append(self, released: list[StreamPart], parts: list[StreamPart]) -> None:
        choices = dict.fromkeys(part.choice for part in released if isinstance(part, Delta))
        for choice in choices:
            if choice not in self._blocked:
                self._check(choice, released, parts)
        parts += [part for part in released if isinstance(part, Usage) or part.choice not in self._blocked]

    def _check(self, choice: int, pending: list[StreamPart], parts: list[StreamPart]) -> None:
        text = "".join(text for part in pending if _is_of(part, choice) for text in self._texts(part))
        if not text:
            return
        if reason := self._check_response(self._before.get(choice, "") + text):
            self._blocked.add(choice)
            parts.append(Delta(choice, {"refusal": reason}, "content_filter"))
        self._before[choice] = text[-OVERLAP_CHARACTERS:]

    def _texts(self, part: StreamPart) -> Iterator[str]:
        """Yield the texts of a delta: content, reasoning, and the arguments of tool calls."""
        if isinstance(part, Usage):
            return
        fields = part.fields
        yield from filter(None, (fields.get("content"), fields.get("reasoning_content")))
        for call in fields.get("tool_calls") or ():
            yield (call.get("function") or {}).get("arguments") or ""

    def _has_finish(self, part: StreamPart) -> bool:
        return isinstance(part, Delta) and bool(part.finish_reason)


def _is_of(part: StreamPart, choice: int) -> bool:
    return isinstance(part, Delta) and part.choice == choice


class GuardedChunks(GuardedParser[bytes]):
    """Checks Gemini's chunks, which are passed on; a blocked response ends with a reason."""

    def __init__(self, parser: Parser[bytes], check: CheckResponse) -> None:
        super().__init__(parser, check)
        self._before = ""
        self._is_blocked = False

    def _append(self, released: list[bytes], parts: list[bytes]) -> None:
        if self._is_blocked or not released:
            return
        text = "".join(text for chunk in released for text in self._texts(chunk))
        reason = self._check_response(self._before + text) if text else None
        self._before = text[-OVERLAP_CHARACTERS:]
        if reason:
            self._is_blocked = True
            parts.append(_refusal(decode_object(released[-1]), reason))
        else:
            parts += released

    def _texts(self, part: bytes) -> Iterator[str]:
        for candidate in items(decode_object(part).get("candidates")):
            yield from prompt_text.texts(candidate.get("content"))

    def _has_finish(self, part: bytes) -> bool:
        return b'"finishReason"' in part


def _refusal(chunk: JSON, reason: str) -> bytes:
    """Return the last chunk of a blocked response: without text, with the counts of `chunk`."""
    candidate: JSON = {"content": {"role": "model", "parts": []}, "index": 0}
    candidate |= {"finishReason": "MODEL_ARMOR", "finishMessage": reason}
    return msgspec.json.encode(chunk | {"candidates": [candidate]})
