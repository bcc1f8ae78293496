"""The JSON that is sent to Google's services: jobs, corpora, checks of texts.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.tuningJobs,
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/rag-api-v1,
https://cloud.google.com/security-command-center/docs/reference/model-armor/rest and
https://cloud.google.com/natural-language/docs/reference/rest/v2/documents/moderateText. Types for mypy only:
no module imports this one when the function runs.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from vertex_compat.types import JSON


class SupervisedHyperParameters(TypedDict, total=False):
    """Hyperparameters; those that are missing are Vertex AI's to choose."""

    adapterSize: str
    epochCount: int
    learningRateMultiplier: float


class SupervisedTuningSpec(TypedDict):
    """Supervised tuning with JSONL files in Cloud Storage."""

    trainingDatasetUri: str
    validationDatasetUri: NotRequired[str]
    hyperParameters: NotRequired[SupervisedHyperParameters]


class TuningJob(TypedDict):
    """A tuning job to start."""

    baseModel: str
    supervisedTuningSpec: SupervisedTuningSpec
    tunedModelDisplayName: str
    description: str
    labels: dict[str, str]


class GcsSource(TypedDict):
    """Objects of Cloud Storage."""

    uris: list[str]


class InputConfig(TypedDict):
    """The input of a batch prediction job."""

    instancesFormat: Literal["jsonl"]
    gcsSource: GcsSource


class GcsDestination(TypedDict):
    """A folder of Cloud Storage."""

    outputUriPrefix: str


class OutputConfig(TypedDict):
    """The output of a batch prediction job."""

    predictionsFormat: Literal["jsonl"]
    gcsDestination: GcsDestination


class BatchPredictionJob(TypedDict):
    """A batch prediction job to start."""

    displayName: str
    model: str
    inputConfig: InputConfig
    outputConfig: OutputConfig
    labels: dict[str, str]
    modelParameters: NotRequired[JSON]


class RagCorpus(TypedDict):
    """A corpus to create."""

    displayName: str
    description: str


class FixedLengthChunking(TypedDict):
    """Sizes in tokens."""

    chunkSize: int
    chunkOverlap: int


class RagFileChunkingConfig(TypedDict):
    """The way of dividing files into chunks."""

    fixedLengthChunking: FixedLengthChunking


class RagFileTransformationConfig(TypedDict):
    """The processing of files."""

    ragFileChunkingConfig: RagFileChunkingConfig


class ImportRagFilesConfig(TypedDict):
    """Files to import."""

    gcsSource: GcsSource
    ragFileTransformationConfig: NotRequired[RagFileTransformationConfig]


class ImportRagFilesRequest(TypedDict):
    """The body of `ragFiles:import`."""

    importRagFilesConfig: ImportRagFilesConfig


class RagResource(TypedDict):
    """A corpus, or some files of it."""

    ragCorpus: str
    ragFileIds: NotRequired[list[str]]


class VertexRagStore(TypedDict):
    """The corpora to search."""

    ragResources: list[RagResource]


class RagRetrievalFilter(TypedDict):
    """The greatest distance of a context."""

    vectorDistanceThreshold: float


class RagRetrievalConfig(TypedDict):
    """The number of contexts, and their filter."""

    topK: int
    filter: NotRequired[RagRetrievalFilter]


class RagQuery(TypedDict):
    """A search."""

    text: str
    ragRetrievalConfig: RagRetrievalConfig


class RetrieveContextsRequest(TypedDict):
    """The body of `:retrieveContexts`."""

    vertexRagStore: VertexRagStore
    query: RagQuery


class DataItem(TypedDict):
    """A text that Model Armor checks."""

    text: str


class SanitizeUserPromptRequest(TypedDict):
    """The body of `:sanitizeUserPrompt`."""

    userPromptData: DataItem


class SanitizeModelResponseRequest(TypedDict):
    """The body of `:sanitizeModelResponse`."""

    modelResponseData: DataItem
    userPrompt: NotRequired[str]


class Document(TypedDict):
    """A text that Natural Language rates."""

    type: Literal["PLAIN_TEXT"]
    content: str


class ModerateTextRequest(TypedDict):
    """The body of `documents:moderateText`."""

    document: Document


class TextContent(TypedDict):
    """A text of an interaction."""

    type: Literal["text"]
    text: str


class InteractionStep(TypedDict):
    """A turn of the user or of the model."""

    type: Literal["user_input", "model_output"]
    content: list[TextContent]


class Runner(TypedDict, total=False):
    """The model or the agent that runs an interaction."""

    model: str
    agent: str


class Interaction(Runner):
    """An interaction to start."""

    input: list[InteractionStep]
    background: bool
    store: bool
    labels: dict[str, str]
    system_instruction: NotRequired[str]
    generation_config: NotRequired[JSON]
