"""The JSON of vector stores that clients get.

https://platform.openai.com/docs/api-reference/vector-stores. Types for mypy only: no module imports this one
when the function runs.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

Attributes: TypeAlias = dict[str, str | int | float | bool]

FileStatus: TypeAlias = Literal["in_progress", "completed", "failed", "cancelled"]


class FileCounts(TypedDict):
    """Numbers of files by their status."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class ExpiresAfter(TypedDict):
    """The days without use after which a store expires."""

    anchor: Literal["last_active_at"]
    days: int


class VectorStore(TypedDict):
    """A vector store."""

    id: str
    object: Literal["vector_store"]
    created_at: int
    name: str
    description: str | None
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["expired", "in_progress", "completed"]
    expires_after: ExpiresAfter | None
    expires_at: int | None
    last_active_at: int
    metadata: dict[str, str]


class VectorStoreDeleted(TypedDict):
    """The answer to the deletion of a store."""

    id: str
    object: Literal["vector_store.deleted"]
    deleted: bool


class FileContentResponse(TypedDict):
    """A text of a file."""

    type: Literal["text"]
    text: str


class VectorStoreSearchResponse(TypedDict):
    """A passage of a file that fits a query."""

    file_id: str
    filename: str
    score: float
    attributes: Attributes
    content: list[FileContentResponse]


class SearchResultsPage(TypedDict):
    """The answer to a search."""

    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[VectorStoreSearchResponse]
    has_more: bool
    next_page: None


class StaticFileChunkingStrategy(TypedDict):
    """Sizes in tokens."""

    max_chunk_size_tokens: int
    chunk_overlap_tokens: int


class StaticFileChunkingStrategyObject(TypedDict):
    """The sizes that the client has chosen."""

    type: Literal["static"]
    static: StaticFileChunkingStrategy


class OtherFileChunkingStrategyObject(TypedDict):
    """The sizes that RAG Engine has chosen."""

    type: Literal["other"]


class LastError(TypedDict):
    """The reason for which a file is not in the store."""

    code: Literal["server_error"]
    message: str


class VectorStoreFile(TypedDict):
    """A file of a store."""

    id: str
    object: Literal["vector_store.file"]
    created_at: int
    vector_store_id: str
    status: FileStatus
    usage_bytes: int
    last_error: LastError | None
    attributes: Attributes
    chunking_strategy: StaticFileChunkingStrategyObject | OtherFileChunkingStrategyObject


class VectorStoreFileDeleted(TypedDict):
    """The answer to the removal of a file."""

    id: str
    object: Literal["vector_store.file.deleted"]
    deleted: bool


class FileContentPage(TypedDict):
    """The texts of a file."""

    object: Literal["vector_store.file_content.page"]
    data: list[FileContentResponse]
    has_more: bool
    next_page: None


class VectorStoreFileBatch(TypedDict):
    """Files that were attached together."""

    id: str
    object: Literal["vector_store.files_batch"]
    created_at: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "cancelled"]
    file_counts: FileCounts
