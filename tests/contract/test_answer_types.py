"""The types of the bodies that we answer agree with the classes of the vendors' SDKs.

The names of their fields are the SDK's, and the fields that the SDK requires are there.
"""

import inspect
import re
import typing

import anthropic.types as anthropic_sdk
import openai.types as openai_sdk
import pytest
from anthropic import pagination as anthropic_pagination
from anthropic.types import messages as anthropic_messages
from anthropic.types import raw_message_delta_event
from anthropic.types import shared as anthropic_shared
from google.genai import models as google_models
from google.genai import types as google_sdk
from helpers.client_apis import MESSAGE_EXTENSIONS
from helpers.wire_types import by_name, check, fields, typed_dicts
from openai import pagination as openai_pagination
from openai.types import chat as openai_chat
from openai.types import completion_usage, create_embedding_response, images_response
from openai.types import conversations as openai_conversations
from openai.types import responses as openai_responses
from openai.types.chat import (
    chat_completion,
    chat_completion_chunk,
    chat_completion_message_custom_tool_call,
    chat_completion_message_function_tool_call,
)
from openai.types.responses import (
    response,
    response_code_interpreter_tool_call,
    response_file_search_tool_call,
    response_function_web_search,
    response_output_item,
    response_reasoning_item,
    response_usage,
)

from vertex_compat import error_types, types
from vertex_compat.operations import answer_types as openai_types
from vertex_compat.operations.chat import answer_types as chat_types
from vertex_compat.operations.generate_content import answer_types as gemini_types
from vertex_compat.operations.messages import answer_types as message_types
from vertex_compat.operations.responses.output import answer_types as response_types

CHAT_CLASSES = {
    "ChatCompletion": openai_chat.ChatCompletion,
    "ChatCompletionDeleted": openai_chat.ChatCompletionDeleted,
    "ChatCompletionMessage": openai_chat.ChatCompletionMessage,
    "Choice": chat_completion.Choice,
    "ChoiceDelta": chat_completion_chunk.ChoiceDelta,
    "ChoiceLogprobs": chat_completion.ChoiceLogprobs,
    "ChunkStamp": openai_chat.ChatCompletionChunk,
    "CompletionUsage": completion_usage.CompletionUsage,
    "Custom": chat_completion_message_custom_tool_call.Custom,
    "CustomToolCall": openai_chat.ChatCompletionMessageCustomToolCall,
    "ExtraCounts": completion_usage.CompletionUsage,
    "Function": chat_completion_message_function_tool_call.Function,
    "FunctionToolCall": openai_chat.ChatCompletionMessageFunctionToolCall,
    "ServiceTier": openai_chat.ChatCompletion,
    "StoredChatCompletion": openai_chat.ChatCompletion,
    "StoredMessageFields": openai_chat.ChatCompletionStoreMessage,
    "UsageChunk": openai_chat.ChatCompletionChunk,
}
"""Our types → the SDK's class."""

CHAT_PARTS = {
    "ChunkStamp": {"choices"},
    "ExtraCounts": {"completion_tokens", "prompt_tokens", "total_tokens"},
    "ServiceTier": {"choices", "created", "id", "model", "object"},
    "StoredMessageFields": {"role"},
    "UsageChunk": {"choices", "created", "id", "model", "object"},
}
"""Types that are part of an object → the required fields that the other parts have."""

CHAT_EXTENSIONS = {
    "ChatCompletionMessage": MESSAGE_EXTENSIONS,
    "CompletionUsage": {
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cost_usd",
        "ephemeral_1h_input_tokens",
        "web_search_requests",
    },
    "CustomToolCall": {"extra_content"},
    "ExtraCounts": {
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "ephemeral_1h_input_tokens",
        "web_search_requests",
    },
    "FunctionToolCall": {"extra_content"},
}
"""Fields beyond the SDK's classes: those of Gemini, Claude, Mistral, DeepSeek and LiteLLM, and the price."""


DELTA_CLASSES = {
    "DeltaFields": chat_completion_chunk.ChoiceDelta,
    "FunctionCallDelta": chat_completion_chunk.ChoiceDeltaFunctionCall,
    "FunctionDelta": chat_completion_chunk.ChoiceDeltaToolCallFunction,
    "ToolCallDelta": chat_completion_chunk.ChoiceDeltaToolCall,
}

OTHER_MEDIA = {"billed_seconds", "image", "partial_image", "partial_images", "rate", "samples", "segments"}

DELTA_EXTENSIONS = {
    "DeltaFields": MESSAGE_EXTENSIONS | OTHER_MEDIA | {"annotations"},
    "FunctionCallDelta": {"extra_content"},
    "ToolCallDelta": {"custom", "extra_content"},
}


MESSAGES_CLASSES = {
    "ContentBlockDeltaEvent": anthropic_sdk.RawContentBlockDeltaEvent,
    "ContentBlockStartEvent": anthropic_sdk.RawContentBlockStartEvent,
    "ContentBlockStopEvent": anthropic_sdk.RawContentBlockStopEvent,
    "DeletedMessageBatch": anthropic_messages.DeletedMessageBatch,
    "MessageBatch": anthropic_messages.MessageBatch,
    "MessageBatchErroredResult": anthropic_messages.MessageBatchErroredResult,
    "MessageBatchIndividualResponse": anthropic_messages.MessageBatchIndividualResponse,
    "MessageBatchRequestCounts": anthropic_messages.MessageBatchRequestCounts,
    "MessageBatchSucceededResult": anthropic_messages.MessageBatchSucceededResult,
    "MessageBatchUnansweredResult": {"type"},
    "MessageDelta": raw_message_delta_event.Delta,
    "MessageDeltaEvent": anthropic_sdk.RawMessageDeltaEvent,
    "MessageStartEvent": anthropic_sdk.RawMessageStartEvent,
    "MessageStopEvent": anthropic_sdk.RawMessageStopEvent,
}
"""Our types → the SDK's class, where it has another name."""


GEMINI_CLASSES = {"BatchEmbedContentsResponse": "EmbedContentResponse"}

GEMINI_NAMES = {
    "EmbedContentResponse": {"embedding"},  # the SDK embeds one content by a batch of one
    "Model": {"supportedGenerationMethods"},
}
"""Fields of the API that the SDK's class has under another name."""

IMAGE_READERS = {
    "GenerateImagesResponse": (google_models._GenerateImagesResponse_from_vertex,),
    "ImagePrediction": (google_models._GeneratedImage_from_vertex, google_models._Image_from_vertex),
}
"""Types of `predict` → the SDK's functions that read their fields."""


REQUIRED_OF_A_RESPONSE = {
    name for name, field in openai_responses.Response.model_fields.items() if field.is_required()
}

EVENT_FIELDS = {
    name
    for class_ in typing.get_args(typing.get_args(openai_responses.ResponseStreamEvent)[0])
    for name in class_.model_fields
}
"""The fields of all events: `contract/test_responses_events.py` checks which of them has which."""

RESPONSES_CLASSES = {
    "ActionSearch": response_function_web_search.ActionSearch,
    "ActionSearchSource": response_function_web_search.ActionSearchSource,
    "CallName": openai_responses.ResponseFunctionToolCall,
    "Conversation": response.Conversation,
    "EchoedParams": openai_responses.Response,
    "FileSearchResult": response_file_search_tool_call.Result,
    "ImageGenerationCall": response_output_item.ImageGenerationCall,
    "IncompleteDetails": response.IncompleteDetails,
    "InputTokensDetails": response_usage.InputTokensDetails,
    "LaterFields": openai_responses.Response,
    "OutputImage": response_code_interpreter_tool_call.OutputImage,
    "OutputLogs": response_code_interpreter_tool_call.OutputLogs,
    "OutputTokensDetails": response_usage.OutputTokensDetails,
    "ResponseDeleted": {"deleted", "id", "object"},
    "StorageFields": openai_responses.Response,
    "Summary": response_reasoning_item.Summary,
}
"""Our types → the SDK's class, where it has another name or is none of `openai.types.responses`."""

RESPONSES_EXTENSIONS = {
    "ImageGenerationCall": {"extra_content"},
    "ResponseCustomToolCall": {"status"},
    "StorageFields": {"store"},
    "Response": {"store"},
}

RESPONSES_PARTS = {
    "CallName": {"arguments", "type"},
    "EchoedParams": {"created_at", "id", "model", "object", "output"},
    "LaterFields": REQUIRED_OF_A_RESPONSE,
    "StorageFields": REQUIRED_OF_A_RESPONSE - {"id"},
}
"""Types that are part of an object → the required fields that the other parts have."""


OPENAI_CLASSES = {
    "BatchRequestError": {"code", "message"},
    "BatchRequestOutput": {"custom_id", "error", "id", "response"},
    "BatchRequestResponse": {"body", "request_id", "status_code"},
    "CompletionChunk": openai_sdk.Completion,
    "CompletionStamp": openai_sdk.Completion,
    "EmbeddingUsage": create_embedding_response.Usage,
    "FileMetadata": openai_sdk.FileObject,
    "ImageCompletedEvent": openai_sdk.ImageGenCompletedEvent,
    "ImageEvent": openai_sdk.ImageGenPartialImageEvent,
    "ImagePartialImageEvent": openai_sdk.ImageGenPartialImageEvent,
    "ImageTokensDetails": images_response.UsageInputTokensDetails,
    "ImagesUsage": images_response.Usage,
    "ModelInfo": openai_sdk.Model,
    "ModelList": openai_pagination.SyncPage,
    "ListPage": openai_conversations.ConversationItemList,
    "Page": anthropic_pagination.SyncPage,
}
"""Our types → the SDK's class, where it has another name, or the documented fields, where there is none."""

OPENAI_PARTS = {
    "CompletionStamp": {"choices"},
    "FileMetadata": {"id", "object", "status"},
    "ImageEvent": {"partial_image_index"},
}
"""Types that are part of an object → the required fields that the other parts have."""


OPENAI_EXTENSIONS = {
    "ModelInfo": {
        "context_window",
        "locations",
        "max_output_tokens",
        "operations",
        "price",
        "publisher",
        "replaced_by",
        "retires",
    }
}
"""Fields of our own."""


ERROR_CLASSES = {
    "AnthropicErrorBody": anthropic_sdk.ErrorResponse,
    "AnthropicErrorObject": anthropic_shared.InvalidRequestError,
    "OpenAIErrorObject": openai_sdk.ErrorObject,
}

ERROR_EXTENSIONS = {
    "AnthropicErrorObject": {"details"},
    "OpenAIErrorObject": {"raw_response"},
}


@by_name(chat_types)
def test_chat_answers_have_openai_s_fields(name):
    type_ = typed_dicts(chat_types)[name]
    check(type_, CHAT_CLASSES[name], CHAT_EXTENSIONS.get(name, ()), CHAT_PARTS.get(name, ()))


@pytest.mark.parametrize("name", DELTA_CLASSES)
def test_deltas_have_openai_s_fields(name):
    type_ = typed_dicts(types)[name]
    names = set(typing.get_type_hints(type_))
    assert names - fields(DELTA_CLASSES[name])[0] == DELTA_EXTENSIONS.get(name, set())


@by_name(message_types)
def test_messages_answers_have_anthropic_s_fields(name):
    class_ = MESSAGES_CLASSES.get(name) or getattr(anthropic_sdk, name)
    check(typed_dicts(message_types)[name], class_)


def fields_read(function):
    """The fields that a function of Google's SDK reads."""
    return set(re.findall(r"getv\(from_object, \['(\w+)'\]\)", inspect.getsource(function)))


@pytest.mark.parametrize("name", IMAGE_READERS)
def test_google_s_sdk_reads_the_images_of_predict(name):
    read = set().union(*map(fields_read, IMAGE_READERS[name]))
    assert set(typed_dicts(gemini_types)[name].__annotations__) <= read


@pytest.mark.parametrize("name", sorted(typed_dicts(gemini_types).keys() - IMAGE_READERS.keys()))
def test_gemini_answers_have_google_s_fields(name):
    class_ = getattr(google_sdk, GEMINI_CLASSES.get(name, name))
    check(typed_dicts(gemini_types)[name], class_, GEMINI_NAMES.get(name, ()))


def test_sdk_reads_the_methods_of_a_gemini_model():
    assert GEMINI_NAMES["Model"] <= fields_read(google_models._Model_from_mldev)


@by_name(response_types)
def test_responses_answers_have_openai_s_fields(name):
    type_ = typed_dicts(response_types)[name]
    if name in {"Event", "EventFields"}:
        assert set(type_.__annotations__) - EVENT_FIELDS == {"name"}
        return
    class_ = RESPONSES_CLASSES.get(name) or getattr(openai_responses, name)
    check(type_, class_, RESPONSES_EXTENSIONS.get(name, ()), RESPONSES_PARTS.get(name, ()))


@by_name(openai_types)
def test_smaller_answers_have_openai_s_fields(name):
    class_ = OPENAI_CLASSES.get(name) or getattr(openai_sdk, name)
    check(
        typed_dicts(openai_types)[name], class_, OPENAI_EXTENSIONS.get(name, ()), OPENAI_PARTS.get(name, ())
    )


@pytest.mark.parametrize("name", ERROR_CLASSES)
def test_errors_have_the_fields_of_their_sdk(name):
    check(typed_dicts(error_types)[name], ERROR_CLASSES[name], ERROR_EXTENSIONS.get(name, ()))
