"""The JSON that is sent to Gemini: the request, its contents, tools and configuration.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/projects.locations.publishers.models/generateContent.
Types for mypy only: no module imports this one when the function runs.
"""

from __future__ import annotations

from typing import Literal, Required, TypeAlias, TypedDict

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
