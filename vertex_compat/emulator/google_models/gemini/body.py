"""Messages of `generateContent` and `countTokens` requests, as tables.

Source: Vertex's proto definitions as Google's own SDK sends them.
"""

from vertex_compat.emulator.protocol.body_readers import Deferred
from vertex_compat.emulator.protocol.proto_json import (
    AnyField,
    BoolField,
    BytesField,
    EnumField,
    IntegerField,
    MapField,
    Message,
    NumberField,
    RepeatedField,
    StringField,
    StructField,
)

EMPTY = Message("Empty", {})
FREE = StructField()  # messages of which only the name is checked

TYPE = EnumField(
    "Type", ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
)
LEVEL = EnumField(
    "GenerationConfig.ThinkingConfig.ThinkingLevel",
    ("THINKING_LEVEL_UNSPECIFIED", "LOW", "MEDIUM", "HIGH", "MINIMAL", "XHIGH"),
)
MODE = EnumField("FunctionCallingConfig.Mode", ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"))
RESOLUTION = EnumField(
    "GenerationConfig.MediaResolution",
    (
        "MEDIA_RESOLUTION_UNSPECIFIED",
        "MEDIA_RESOLUTION_LOW",
        "MEDIA_RESOLUTION_MEDIUM",
        "MEDIA_RESOLUTION_HIGH",
    ),
)
PART_RESOLUTION = EnumField("PartMediaResolution.Level", (*RESOLUTION.values, "MEDIA_RESOLUTION_ULTRA_HIGH"))
MODALITY = EnumField("GenerationConfig.Modality", ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO", "VIDEO"))
CATEGORY = EnumField(
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
THRESHOLD = EnumField(
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
METHOD = EnumField(
    "SafetySetting.HarmBlockMethod", ("HARM_BLOCK_METHOD_UNSPECIFIED", "SEVERITY", "PROBABILITY")
)
LANGUAGE = EnumField("ExecutableCode.Language", ("LANGUAGE_UNSPECIFIED", "PYTHON"))
OUTCOME = EnumField(
    "CodeExecutionResult.Outcome",
    ("OUTCOME_UNSPECIFIED", "OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED"),
)

_SCHEMA_WORDS = ("format", "title", "description", "pattern", "ref")
_SCHEMA_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")
_LATER_SCHEMA = Deferred(lambda: SCHEMA)
SCHEMA: Message = Message(
    "Schema",
    {
        "type": TYPE,
        **dict.fromkeys(_SCHEMA_WORDS, StringField()),
        **dict.fromkeys(_SCHEMA_COUNTS, IntegerField("TYPE_INT64")),
        "nullable": BoolField(),
        "default": AnyField(),
        "example": AnyField(),
        "additionalProperties": AnyField(),
        "items": _LATER_SCHEMA,
        "enum": RepeatedField(StringField()),
        "properties": MapField(_LATER_SCHEMA),
        "propertyOrdering": RepeatedField(StringField()),
        "required": RepeatedField(StringField()),
        "minimum": NumberField("TYPE_DOUBLE"),
        "maximum": NumberField("TYPE_DOUBLE"),
        "anyOf": RepeatedField(_LATER_SCHEMA),
        "defs": MapField(_LATER_SCHEMA),
    },
)

BLOB = Message("Blob", {"mimeType": StringField(), "data": BytesField(), "displayName": StringField()})
FILE = Message(
    "FileData", {"mimeType": StringField(), "fileUri": StringField(), "displayName": StringField()}
)
PARTIAL_ARGUMENT = Message(
    "PartialArg",
    {
        "jsonPath": StringField(),
        "stringValue": StringField(),
        "numberValue": NumberField("TYPE_DOUBLE"),
        "boolValue": BoolField(),
        "nullValue": AnyField(),
        "willContinue": BoolField(),
    },
)
FUNCTION_CALL = Message(
    "FunctionCall",
    {
        "id": StringField(),
        "name": StringField(),
        "args": StructField(),
        "partialArgs": RepeatedField(PARTIAL_ARGUMENT),
        "willContinue": BoolField(),
    },
)
FUNCTION_RESPONSE = Message(
    "FunctionResponse",
    {
        "id": StringField(),
        "name": StringField(),
        "response": StructField(),
        "parts": RepeatedField(Message("FunctionResponsePart", {"inlineData": BLOB, "fileData": FILE})),
        "scheduling": StringField(),
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
        "text": StringField(),
        "inlineData": BLOB,
        "fileData": FILE,
        "functionCall": FUNCTION_CALL,
        "functionResponse": FUNCTION_RESPONSE,
        "executableCode": Message(
            "ExecutableCode", {"language": LANGUAGE, "code": StringField(), "id": StringField()}
        ),
        "codeExecutionResult": Message(
            "CodeExecutionResult", {"outcome": OUTCOME, "output": StringField(), "id": StringField()}
        ),
        "speechMetadata": Message("SpeechMetadata", {"speaker": StringField(), "style": StringField()}),
        "thought": BoolField(),
        "thoughtSignature": BytesField(),
        "videoMetadata": Message(
            "VideoMetadata",
            {"startOffset": StringField(), "endOffset": StringField(), "fps": NumberField("TYPE_DOUBLE")},
        ),
        "mediaResolution": Message(
            "PartMediaResolution", {"level": PART_RESOLUTION, "numTokens": IntegerField()}
        ),
    },
    one_of=DATA_FIELDS,
)
CONTENT = Message("Content", {"role": StringField(), "parts": RepeatedField(PART)})

_VOICE = Message(
    "VoiceConfig",
    {
        "voice": StringField(),
        "prebuiltVoiceConfig": Message("PrebuiltVoiceConfig", {"voiceName": StringField()}),
        "replicatedVoiceConfig": FREE,
    },
)
_SPEAKER = Message("SpeakerVoiceConfig", {"speaker": StringField(), "voiceConfig": _VOICE})
SPEECH = Message(
    "SpeechConfig",
    {
        "voiceConfig": _VOICE,
        "languageCode": StringField(),
        "multiSpeakerVoiceConfig": Message(
            "MultiSpeakerVoiceConfig", {"speakerVoiceConfigs": RepeatedField(_SPEAKER)}
        ),
    },
)
IMAGE = Message(
    "ImageConfig",
    {
        "aspectRatio": StringField(),
        "imageSize": StringField(),
        "personGeneration": StringField(),
        "prominentPeople": StringField(),
        "imageOutputOptions": Message(
            "ImageConfig.ImageOutputOptions",
            {"mimeType": StringField(), "compressionQuality": IntegerField()},
        ),
    },
)
THINKING = Message(
    "GenerationConfig.ThinkingConfig",
    {"includeThoughts": BoolField(), "thinkingBudget": IntegerField(), "thinkingLevel": LEVEL},
)
GENERATION_CONFIG = Message(
    "GenerationConfig",
    {
        **dict.fromkeys(
            ("temperature", "topP", "topK", "presencePenalty", "frequencyPenalty"), NumberField()
        ),
        **dict.fromkeys(("candidateCount", "maxOutputTokens", "seed", "logprobs"), IntegerField()),
        **dict.fromkeys(("responseLogprobs", "audioTimestamp", "enableAffectiveDialog"), BoolField()),
        "stopSequences": RepeatedField(StringField()),
        "responseMimeType": StringField(),
        "responseSchema": SCHEMA,
        "responseJsonSchema": AnyField(),
        "responseFormat": AnyField(),
        "responseModalities": RepeatedField(MODALITY),
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
        "name": StringField(),
        "description": StringField(),
        "parameters": SCHEMA,
        "parametersJsonSchema": AnyField(),
        "response": SCHEMA,
        "responseJsonSchema": AnyField(),
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
        "functionDeclarations": RepeatedField(FUNCTION_DECLARATION),
        **dict.fromkeys(BUILT_IN_TOOLS, FREE),
        "googleSearch": Message(
            "Tool.GoogleSearch",
            {"excludeDomains": RepeatedField(StringField()), "blockingConfidence": StringField()},
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
                "allowedFunctionNames": RepeatedField(StringField()),
                "streamFunctionCallArguments": BoolField(),
            },
        ),
        "retrievalConfig": Message(
            "RetrievalConfig",
            {
                "latLng": Message(
                    "LatLng",
                    {"latitude": NumberField("TYPE_DOUBLE"), "longitude": NumberField("TYPE_DOUBLE")},
                ),
                "languageCode": StringField(),
            },
        ),
    },
)
GENERATE = Message(
    "GenerateContentRequest",
    {
        "contents": RepeatedField(CONTENT),
        "systemInstruction": CONTENT,
        "tools": RepeatedField(TOOL),
        "toolConfig": TOOL_CONFIG,
        "safetySettings": RepeatedField(
            Message("SafetySetting", {"category": CATEGORY, "threshold": THRESHOLD, "method": METHOD})
        ),
        "generationConfig": GENERATION_CONFIG,
        "cachedContent": StringField(),
        "labels": MapField(StringField()),
        "modelArmorConfig": Message(
            "ModelArmorConfig", {"promptTemplateName": StringField(), "responseTemplateName": StringField()}
        ),
        "serviceTier": StringField(),
        "continuationToken": StringField(),
        "outputConfig": FREE,
    },
)
COUNT = Message(
    "CountTokensRequest",
    {
        "model": StringField(),
        "instances": RepeatedField(AnyField()),
        "contents": RepeatedField(CONTENT),
        "systemInstruction": CONTENT,
        "tools": RepeatedField(TOOL),
        "generationConfig": GENERATION_CONFIG,
    },
)
