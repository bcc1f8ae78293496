"""The types of the bodies that we send have only names of fields that the vendors' SDKs have."""

import inspect
import re

import pytest
from anthropic.types import beta
from anthropic.types.beta import message_create_params
from google.genai import models as google_models
from google.genai import types as google_types
from openai.types import chat, shared_params
from openai.types.chat import chat_completion_message_function_tool_call_param as tool_call_param
from openai.types.shared_params import response_format_json_schema

from vertex_compat.publishers.anthropic import request_types as anthropic
from vertex_compat.publishers.google import request_types as google
from vertex_compat.publishers.openai_compat import request_types as openai

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


@pytest.mark.parametrize("name", typed_dicts(google))
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
