"""The JSON that clients of the Gemini API get for other models than Gemini.

https://ai.google.dev/api/generate-content#GenerateContentResponse. Types for mypy only: no module imports
this one when the function runs. What Gemini answers is passed on as it is.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

from vertex_compat.types import JSON


class Blob(TypedDict):
    """A file in base64."""

    mimeType: str
    data: str


class FileData(TypedDict):
    """A file at a URL."""

    fileUri: str


class FunctionCall(TypedDict):
    """A call of a function."""

    id: str | None
    name: str
    args: JSON


class Part(TypedDict, total=False):
    """A text, a thought, a file or a call; the signature is the state that the model needs back."""

    text: str
    thought: bool
    thoughtSignature: str
    inlineData: Blob
    fileData: FileData
    functionCall: FunctionCall


class Content(TypedDict):
    """The model's turn, or what a chunk adds to it."""

    role: Literal["model"]
    parts: list[Part]


class LogprobsResultCandidate(TypedDict):
    """A token and its log probability."""

    token: str
    logProbability: float


class LogprobsResultTopCandidates(TypedDict):
    """The most probable tokens of one position."""

    candidates: list[LogprobsResultCandidate]


class LogprobsResult(TypedDict):
    """Log probabilities of the tokens of a candidate."""

    chosenCandidates: list[LogprobsResultCandidate]
    topCandidates: list[LogprobsResultTopCandidates]


class GroundingChunkWeb(TypedDict):
    """A web page."""

    uri: str
    title: str


class GroundingChunk(TypedDict):
    """A source."""

    web: GroundingChunkWeb


class Segment(TypedDict):
    """A part of the answer; its indices count bytes of UTF-8."""

    startIndex: int
    endIndex: int
    text: str


class GroundingSupport(TypedDict):
    """A text, and the numbers of the sources that it is based on."""

    segment: Segment
    groundingChunkIndices: list[int]


class GroundingMetadata(TypedDict):
    """The sources of an answer."""

    groundingChunks: list[GroundingChunk]
    groundingSupports: list[GroundingSupport]


FinishReason: TypeAlias = Literal["STOP", "MAX_TOKENS", "SAFETY"]


class Candidate(TypedDict):
    """One answer of the model, or what a chunk adds to it."""

    index: int
    content: NotRequired[Content]
    finishReason: NotRequired[FinishReason]
    finishMessage: NotRequired[str]
    groundingMetadata: NotRequired[GroundingMetadata]
    logprobsResult: NotRequired[LogprobsResult]


class GenerateContentResponseUsageMetadata(TypedDict):
    """Token counts; thoughts are not among the candidates' tokens."""

    promptTokenCount: int
    candidatesTokenCount: int
    totalTokenCount: int
    thoughtsTokenCount: NotRequired[int]
    cachedContentTokenCount: NotRequired[int]


class GenerateContentResponse(TypedDict):
    """The whole response, or a chunk of it; only the last chunk has counts."""

    candidates: list[Candidate]
    modelVersion: str
    responseId: str
    usageMetadata: NotRequired[GenerateContentResponseUsageMetadata]


class CountTokensResponse(TypedDict):
    """The answer to `countTokens`."""

    totalTokens: int


class ContentEmbedding(TypedDict):
    """The vector of one content."""

    values: list[float]


class EmbedContentResponse(TypedDict):
    """The answer to `embedContent`."""

    embedding: ContentEmbedding


class BatchEmbedContentsResponse(TypedDict):
    """The answer to `batchEmbedContents`."""

    embeddings: list[ContentEmbedding]


class Model(TypedDict):
    """A model."""

    name: str
    version: str
    displayName: str
    supportedGenerationMethods: list[str]
    inputTokenLimit: NotRequired[int]
    outputTokenLimit: NotRequired[int]


class ListModelsResponse(TypedDict):
    """A page of models."""

    models: list[Model]
    nextPageToken: NotRequired[str]


class ImagePrediction(TypedDict):
    """An image of `predict`."""

    mimeType: str
    bytesBase64Encoded: str
    prompt: NotRequired[str]


class GenerateImagesResponse(TypedDict):
    """The answer of `predict` of an image model."""

    predictions: list[ImagePrediction]
