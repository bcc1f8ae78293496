"""The JSON that clients of OpenAI's smaller APIs get: completions, files and others.

https://platform.openai.com/docs/api-reference. Types for mypy only: no module imports this one when the
function runs. Chat completions and Responses have modules of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, NotRequired, Required, TypedDict, TypeVar

from vertex_compat.operations.chat.answer_types import CompletionUsage
from vertex_compat.services.answer_types import BatchProgress, Moderation

T = TypeVar("T")


class Page(TypedDict, Generic[T]):
    """A page of a list in the form of Anthropic's API."""

    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ListPage(Page[T]):
    """A page of a list in the form of OpenAI's API."""

    object: Literal["list"]


class CompletionChoice(TypedDict):
    """One continuation of a prompt, or what a chunk adds to it."""

    index: int
    text: str
    logprobs: None
    finish_reason: str | None


class CompletionStamp(TypedDict):
    """The fields that are the same in all chunks of a stream."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str


class CompletionChunk(CompletionStamp):
    """A chunk of a stream without counts."""

    choices: list[CompletionChoice]


class Completion(CompletionChunk):
    """The answer of `/completions`, or a chunk with counts, null but in the last."""

    usage: CompletionUsage | None


class Embedding(TypedDict):
    """A vector in the form that the request names: a list, or base64."""

    object: Literal["embedding"]
    index: int
    embedding: object


class EmbeddingUsage(TypedDict):
    """Token counts of embeddings."""

    prompt_tokens: int
    total_tokens: int


class CreateEmbeddingResponse(TypedDict):
    """The answer of `/embeddings`."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class Image(TypedDict, total=False):
    """An image, as base64 or at a URL."""

    url: str
    b64_json: str
    revised_prompt: str


class ImageTokensDetails(TypedDict):
    """Token counts by kind."""

    image_tokens: int
    text_tokens: int


class ImagesUsage(TypedDict):
    """Token counts of images."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: ImageTokensDetails
    output_tokens_details: ImageTokensDetails


class ImagesResponse(TypedDict):
    """The answer of `/images/generations` and `/images/edits`."""

    created: int
    data: list[Image]
    background: Literal["opaque"]
    output_format: str
    size: NotRequired[str]
    usage: NotRequired[ImagesUsage]


class ImageEvent(TypedDict):
    """The fields that the events of drafts and of complete images have in common."""

    type: str
    b64_json: str
    background: Literal["opaque"]
    created_at: int
    output_format: str
    quality: str
    size: str


class ImagePartialImageEvent(ImageEvent):
    """The event of a draft."""

    partial_image_index: int


class ImageCompletedEvent(ImageEvent):
    """The event of a complete image."""

    usage: ImagesUsage


class FileMetadata(TypedDict):
    """The fields of a file that differ from file to file."""

    bytes: int
    created_at: int
    filename: str
    purpose: str


class FileObject(FileMetadata):
    """A file."""

    id: str
    object: Literal["file"]
    status: Literal["processed"]
    expires_at: None
    status_details: None


class FileDeleted(TypedDict):
    """The answer to the deletion of a file."""

    id: str
    object: Literal["file"]
    deleted: bool


class Batch(BatchProgress):
    """A batch."""

    id: str
    object: Literal["batch"]
    endpoint: str
    model: str | None
    input_file_id: str
    completion_window: str
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    expires_at: int
    finalizing_at: int | None
    metadata: dict[str, str] | None


class BatchRequestResponse(TypedDict):
    """The response to a request of a batch: the object of its endpoint, or an error."""

    status_code: int
    request_id: str
    body: Mapping[str, object]


class BatchRequestError(TypedDict):
    """The reason for which a request of a batch has no response."""

    code: str
    message: str


class BatchRequestOutput(TypedDict):
    """A line of a batch's output file or error file."""

    id: str
    custom_id: str
    response: BatchRequestResponse | None
    error: BatchRequestError | None


class ModerationCreateResponse(TypedDict):
    """The answer of `/moderations`."""

    id: str
    model: str
    results: list[Moderation]


class Model(TypedDict):
    """A model; `created` is 0 where the date is not known."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelInfo(Model, total=False):
    """A model with this function's own fields, those that are known."""

    publisher: Required[str]
    operations: Required[list[str]]
    locations: Required[list[str]]
    context_window: int
    max_output_tokens: int
    retires: str
    replaced_by: str
    price: Mapping[str, object]


class ModelList(TypedDict):
    """All models, on one page."""

    object: Literal["list"]
    data: list[ModelInfo]
