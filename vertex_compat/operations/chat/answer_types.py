"""The JSON that clients of chat completions get: OpenAI's completion and its chunks.

https://platform.openai.com/docs/api-reference/chat/object. Types for mypy only: no module imports this one
when the function runs. What a publisher wrote in OpenAI's form is passed on as it is and stays `JSON`.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

from vertex_compat.types import JSON


class ServiceTier(TypedDict, total=False):
    """The tier, in an answer that was not served in the default one: `flex` or `priority`."""

    service_tier: str


class ExtraCounts(TypedDict, total=False):
    """Counts under Anthropic's names."""

    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    ephemeral_1h_input_tokens: int
    web_search_requests: int


class CompletionUsage(ExtraCounts):
    """Token counts, and their price in US dollars where a stream has it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[dict[str, int]]
    completion_tokens_details: NotRequired[dict[str, int]]
    cost_usd: NotRequired[float]


class ChoiceLogprobs(TypedDict):
    """Log probabilities of the tokens of a choice."""

    content: list[JSON]
    refusal: None


class Function(TypedDict):
    """The name of a called function, and its arguments as JSON text."""

    name: str
    arguments: str


class FunctionToolCall(TypedDict):
    """A call of a function; `extra_content` is Gemini's signature."""

    id: str
    type: Literal["function"]
    function: Function
    extra_content: NotRequired[JSON]


class Custom(TypedDict):
    """The name of a called custom tool, and its input."""

    name: str
    input: str


class CustomToolCall(TypedDict):
    """A call of a custom tool."""

    id: str
    type: Literal["custom"]
    custom: Custom
    extra_content: NotRequired[JSON]


ToolCall: TypeAlias = FunctionToolCall | CustomToolCall


class ChatCompletionMessage(TypedDict):
    """The model's message; its content is null where there are only calls."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    annotations: NotRequired[list[JSON]]
    audio: NotRequired[JSON]
    function_call: NotRequired[Function]
    tool_calls: NotRequired[list[ToolCall]]
    extra_content: NotRequired[JSON]
    citations: NotRequired[list[JSON]]
    images: NotRequired[list[JSON]]
    reasoning_content: NotRequired[str]
    references: NotRequired[list[JSON]]
    safety_ratings: NotRequired[list[JSON]]
    thinking_blocks: NotRequired[list[JSON]]
    url_context_metadata: NotRequired[JSON]
    vertex_ai_grounding_metadata: NotRequired[list[JSON]]


class Choice(TypedDict):
    """One answer of the model."""

    index: int
    message: ChatCompletionMessage
    logprobs: ChoiceLogprobs | None
    finish_reason: str


class ChatCompletion(ServiceTier):
    """The whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage


class ChunkStamp(TypedDict):
    """The fields that are the same in all chunks of a stream."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str


class ChoiceDelta(TypedDict):
    """The first delta of a choice.

    The fields of the others are the publisher's: see `types.Delta`.
    """

    role: Literal["assistant"]
    content: str | None


class UsageChunk(ServiceTier):
    """The fields of the last chunk beside its stamp and `choices`, which is empty."""

    usage: CompletionUsage


class StoredChatCompletion(ChatCompletion):
    """A stored answer."""

    metadata: dict[str, str]


class StoredMessageFields(TypedDict):
    """The id and the content of a stored message; the client has sent its other fields."""

    id: str
    content: str | None
    content_parts: list[JSON] | None


class ChatCompletionDeleted(TypedDict):
    """The answer to the deletion of a stored completion."""

    id: str
    object: Literal["chat.completion.deleted"]
    deleted: bool
