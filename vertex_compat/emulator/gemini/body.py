"""What a Gemini request may hold: the messages of `generateContent` and `countTokens` as tables.

Source: Vertex's proto definitions as Google's own SDK sends them.
"""

from vertex_compat.emulator.proto import (
    Bytes,
    Count,
    Decimal,
    Entries,
    Enum,
    Message,
    Repeated,
    Struct,
    Truth,
    Value,
    Words,
)
from vertex_compat.emulator.strict import Later

EMPTY = Message("Empty", {})
FREE = Struct()  # groups of which only the name is checked

TYPE = Enum("Type", ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"))
LEVEL = Enum(
    "GenerationConfig.ThinkingConfig.ThinkingLevel",
    ("THINKING_LEVEL_UNSPECIFIED", "LOW", "MEDIUM", "HIGH", "MINIMAL", "XHIGH"),
)
MODE = Enum("FunctionCallingConfig.Mode", ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"))
RESOLUTION = Enum(
    "GenerationConfig.MediaResolution",
    (
        "MEDIA_RESOLUTION_UNSPECIFIED",
        "MEDIA_RESOLUTION_LOW",
        "MEDIA_RESOLUTION_MEDIUM",
        "MEDIA_RESOLUTION_HIGH",
    ),
)
PART_RESOLUTION = Enum("PartMediaResolution.Level", (*RESOLUTION.values, "MEDIA_RESOLUTION_ULTRA_HIGH"))
MODALITY = Enum("GenerationConfig.Modality", ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO", "VIDEO"))
CATEGORY = Enum(
    "HarmCategory",
    tuple(
        f"HARM_CATEGORY_{name}"
        for name in (
            "UNSPECIFIED",
            "HATE_SPEECH",
            "DANGEROUS_CONTENT",
            "HARASSMENT",
            "SEXUALLY_EXPLICIT",
            "CIVIC_INTEGRITY",
            "JAILBREAK",
            "IMAGE_HATE",
            "IMAGE_DANGEROUS_CONTENT",
            "IMAGE_HARASSMENT",
            "IMAGE_SEXUALLY_EXPLICIT",
        )
    ),
)
THRESHOLD = Enum(
    "SafetySetting.HarmBlockThreshold",
    (
        "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
        "BLOCK_LOW_AND_ABOVE",
        "BLOCK_MEDIUM_AND_ABOVE",
        "BLOCK_ONLY_HIGH",
        "BLOCK_NONE",
        "OFF",
    ),
)
METHOD = Enum("SafetySetting.HarmBlockMethod", ("HARM_BLOCK_METHOD_UNSPECIFIED", "SEVERITY", "PROBABILITY"))
LANGUAGE = Enum("ExecutableCode.Language", ("LANGUAGE_UNSPECIFIED", "PYTHON"))
OUTCOME = Enum(
    "CodeExecutionResult.Outcome",
    ("OUTCOME_UNSPECIFIED", "OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED"),
)

_SCHEMA_WORDS = ("format", "title", "description", "pattern", "ref")
_SCHEMA_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")
_LATER_SCHEMA = Later(lambda: SCHEMA)
SCHEMA: Message = Message(
    "Schema",
    {
        "type": TYPE,
        **dict.fromkeys(_SCHEMA_WORDS, Words()),
        **dict.fromkeys(_SCHEMA_COUNTS, Count("TYPE_INT64")),
        "nullable": Truth(),
        "default": Value(),
        "example": Value(),
        "additionalProperties": Value(),
        "items": _LATER_SCHEMA,
        "enum": Repeated(Words()),
        "properties": Entries(_LATER_SCHEMA),
        "propertyOrdering": Repeated(Words()),
        "required": Repeated(Words()),
        "minimum": Decimal("TYPE_DOUBLE"),
        "maximum": Decimal("TYPE_DOUBLE"),
        "anyOf": Repeated(_LATER_SCHEMA),
        "defs": Entries(_LATER_SCHEMA),
    },
)

BLOB = Message("Blob", {"mimeType": Words(), "data": Bytes(), "displayName": Words()})
FILE = Message("FileData", {"mimeType": Words(), "fileUri": Words(), "displayName": Words()})
PARTIAL_ARGUMENT = Message(
    "PartialArg",
    {
        "jsonPath": Words(),
        "stringValue": Words(),
        "numberValue": Decimal("TYPE_DOUBLE"),
        "boolValue": Truth(),
        "nullValue": Value(),
        "willContinue": Truth(),
    },
)
FUNCTION_CALL = Message(
    "FunctionCall",
    {
        "id": Words(),
        "name": Words(),
        "args": Struct(),
        "partialArgs": Repeated(PARTIAL_ARGUMENT),
        "willContinue": Truth(),
    },
)
FUNCTION_RESPONSE = Message(
    "FunctionResponse",
    {
        "id": Words(),
        "name": Words(),
        "response": Struct(),
        "parts": Repeated(Message("FunctionResponsePart", {"inlineData": BLOB, "fileData": FILE})),
        "scheduling": Words(),
    },
)
DATA_FIELDS = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)
PART = Message(
    "Part",
    {
        "text": Words(),
        "inlineData": BLOB,
        "fileData": FILE,
        "functionCall": FUNCTION_CALL,
        "functionResponse": FUNCTION_RESPONSE,
        "executableCode": Message("ExecutableCode", {"language": LANGUAGE, "code": Words(), "id": Words()}),
        "codeExecutionResult": Message(
            "CodeExecutionResult", {"outcome": OUTCOME, "output": Words(), "id": Words()}
        ),
        "thought": Truth(),
        "thoughtSignature": Bytes(),
        "videoMetadata": Message(
            "VideoMetadata", {"startOffset": Words(), "endOffset": Words(), "fps": Decimal("TYPE_DOUBLE")}
        ),
        "mediaResolution": Message("PartMediaResolution", {"level": PART_RESOLUTION, "numTokens": Count()}),
    },
    one_of=DATA_FIELDS,
)
CONTENT = Message("Content", {"role": Words(), "parts": Repeated(PART)})

_VOICE = Message(
    "VoiceConfig",
    {
        "prebuiltVoiceConfig": Message("PrebuiltVoiceConfig", {"voiceName": Words()}),
        "replicatedVoiceConfig": FREE,
    },
)
_SPEAKER = Message("SpeakerVoiceConfig", {"speaker": Words(), "voiceConfig": _VOICE})
SPEECH = Message(
    "SpeechConfig",
    {
        "voiceConfig": _VOICE,
        "languageCode": Words(),
        "multiSpeakerVoiceConfig": Message(
            "MultiSpeakerVoiceConfig", {"speakerVoiceConfigs": Repeated(_SPEAKER)}
        ),
    },
)
IMAGE = Message(
    "ImageConfig",
    {
        "aspectRatio": Words(),
        "imageSize": Words(),
        "personGeneration": Words(),
        "prominentPeople": Words(),
        "imageOutputOptions": Message(
            "ImageConfig.ImageOutputOptions", {"mimeType": Words(), "compressionQuality": Count()}
        ),
    },
)
THINKING = Message(
    "GenerationConfig.ThinkingConfig",
    {"includeThoughts": Truth(), "thinkingBudget": Count(), "thinkingLevel": LEVEL},
)
GENERATION_CONFIG = Message(
    "GenerationConfig",
    {
        **dict.fromkeys(("temperature", "topP", "topK", "presencePenalty", "frequencyPenalty"), Decimal()),
        **dict.fromkeys(("candidateCount", "maxOutputTokens", "seed", "logprobs"), Count()),
        **dict.fromkeys(("responseLogprobs", "audioTimestamp", "enableAffectiveDialog"), Truth()),
        "stopSequences": Repeated(Words()),
        "responseMimeType": Words(),
        "responseSchema": SCHEMA,
        "responseJsonSchema": Value(),
        "responseFormat": Value(),
        "responseModalities": Repeated(MODALITY),
        "thinkingConfig": THINKING,
        "mediaResolution": RESOLUTION,
        "speechConfig": SPEECH,
        "imageConfig": IMAGE,
        "routingConfig": FREE,
        "modelConfig": FREE,
        "audioTranscriptionConfig": FREE,
    },
)

FUNCTION_DECLARATION = Message(
    "FunctionDeclaration",
    {
        "name": Words(),
        "description": Words(),
        "parameters": SCHEMA,
        "parametersJsonSchema": Value(),
        "response": SCHEMA,
        "responseJsonSchema": Value(),
    },
)
BUILT_IN_TOOLS = (
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "googleMaps",
    "retrieval",
    "enterpriseWebSearch",
    "computerUse",
    "parallelAiSearch",
    "exaAiSearch",
)
TOOL = Message(
    "Tool",
    {
        "functionDeclarations": Repeated(FUNCTION_DECLARATION),
        **dict.fromkeys(BUILT_IN_TOOLS, FREE),
        "googleSearch": Message(
            "Tool.GoogleSearch", {"excludeDomains": Repeated(Words()), "blockingConfidence": Words()}
        ),
        "codeExecution": EMPTY,
        "urlContext": EMPTY,
    },
)
TOOL_CONFIG = Message(
    "ToolConfig",
    {
        "functionCallingConfig": Message(
            "FunctionCallingConfig",
            {
                "mode": MODE,
                "allowedFunctionNames": Repeated(Words()),
                "streamFunctionCallArguments": Truth(),
            },
        ),
        "retrievalConfig": Message(
            "RetrievalConfig",
            {
                "latLng": Message(
                    "LatLng", {"latitude": Decimal("TYPE_DOUBLE"), "longitude": Decimal("TYPE_DOUBLE")}
                ),
                "languageCode": Words(),
            },
        ),
    },
)
GENERATE = Message(
    "GenerateContentRequest",
    {
        "contents": Repeated(CONTENT),
        "systemInstruction": CONTENT,
        "tools": Repeated(TOOL),
        "toolConfig": TOOL_CONFIG,
        "safetySettings": Repeated(
            Message("SafetySetting", {"category": CATEGORY, "threshold": THRESHOLD, "method": METHOD})
        ),
        "generationConfig": GENERATION_CONFIG,
        "cachedContent": Words(),
        "labels": Entries(Words()),
        "modelArmorConfig": Message(
            "ModelArmorConfig", {"promptTemplateName": Words(), "responseTemplateName": Words()}
        ),
        "serviceTier": Words(),
        "continuationToken": Words(),
        "outputConfig": FREE,
    },
)
COUNT = Message(
    "CountTokensRequest",
    {
        "model": Words(),
        "instances": Repeated(Value()),
        "contents": Repeated(CONTENT),
        "systemInstruction": CONTENT,
        "tools": Repeated(TOOL),
        "generationConfig": GENERATION_CONFIG,
    },
)
