"""RAG Engine: corpora, their files, and the retrieval of contexts.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/rag-api-v1. A distance is a
cosine's: from 0 for the same to 2 for the contrary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from vertex_compat.json_values import items, mapping, text
from vertex_compat.json_values import number as number_of
from vertex_compat.types import JSON, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.services import request_types as wire

MAX_NAME: Final = 128
"""Characters of a corpus's display name."""

MAX_URIS: Final = 25
"""Files that one import takes."""


class Context(NamedTuple):
    """A passage of a file: its text, and its similarity to the query, from 0 to 1."""

    uri: str
    file_name: str
    text: str
    score: float


def create(name: str, description: str) -> UpstreamCall:
    """Create a corpus; a long-running operation."""
    body: wire.RagCorpus = {"displayName": name[:MAX_NAME], "description": description}
    return UpstreamCall("ragCorpora", body)


def delete(corpus: str) -> UpstreamCall:
    """Delete a corpus with its files; a long-running operation."""
    return UpstreamCall(f"ragCorpora/{corpus}?force=true", {}, method="DELETE")


def import_files(corpus: str, uris: Sequence[str], chunking: tuple[int, int] | None) -> UpstreamCall:
    """Import objects of Cloud Storage; a long-running operation.

    `chunking` is size and overlap in tokens.
    """
    config: wire.ImportRagFilesConfig = {"gcsSource": {"uris": list(uris)}}
    if chunking:
        size, overlap = chunking
        fixed: wire.FixedLengthChunking = {"chunkSize": size, "chunkOverlap": overlap}
        config["ragFileTransformationConfig"] = {"ragFileChunkingConfig": {"fixedLengthChunking": fixed}}
    body: wire.ImportRagFilesRequest = {"importRagFilesConfig": config}
    return UpstreamCall(f"ragCorpora/{corpus}/ragFiles:import", body)


def files(corpus: str, page: str) -> UpstreamCall:
    """Read one page of the files of a corpus."""
    return _page(f"ragCorpora/{corpus}/ragFiles", page)


def delete_file(corpus: str, file: str) -> UpstreamCall:
    """Remove a file from a corpus; a long-running operation."""
    return UpstreamCall(f"ragCorpora/{corpus}/ragFiles/{file}", {}, method="DELETE")


def operation(name: str) -> UpstreamCall:
    """Read a long-running operation of this name."""
    return UpstreamCall(name.partition("/locations/")[2].partition("/")[2], {}, method="GET")


def retrieve(
    corpus: str, query: str, limit: int, rag_files: Sequence[str] = (), min_similarity: float = 0
) -> UpstreamCall:
    """Search a corpus, whose full name is `corpus`; `min_similarity` is the least similarity."""
    resource: wire.RagResource = {"ragCorpus": corpus}
    if rag_files:
        resource["ragFileIds"] = list(rag_files)
    config: wire.RagRetrievalConfig = {"topK": limit}
    if min_similarity > 0:
        config["filter"] = {"vectorDistanceThreshold": 1 - min_similarity}
    body: wire.RetrieveContextsRequest = {
        "vertexRagStore": {"ragResources": [resource]},
        "query": {"text": query, "ragRetrievalConfig": config},
    }
    return UpstreamCall(":retrieveContexts", body)


def number(name: str, kind: str) -> str | None:
    """Return the number that follows `kind` in a resource's name."""
    match = re.search(rf"(?:^|/){kind}/([0-9]+)(?:/|$)", name)
    return match[1] if match else None


def contexts(body: JSON) -> list[Context]:
    """Return the passages that a search has found, best first."""
    return [
        Context(
            text(context.get("sourceUri")),
            text(context.get("sourceDisplayName")),
            text(context.get("text")),
            similarity(number_of(context.get("score")) or 0.0),
        )
        for context in items(mapping(body.get("contexts")).get("contexts"))
    ]


def rag_files(page: JSON) -> dict[str, str]:
    """Return a page of a corpus's files: the URI that each was imported from → its number."""
    files = {}
    for file in items(page.get("ragFiles")):
        file_number = number(text(file.get("name")), "ragFiles")
        uris = mapping(file.get("gcsSource")).get("uris")
        if file_number and isinstance(uris, list) and uris:
            files[text(uris[0])] = file_number
    return files


def similarity(distance: float) -> float:
    """Return a cosine distance as OpenAI's score: 1 is the same, 0 is unrelated or contrary."""
    return min(max(1 - distance, 0.0), 1.0)


def _page(path: str, page: str) -> UpstreamCall:
    query: Mapping[str, str] = {"pageSize": "100"} | ({"pageToken": page} if page else {})
    return UpstreamCall(f"{path}?{urlencode(query)}", {}, method="GET")
