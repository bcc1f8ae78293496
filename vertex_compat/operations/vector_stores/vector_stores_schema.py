"""Schemas of `/vector_stores`.

https://platform.openai.com/docs/api-reference/vector-stores
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
Attributes = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)] | int | float | bool],
    Meta(max_length=16),
]
FileIds = Annotated[list[str], Meta(min_length=1, max_length=2000)]


class ExpiresAfter(Struct):
    anchor: Literal["last_active_at"]
    days: Annotated[int, Meta(ge=1, le=365)]


class Static(Struct):
    max_chunk_size_tokens: Annotated[int, Meta(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Meta(ge=0, le=2048)]


class Chunking(Struct):
    type: Literal["auto", "static"]
    static: Static | None = None


class CreateStore(Struct):
    name: str | None = None
    description: str | None = None
    file_ids: Annotated[list[str], Meta(max_length=500)] | None = None
    chunking_strategy: Chunking | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None


class UpdateStore(Struct):
    name: str | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None


class AttachFile(Struct):
    file_id: str
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None


class UpdateFile(Struct):
    attributes: Attributes | None


class AttachFiles(Struct):
    file_ids: FileIds | None = None
    files: Annotated[list[AttachFile], Meta(min_length=1, max_length=2000)] | None = None
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None


class RankingOptions(Struct):
    ranker: str | None = None
    score_threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    hybrid_search: dict[str, Any] | None = None


class Search(Struct):
    query: str | Annotated[list[str], Meta(min_length=1, max_length=10)]
    filters: dict[str, Any] | None = None
    max_num_results: Annotated[int, Meta(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None
