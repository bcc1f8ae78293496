"""Where an answer comes from: Gemini's grounding as OpenAI's annotations.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/GroundingMetadata. Gemini counts
bytes of UTF-8 within a part, OpenAI characters of the whole text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vertex_compat.types import JSON


def url_citations(metadata: JSON, text: str, starts: Sequence[int]) -> Iterator[JSON]:
    """A `url_citation` for every source of every segment. `starts` are the bytes at which the parts begin."""
    sources = metadata.get("groundingChunks") or []
    written = text.encode("utf-8", "surrogatepass")
    for support in metadata.get("groundingSupports") or []:
        start, end = _span(support.get("segment") or {}, written, starts)
        for number in support.get("groundingChunkIndices") or []:
            if number < len(sources) and (url := _url(source := _source(sources[number]))):
                cited = {"url": url, "title": source.get("title") or url}
                where = {"start_index": start, "end_index": end}
                yield {"type": "url_citation", "url_citation": cited | where}


def _source(chunk: JSON) -> JSON:
    """A source is of the web, of a search in documents, or of a map."""
    return next((held for held in chunk.values() if isinstance(held, dict)), {})


def _url(source: JSON) -> str:
    url: str = source.get("uri") or source.get("documentName") or ""
    return url


def _span(segment: JSON, written: bytes, starts: Sequence[int]) -> tuple[int, int]:
    """The characters of a segment. Where its numbers do not lead to its text, the text is looked for."""
    part = segment.get("partIndex", 0)
    begin = starts[part] if part < len(starts) else 0
    start, end = begin + segment.get("startIndex", 0), begin + segment.get("endIndex", 0)
    meant = segment.get("text", "").encode("utf-8", "surrogatepass")
    if meant and written[start:end] != meant and (found := written.find(meant)) >= 0:
        start, end = found, found + len(meant)
    return _characters(written[:start]), _characters(written[:end])


def _characters(written: bytes) -> int:
    return len(written.decode("utf-8", "ignore"))
