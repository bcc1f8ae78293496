"""Write Gemini's grounding as OpenAI's annotations.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/GroundingMetadata. Gemini counts
bytes of UTF-8 within a part, OpenAI characters of the whole text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vertex_compat.json_values import count, integer, items, mapping, text
from vertex_compat.types import JSON


def url_citations(metadata: JSON, answer: str, part_offsets: Sequence[int]) -> Iterator[JSON]:
    """Yield a `url_citation` for every source of every segment.

    `part_offsets` are the bytes of `answer` at which the parts begin.
    """
    sources = [_source(chunk) for chunk in items(metadata.get("groundingChunks"))]
    encoded = answer.encode("utf-8", "surrogatepass")
    for support in items(metadata.get("groundingSupports")):
        start, end = _span(mapping(support.get("segment")), encoded, part_offsets)
        indices = support.get("groundingChunkIndices")
        for number in indices if isinstance(indices, list) else ():
            index = integer(number)
            if index is not None and 0 <= index < len(sources) and (url := _url(sources[index])):
                citation = {"url": url, "title": text(sources[index].get("title")) or url}
                span = {"start_index": start, "end_index": end}
                yield {"type": "url_citation", "url_citation": citation | span}


def readable(metadata: JSON) -> JSON:
    """Return the metadata for the client, without fields of a wrong type."""
    chunks = [
        {kind: _readable_source(source) for kind, source in chunk.items() if isinstance(source, dict)}
        for chunk in items(metadata.get("groundingChunks"))
    ]
    queries = metadata.get("webSearchQueries")
    checked: JSON = {
        "groundingChunks": chunks,
        "groundingSupports": items(metadata.get("groundingSupports")),
        "webSearchQueries": [query for query in queries if text(query)] if isinstance(queries, list) else [],
    }
    unchecked = {name: value for name, value in metadata.items() if name not in checked and value is not None}
    return unchecked | {name: value for name, value in checked.items() if value}


def _readable_source(source: JSON) -> JSON:
    strings = {name: source[name] for name in ("title", "uri") if isinstance(source.get(name), str)}
    return {name: value for name, value in source.items() if name not in {"title", "uri"}} | strings


def unique(citations: Iterable[JSON]) -> list[JSON]:
    """Return each citation once, in order."""
    return list({tuple(citation["url_citation"].values()): citation for citation in citations}.values())


def _source(chunk: JSON) -> JSON:
    """Return the source of a chunk: a web page, a document or a place on a map."""
    return next((source for source in chunk.values() if isinstance(source, dict)), {})


def _url(source: JSON) -> str:
    return text(source.get("uri")) or text(source.get("documentName"))


def _span(segment: JSON, encoded: bytes, part_offsets: Sequence[int]) -> tuple[int, int]:
    """Return the characters of a segment.

    If its offsets do not match its text, the text is searched.
    """
    part = count(segment.get("partIndex"))
    offset = part_offsets[part] if part < len(part_offsets) else 0
    start, end = offset + count(segment.get("startIndex")), offset + count(segment.get("endIndex"))
    quoted = text(segment.get("text")).encode("utf-8", "surrogatepass")
    if quoted and encoded[start:end] != quoted and (position := encoded.find(quoted)) >= 0:
        start, end = position, position + len(quoted)
    return _characters(encoded[:start]), _characters(encoded[:end])


def _characters(encoded: bytes) -> int:
    return len(encoded.decode("utf-8", "ignore"))
