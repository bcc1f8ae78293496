"""Mistral's references: chunks between texts that name the results on which the text before them rests.

https://docs.mistral.ai/capabilities/citations. OpenAI's annotations are links; a reference is an id that the
client has chosen itself. So references stand beside the content, each with the number of characters before
it: `"references": [{"reference_ids": [0], "index": 57}]`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from vertex_compat.publishers.openai_compat import openai_response
from vertex_compat.types import JSON, Delta, StreamPart, StreamTranslator, UpstreamCall, parts_of


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """The pieces of a whole answer."""
    return parts_of(stream(call)(body))


def stream(call: UpstreamCall) -> StreamTranslator:
    """The reader of one stream."""
    return _Reader(openai_response.stream(call)).read


class _Reader:
    """One answer, read by `inner`, which leaves references out."""

    def __init__(self, inner: StreamTranslator) -> None:
        self._inner = inner
        self._said: defaultdict[int, int] = defaultdict(int)  # choice → characters so far

    def read(self, answer: JSON) -> Delta | Iterable[StreamPart]:
        """The pieces that a chunk, or the whole answer, brings."""
        pieces = self._inner(answer)
        if isinstance(pieces, Delta):  # one more text, without references
            self._said[pieces.choice] += len(pieces.fields["content"])
            return pieces
        return self._with_references(answer, pieces)

    def _with_references(self, answer: JSON, pieces: Iterable[StreamPart]) -> Iterator[StreamPart]:
        found = self._found(answer)
        for piece in pieces:
            if not isinstance(piece, Delta):
                yield piece
                continue
            self._said[piece.choice] += len(piece.fields.get("content", ""))
            if references := found.get(piece.choice):
                piece = replace(piece, fields={**piece.fields, "references": references})  # noqa: PLW2901  (the same piece)
            yield piece

    def _found(self, answer: JSON) -> dict[int, list[JSON]]:
        """The references of each choice; only content that is a list holds any."""
        found = {}
        for choice in answer.get("choices") or ():
            said = choice.get("delta") or choice.get("message") or {}
            if isinstance(content := said.get("content"), list):
                index = choice.get("index") or 0
                found[index] = list(_references(content, self._said[index]))
        return found


def _references(content: Iterable[Any], said: int) -> Iterator[JSON]:
    for chunk in content:
        match chunk:
            case str(text) | {"type": "text", "text": str(text)}:
                said += len(text)
            case {"type": "reference", "reference_ids": ids}:
                yield {"reference_ids": ids, "index": said}
