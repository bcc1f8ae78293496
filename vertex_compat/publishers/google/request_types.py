"""The JSON that is sent to Google's models: Gemini's requests, then those of `predict`.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/projects.locations.publishers.models/generateContent
and https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference. Types for mypy only: no module
imports this one when the function runs.
"""

from __future__ import annotations

from typing import Literal, NotRequired, Required, TypeAlias, TypedDict

from vertex_compat.types import JSON


class Blob(TypedDict):
    """A file in base64."""

    mimeType: str
    data: str


class FileData(TypedDict):
    """A file at a URL."""

    mimeType: str
    fileUri: str | None


class FunctionCall(TypedDict, total=False):
    """A call of the model. `id` exists from Gemini 3 on."""

    id: str
    name: Required[str]
    args: Required[JSON]


class FunctionResponse(TypedDict, total=False):
    """The result of a call; `parts` are files of the result, or parts in the client's own words."""

    id: str
    name: Required[str]
    response: Required[JSON]
    parts: list[Part | JSON]


class PartMediaResolution(TypedDict):
    """The resolution of one file."""

    level: str


class Part(TypedDict, total=False):
    """One part of a content: exactly one of the first five fields, and fields about it."""

    text: str
    inlineData: Blob
    fileData: FileData
    functionCall: FunctionCall
    functionResponse: FunctionResponse
    mediaResolution: PartMediaResolution
    speechMetadata: JSON
    thought: bool
    thoughtSignature: str
    videoMetadata: JSON


Role: TypeAlias = Literal["user", "model"]


class Content(TypedDict):
    """A turn of the user or of the model."""

    role: Role
    parts: list[Part]


class SystemInstruction(TypedDict):
    """The system's texts."""

    parts: list[Part]


class FunctionDeclaration(TypedDict, total=False):
    """A function of the client.

    Parameters are an OpenAPI schema, or a JSON Schema from Gemini 2.5 on.
    """

    name: Required[str]
    description: str
    parameters: JSON
    parametersJsonSchema: JSON


class FunctionCallingConfig(TypedDict, total=False):
    """Mode of function calling: the functions that the model may or must call."""

    mode: Literal["ANY", "AUTO", "NONE", "VALIDATED"]
    allowedFunctionNames: list[str]


class ToolConfig(TypedDict, total=False):
    """Settings of the tools."""

    functionCallingConfig: FunctionCallingConfig
    retrievalConfig: JSON


class Tool(TypedDict, total=False):
    """Functions of the client, or one of Google's tools with its options."""

    functionDeclarations: list[FunctionDeclaration]
    codeExecution: JSON
    computerUse: JSON
    enterpriseWebSearch: JSON
    exaAiSearch: JSON
    googleMaps: JSON
    googleSearch: JSON
    googleSearchRetrieval: JSON
    parallelAiSearch: JSON
    retrieval: JSON
    urlContext: JSON


class ThinkingConfig(TypedDict, total=False):
    """Amount of thinking: a budget of tokens, or a level."""

    includeThoughts: bool
    thinkingBudget: int
    thinkingLevel: str


class PrebuiltVoiceConfig(TypedDict):
    """A voice by its name."""

    voiceName: str


class VoiceConfig(TypedDict, total=False):
    """A voice: by `voice` alone for models of Gemini 3.8 and later."""

    prebuiltVoiceConfig: PrebuiltVoiceConfig
    voice: str


class SpeechConfig(TypedDict, total=False):
    """The voice and the language of spoken answers."""

    voiceConfig: VoiceConfig
    languageCode: str


class GenerationConfig(TypedDict, total=False):
    """Settings of the generation, and the form of the answer."""

    audioTimestamp: bool
    audioTranscriptionConfig: JSON
    candidateCount: int
    enableAffectiveDialog: bool
    frequencyPenalty: float
    imageConfig: JSON
    logprobs: int
    maxOutputTokens: int
    mediaResolution: str
    modelConfig: JSON
    presencePenalty: float
    responseJsonSchema: JSON
    responseLogprobs: bool
    responseMimeType: str
    responseModalities: list[str]
    responseSchema: JSON
    routingConfig: JSON
    seed: int
    speechConfig: SpeechConfig
    stopSequences: list[str]
    temperature: float
    thinkingConfig: ThinkingConfig
    topK: int
    topP: float


class GenerateContentRequest(TypedDict, total=False):
    """The body of `generateContent` and `streamGenerateContent`."""

    contents: Required[list[Content]]
    systemInstruction: SystemInstruction
    tools: list[Tool]
    toolConfig: ToolConfig
    generationConfig: GenerationConfig
    cachedContent: str
    labels: dict[str, str]
    modelArmorConfig: JSON
    outputConfig: JSON
    safetySettings: list[JSON]


class TextInstance(TypedDict):
    """A text to embed."""

    content: str
    task_type: NotRequired[str]
    title: NotRequired[str]


class TextParameters(TypedDict, total=False):
    """Parameters of the embeddings of texts."""

    autoTruncate: bool
    outputDimensionality: int


class EmbedTextsRequest(TypedDict):
    """The body of `predict` of models for texts."""

    instances: list[TextInstance]
    parameters: NotRequired[TextParameters]


class EmbedContentConfig(TypedDict, total=False):
    """Parameters of `embedContent`."""

    audioTrackExtraction: bool
    autoTruncate: bool
    documentOcr: bool
    outputDimensionality: int
    taskType: str
    title: str


class EmbeddedContent(TypedDict):
    """A text or a file to embed."""

    parts: list[Part]


class EmbedContentRequest(TypedDict):
    """The body of `embedContent`."""

    content: EmbeddedContent
    embedContentConfig: NotRequired[EmbedContentConfig]


class Media(TypedDict, total=False):
    """A file: base64, or an object of Cloud Storage."""

    bytesBase64Encoded: str
    gcsUri: str
    mimeType: str


class MultimodalInstance(TypedDict, total=False):
    """Inputs that are embedded one by one."""

    text: str
    image: Media
    video: Media


class MultimodalParameters(TypedDict, total=False):
    """Parameters of multimodal embeddings."""

    dimension: int


class EmbedMultimodalRequest(TypedDict):
    """The body of `predict` of `multimodalembedding`."""

    instances: list[MultimodalInstance]
    parameters: NotRequired[MultimodalParameters]


class RankingRecord(TypedDict, total=False):
    """A document; it has a title or a content."""

    id: Required[str]
    title: str
    content: str


class RankRequest(TypedDict):
    """The body of Discovery Engine's `rank`."""

    model: str
    query: str
    records: list[RankingRecord]
    ignoreRecordDetailsInResponse: bool


class PromptInstance(TypedDict):
    """An image to make."""

    prompt: str


class ImageOutputOptions(TypedDict, total=False):
    """The form of an image."""

    mimeType: str
    compressionQuality: int


class ImageParameters(TypedDict, total=False):
    """Parameters of Imagen."""

    addWatermark: bool
    aspectRatio: str
    enhancePrompt: bool
    includeRaiReason: bool
    language: str
    negativePrompt: str
    outputOptions: ImageOutputOptions
    personGeneration: str
    safetySetting: str
    sampleCount: int
    sampleImageSize: str
    seed: int


class GenerateImagesRequest(TypedDict):
    """The body of `predict` of Imagen."""

    instances: list[PromptInstance]
    parameters: ImageParameters


class VideoInstance(TypedDict):
    """A video to make; `image` is its first frame, `video` is continued."""

    prompt: str
    image: NotRequired[Media]
    video: NotRequired[Media]


class VideoParameters(TypedDict, total=False):
    """Parameters of Veo."""

    aspectRatio: str
    durationSeconds: int
    enhancePrompt: bool
    generateAudio: bool
    negativePrompt: str
    personGeneration: str
    resizeMode: str
    resolution: str
    sampleCount: int
    seed: int
    storageUri: str


class GenerateVideosRequest(TypedDict):
    """The body of `predictLongRunning` of Veo."""

    instances: list[VideoInstance]
    parameters: VideoParameters


class FetchPredictOperationRequest(TypedDict):
    """The body of `fetchPredictOperation`."""

    operationName: str


class MusicInstance(TypedDict):
    """Music to make."""

    prompt: str
    negative_prompt: NotRequired[str]
    seed: NotRequired[int]


class GenerateMusicRequest(TypedDict):
    """The body of `predict` of Lyria."""

    instances: list[MusicInstance]
