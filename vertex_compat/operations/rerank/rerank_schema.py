"""Schema of Cohere's and Jina's `POST /rerank`.

https://docs.cohere.com/reference/rerank and https://jina.ai/reranker
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1)]


class Rerank(Struct):
    model: str
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | dict[str, Any]], Meta(min_length=1, max_length=1000)]
    max_chunks_per_doc: Count | None = None
    max_tokens_per_doc: Count | None = None
    priority: int | None = None
    rank_fields: list[str] | None = None
    return_documents: bool | None = None
    top_n: Count | None = None
    truncation: bool | None = None
