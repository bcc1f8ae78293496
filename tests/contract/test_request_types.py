"""The types of the bodies that we send have only fields that the vendors' APIs have.

The requests of Google's services are held against the emulator's messages, too, whose modules name the .proto
files or pages that they are made from.
"""

import inspect
import re
import typing

import pytest
from anthropic.types import beta
from anthropic.types.beta import message_create_params
from google.genai import models as google_models
from google.genai import tunings as google_tunings
from google.genai import types as google_types
from google.genai._gaos.types import interactions
from helpers import wire_types
from openai.types import chat, shared_params
from openai.types.chat import chat_completion_message_function_tool_call_param as tool_call_param
from openai.types.chat import (
    chat_completion_named_tool_choice_param,
    completion_create_params,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.shared_params import response_format_json_schema

from vertex_compat.emulator.google_models import embeddings, images, music, speech, videos
from vertex_compat.emulator.google_models.gemini import body as gemini
from vertex_compat.emulator.protocol import body_readers, proto_json
from vertex_compat.emulator.resources import batch_jobs, tuning_jobs
from vertex_compat.emulator.services import model_armor, moderation, rag_engine, ranking, speech_to_text
from vertex_compat.publishers.anthropic import request_types as anthropic
from vertex_compat.publishers.google import embeddings as google_embeddings
from vertex_compat.publishers.google import images as google_images
from vertex_compat.publishers.google import multimodal_embeddings as google_multimodal
from vertex_compat.publishers.google import request_types as google
from vertex_compat.publishers.google import videos as google_videos
from vertex_compat.publishers.google.audio import music as google_music
from vertex_compat.publishers.openai_compat import request_types as openai
from vertex_compat.publishers.speech_to_text import request_types as recognition
from vertex_compat.publishers.text_to_speech import request_types as text_to_speech
from vertex_compat.services import request_types as services

GOOGLE_CLASSES = {"SystemInstruction": "Content"}
"""Types of ours → the SDK's class, where it has another name."""

ANTHROPIC_CLASSES = {
    "Base64Source": ("Base64ImageSource", "Base64PDFSource"),
    "DocumentBlock": ("RequestDocumentBlock",),
    "Message": ("UserMessage", "AssistantMessage"),
    "OutputFormat": ("JSONOutputFormat",),
    "ThinkingConfig": ("ThinkingConfigAdaptive", "ThinkingConfigBetweenTools", "ThinkingConfigEnabled"),
    "ToolChoice": ("ToolChoiceAny", "ToolChoiceTool"),
    "URLSource": ("URLImageSource", "URLPDFSource"),
}
"""Types of ours → the SDK's, without `Beta` and `Param`."""

OF_VERTEX = {"anthropic_beta", "anthropic_version", "stream", "temperature", "top_k", "top_p"}
"""Fields that the SDK adds to a body for Vertex AI, and those that it keeps for older models."""

OPENAI_TYPES = {
    "ChatFields": (completion_create_params.CompletionCreateParamsBase, CompletionCreateParamsStreaming),
    "ToolChoice": (chat.ChatCompletionNamedToolChoiceParam,),
    "ToolChoiceFunction": (chat_completion_named_tool_choice_param.Function,),
    "FunctionCall": (tool_call_param.Function,),
    "FunctionDefinition": (shared_params.FunctionDefinition,),
    "JSONSchemaFormat": (response_format_json_schema.JSONSchema,),
    "Message": (
        chat.ChatCompletionAssistantMessageParam,
        chat.ChatCompletionToolMessageParam,
        chat.ChatCompletionUserMessageParam,
    ),
    "ResponseFormat": (shared_params.ResponseFormatJSONSchema,),
    "Tool": (chat.ChatCompletionFunctionToolParam,),
    "ToolCall": (chat.ChatCompletionMessageFunctionToolCallParam,),
}

OF_OTHERS = {"Message": {"prefix", "reasoning_content"}}
"""Fields of Mistral's API, and of DeepSeek's."""


def typed_dicts(module):
    """The types that a module defines."""
    return {
        type_.__name__: set(type_.__annotations__)
        for type_ in vars(module).values()
        if hasattr(type_, "__required_keys__") and type_.__module__ == module.__name__
    }


def vertex_fields(function):
    """The fields that a converter of Google's SDK writes: `setv(to_object, ['topK'], …)`."""
    names = re.findall(r"setv\(\s*\w+,\s*\['(\w+)(?:\[\])?'", inspect.getsource(function))
    assert names
    return set(names)


def google_fields(name):
    if name == "GenerateContentRequest":
        return vertex_fields(google_models._GenerateContentConfig_to_vertex) | vertex_fields(
            google_models._GenerateContentParameters_to_vertex
        )
    fields = getattr(google_types, GOOGLE_CLASSES.get(name, name)).model_fields
    names = {field.alias or key for key, field in fields.items()}
    if name == "GenerationConfig":
        names |= vertex_fields(google_models._GenerateContentConfig_to_vertex)
    return names


PREDICT = proto_json.Message("PredictRequest", {})


def predict(instance, parameters=PREDICT):
    """The message of `predict` with the fields of a model."""
    return proto_json.Message(
        "PredictRequest", {"instances": proto_json.RepeatedField(instance), "parameters": parameters}
    )


MESSAGES = {
    google.EmbedTextsRequest: predict(embeddings.TEXT_INSTANCE, embeddings.TEXT_PARAMETERS),
    google.EmbedMultimodalRequest: predict(embeddings.MULTIMODAL_INSTANCE, embeddings.MULTIMODAL_PARAMETERS),
    google.EmbedContentRequest: embeddings.EMBED,
    google.GenerateImagesRequest: predict(images.INSTANCE, images.PARAMETERS),
    google.GenerateVideosRequest: predict(videos.INSTANCE, videos.PARAMETERS),
    google.FetchPredictOperationRequest: videos.FETCH,
    google.GenerateMusicRequest: predict(music.INSTANCE),
    google.GenerateContentRequest: gemini.GENERATE,
    google.RankRequest: ranking.RANK,
    services.TuningJob: tuning_jobs.JOB,
    services.BatchPredictionJob: batch_jobs.JOB,
    services.RagCorpus: rag_engine.CORPUS,
    services.ImportRagFilesRequest: rag_engine.IMPORT,
    services.RetrieveContextsRequest: rag_engine.RETRIEVE,
    services.SanitizeUserPromptRequest: model_armor.PROMPT,
    services.SanitizeModelResponseRequest: model_armor.RESPONSE,
    services.ModerateTextRequest: moderation.MODERATE,
    text_to_speech.SynthesizeSpeechRequest: speech.SYNTHESIZE,
    recognition.RecognizeRequest: speech_to_text.RECOGNIZE,
    recognition.BatchRecognizeRequest: speech_to_text.BATCH_RECOGNIZE,
}
"""The types of whole bodies → the emulator's messages."""


def inner_type(hint):
    """The type of ours that a hint contains, alone or in a list."""
    if hasattr(hint, "__required_keys__"):
        return hint
    return next(filter(None, map(inner_type, typing.get_args(hint))), None)


def message_of(reader):
    """The message that a reader reads, alone or in a list."""
    while not isinstance(reader, proto_json.Message):
        if isinstance(reader, proto_json.RepeatedField):
            reader = reader.item
        elif isinstance(reader, body_readers.Deferred):
            reader = reader.find()
        else:
            return None
    return reader


def unknown_fields(type_, message, path="", outer=()):
    """Yield the fields of a type and of the types in it that a message does not have."""
    if type_ in outer:  # a part in a part
        return
    for name, hint in typing.get_type_hints(type_, include_extras=True).items():
        reader = message.fields.get(name) or message.fields.get(proto_json.camel(name))
        if reader is None:
            yield f"{path}{name}"
        elif (inner := inner_type(hint)) and (inner_message := message_of(reader)):
            yield from unknown_fields(inner, inner_message, f"{path}{name}.", (*outer, type_))


@pytest.mark.parametrize("type_", MESSAGES, ids=lambda type_: type_.__name__)
def test_fields_of_google_requests_are_in_the_messages(type_):
    assert list(unknown_fields(type_, MESSAGES[type_])) == []


def converter_fields(module, name, parent):
    """The fields below `parent` that Google's SDK writes, such as `['parameters', 'seed']`."""
    path = "".join(rf"'{part}',\s*" for part in parent)
    names = re.findall(rf"\[\s*{path}'(\w+)',?\s*\]", inspect.getsource(getattr(module, name)))
    assert names
    return set(names)


SDK_CONVERTERS = {
    google.EmbedContentConfig: (google_models, "_EmbedContentConfig_to_vertex", ["embedContentConfig"]),
    google.TextParameters: (google_models, "_EmbedContentConfig_to_vertex", ["parameters"]),
    google.VideoParameters: (google_models, "_GenerateVideosConfig_to_vertex", ["parameters"]),
    google.Media: (google_models, "_Image_to_vertex", []),
    services.SupervisedHyperParameters: (
        google_tunings,
        "_CreateTuningJobConfig_to_vertex",
        ["supervisedTuningSpec", "hyperParameters"],
    ),
}


@pytest.mark.parametrize("type_", SDK_CONVERTERS, ids=lambda type_: type_.__name__)
def test_google_s_sdk_sends_the_same_fields(type_):
    assert set(type_.__annotations__) <= converter_fields(*SDK_CONVERTERS[type_])


def test_google_s_sdk_sends_the_parameters_of_imagen():
    module, name = google_models, "_GenerateImagesConfig_to_vertex"
    names = converter_fields(module, name, ["parameters"])
    assert set(google.ImageParameters.__annotations__) - names == {"outputOptions"}
    assert set(google.ImageOutputOptions.__annotations__) == converter_fields(
        module, name, ["parameters", "outputOptions"]
    )


TABLES = {
    google.EmbedContentConfig: google_embeddings.EMBED_CONTENT,
    google.ImageParameters: google_images.IMAGEN,
    google.MultimodalParameters: google_multimodal.PARAMETERS,
    google.MusicInstance: google_music.PREDICT,
    google.TextParameters: google_embeddings.PREDICT,
    google.VideoParameters: google_videos.PARAMETERS,
}
"""Types of parameters → the table that renames the client's parameters to them."""


@pytest.mark.parametrize("type_", TABLES, ids=lambda type_: type_.__name__)
def test_parameters_are_renamed_to_fields_of_their_type(type_):
    assert set(TABLES[type_].renamed.values()) <= set(type_.__annotations__)


INTERACTION_CLASSES = {
    services.Interaction: (interactions.CreateModelInteraction, interactions.CreateAgentInteraction),
    services.InteractionStep: (interactions.UserInputStep, interactions.ModelOutputStep),
    services.TextContent: (interactions.TextContent,),
}


@pytest.mark.parametrize("type_", INTERACTION_CLASSES, ids=lambda type_: type_.__name__)
def test_fields_of_interactions_are_google_s(type_):
    names = {name for class_ in INTERACTION_CLASSES[type_] for name in wire_types.fields(class_)[0]}
    assert set(type_.__annotations__) <= names


def inner_types(type_, outer=()):
    """Yield the names of a type and of the types in it."""
    yield type_.__name__
    for hint in typing.get_type_hints(type_).values():
        if (inner := inner_type(hint)) and inner not in outer:
            yield from inner_types(inner, (*outer, type_))


IN_MESSAGES = {name for type_ in MESSAGES for name in inner_types(type_)}
GEMINI_TYPES = [
    name
    for name in typed_dicts(google)
    if name not in IN_MESSAGES or hasattr(google_types, GOOGLE_CLASSES.get(name, name))
]


@pytest.mark.parametrize("name", ["GenerateContentRequest", *GEMINI_TYPES])
def test_fields_of_gemini_requests_are_google_s(name):
    assert typed_dicts(google)[name] <= google_fields(name)


def anthropic_fields(name):
    if name in {"MessagesRequest", "RequestOptions"}:
        return OF_VERTEX | set(message_create_params.MessageCreateParamsBase.__annotations__)
    names = ANTHROPIC_CLASSES.get(name, (name,))
    return {field for name in names for field in getattr(beta, f"Beta{name}Param").__annotations__}


@pytest.mark.parametrize("name", typed_dicts(anthropic))
def test_fields_of_claude_requests_are_anthropic_s(name):
    assert typed_dicts(anthropic)[name] <= anthropic_fields(name)


@pytest.mark.parametrize("name", typed_dicts(openai))
def test_fields_of_openai_compatible_requests(name):
    fields = {field for type_ in OPENAI_TYPES[name] for field in type_.__annotations__}
    assert typed_dicts(openai)[name] <= fields | OF_OTHERS.get(name, set())
