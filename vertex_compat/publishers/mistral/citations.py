"""Mistral's citations: parts of a content that name the sources of the text before them.

https://docs.mistral.ai/capabilities/citations. OpenAI's annotations are URLs; these references are ids that
the client has chosen. So the message gets a field of its own, where each reference has the number of
characters before it: `"references": [{"reference_ids": [0], "index": 57}]`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from msgspec.structs import replace

from vertex_compat.json_values import items, mapping, member
from vertex_compat.publishers.openai_compat import openai_response
from vertex_compat.types import JSON, Delta, StreamPart, StreamTranslator, TextEvent, UpstreamCall, parts_of


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """Return the parts of a whole answer."""
    return parts_of(stream(call)(body))


def stream(call: UpstreamCall) -> StreamTranslator:
    """Return the translator of one stream."""
    return _CitationReader(openai_response.stream(call)).read


class _CitationReader:
    """Adds the references to the deltas of one answer, which `translate` reads without them."""

    def __init__(self, translate: StreamTranslator) -> None:
        self._translate = translate
        self._lengths: defaultdict[int, int] = defaultdict(int)  # choice → characters so far

    def read(self, answer: JSON) -> TextEvent | Iterable[StreamPart]:
        """Return the parts in a chunk or in a whole answer."""
        parts = self._translate(answer)
        if isinstance(parts, TextEvent):  # the content is no list
            self._lengths[parts.choice] += len(parts.text)
            return TextEvent(parts.choice, parts.text, partial(self._append_text, parts))
        return self._with_references(answer, parts)

    def _append_text(self, event: TextEvent, text: str) -> object:
        """Read an event that differs from `event` only in its text."""
        if is_read := event.append(text):
            self._lengths[event.choice] += len(text)
        return is_read

    def _with_references(self, answer: JSON, parts: Iterable[StreamPart]) -> Iterator[StreamPart]:
        references = self._references(answer)
        for part in parts:
            if not isinstance(part, Delta):
                yield part
                continue
            self._lengths[part.choice] += len(part.fields.get("content", ""))
            own = references.get(part.choice)
            yield replace(part, fields={**part.fields, "references": own}) if own else part

    def _references(self, answer: JSON) -> dict[int, list[JSON]]:
        """Return the references of each choice; only a content that is a list has any."""
        sources = {}
        for position, choice in enumerate(items(answer.get("choices"))):
            message = mapping(choice.get("delta")) or member(choice, "message")
            if isinstance(content := message.get("content"), list):
                index = openai_response.index(choice.get("index"), position)
                sources[index] = list(_references(content, self._lengths[index]))
        return sources


def _references(content: list[Any], length: int) -> Iterator[JSON]:
    for part in content:
        match part:
            case {"type": "reference", "reference_ids": [*ids]}:
                yield {"reference_ids": ids, "index": length}
            case _:
                texts = openai_response.part_texts(part)
                length += sum(len(text) for field, text in texts if field == "content")
