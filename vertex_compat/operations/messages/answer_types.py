"""The JSON that clients of Messages get for other models than Claude: messages and events.

https://platform.claude.com/docs/en/api/messages. Types for mypy only: no module imports this one when the
function runs. What Claude answers is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypeAlias, TypedDict

from vertex_compat.types import JSON


class OutputTokensDetails(TypedDict):
    """The part of the output that is thinking."""

    thinking_tokens: int


class ServerToolUsage(TypedDict):
    """Calls of server tools."""

    web_search_requests: int
    web_fetch_requests: int


class Usage(TypedDict):
    """Token counts; `input_tokens` has no cached tokens."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: NotRequired[OutputTokensDetails]
    server_tool_use: NotRequired[ServerToolUsage]


class CitationsWebSearchResultLocation(TypedDict):
    """A page that a text is based on."""

    type: Literal["web_search_result_location"]
    url: str
    title: str | None
    cited_text: str
    encrypted_index: str


class TextBlock(TypedDict):
    """A text."""

    type: Literal["text"]
    text: str
    citations: NotRequired[list[CitationsWebSearchResultLocation]]


class ThinkingBlock(TypedDict):
    """A thought; the signature is the state that the model needs back."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class ToolUseBlock(TypedDict):
    """A call of a tool of the client."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: JSON


class ServerToolUseBlock(TypedDict):
    """A search, or code that the publisher ran."""

    type: Literal["server_tool_use"]
    id: str
    name: str
    input: JSON


class WebSearchResultBlock(TypedDict):
    """A page that a search has found."""

    type: Literal["web_search_result"]
    url: str
    title: str
    encrypted_content: str
    page_age: str | None


class WebSearchToolResultBlock(TypedDict):
    """The pages that a search has found."""

    type: Literal["web_search_tool_result"]
    tool_use_id: str
    content: list[WebSearchResultBlock]


class CodeExecutionResultBlock(TypedDict):
    """The output of code; `content` would be its files."""

    type: Literal["code_execution_result"]
    stdout: str
    stderr: str
    return_code: int
    content: list[JSON]


class CodeExecutionToolResultBlock(TypedDict):
    """The result of code."""

    type: Literal["code_execution_tool_result"]
    tool_use_id: str
    content: CodeExecutionResultBlock


ContentBlock: TypeAlias = (
    TextBlock
    | ThinkingBlock
    | ToolUseBlock
    | ServerToolUseBlock
    | WebSearchToolResultBlock
    | CodeExecutionToolResultBlock
)

StopReason: TypeAlias = Literal["end_turn", "max_tokens", "refusal", "stop_sequence", "tool_use"]


class RefusalStopDetails(TypedDict):
    """The model's words for a refusal."""

    type: Literal["refusal"]
    category: None
    explanation: str | None


class MessageDelta(TypedDict):
    """The reason for which a message ended; null at its start."""

    stop_reason: StopReason | None
    stop_sequence: str | None
    stop_details: RefusalStopDetails | None


class Message(MessageDelta):
    """The whole message."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[ContentBlock]
    usage: Usage


class TextDelta(TypedDict):
    """More of a text."""

    type: Literal["text_delta"]
    text: str


class ThinkingDelta(TypedDict):
    """More of a thought."""

    type: Literal["thinking_delta"]
    thinking: str


class SignatureDelta(TypedDict):
    """The signature of a thought."""

    type: Literal["signature_delta"]
    signature: str


class InputJSONDelta(TypedDict):
    """More of a call's input, which is JSON text until the block stops."""

    type: Literal["input_json_delta"]
    partial_json: str


class CitationsDelta(TypedDict):
    """One more citation of a text."""

    type: Literal["citations_delta"]
    citation: CitationsWebSearchResultLocation


ContentDelta: TypeAlias = TextDelta | ThinkingDelta | SignatureDelta | InputJSONDelta | CitationsDelta


class MessageStartEvent(TypedDict):
    """The first event, with the message before its content."""

    type: Literal["message_start"]
    message: Message


class ContentBlockStartEvent(TypedDict):
    """The beginning of a block."""

    type: Literal["content_block_start"]
    index: int
    content_block: ContentBlock


class ContentBlockDeltaEvent(TypedDict):
    """More of the open block."""

    type: Literal["content_block_delta"]
    index: int
    delta: ContentDelta


class ContentBlockStopEvent(TypedDict):
    """The end of a block."""

    type: Literal["content_block_stop"]
    index: int


class MessageDeltaEvent(TypedDict):
    """The end of the content, and all counts."""

    type: Literal["message_delta"]
    delta: MessageDelta
    usage: Usage


class MessageStopEvent(TypedDict):
    """The last event."""

    type: Literal["message_stop"]


MessageEvent: TypeAlias = (
    MessageStartEvent
    | ContentBlockStartEvent
    | ContentBlockDeltaEvent
    | ContentBlockStopEvent
    | MessageDeltaEvent
    | MessageStopEvent
)


class MessageTokensCount(TypedDict):
    """The answer to `count_tokens`."""

    input_tokens: int


class ModelInfo(TypedDict):
    """A model."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active", "deprecated", "retired"]
    retires_at: str | None
    max_input_tokens: int | None
    max_tokens: int | None


class MessageBatchRequestCounts(TypedDict):
    """Numbers of requests by their outcome."""

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int


class MessageBatch(TypedDict):
    """A batch of messages."""

    id: str
    type: Literal["message_batch"]
    processing_status: Literal["canceling", "ended", "in_progress"]
    request_counts: MessageBatchRequestCounts
    created_at: str
    expires_at: str
    cancel_initiated_at: str | None
    ended_at: str | None
    archived_at: None
    results_url: str | None


class MessageBatchSucceededResult(TypedDict):
    """The message that answers a request of a batch."""

    type: Literal["succeeded"]
    message: Mapping[str, object]


class MessageBatchErroredResult(TypedDict):
    """The error that answers a request of a batch."""

    type: Literal["errored"]
    error: Mapping[str, object]


class MessageBatchUnansweredResult(TypedDict):
    """The outcome of a request without an answer."""

    type: Literal["canceled", "expired"]


MessageBatchResult: TypeAlias = (
    MessageBatchSucceededResult | MessageBatchErroredResult | MessageBatchUnansweredResult
)


class MessageBatchIndividualResponse(TypedDict):
    """A line of a batch's results."""

    custom_id: str
    result: MessageBatchResult


class DeletedMessageBatch(TypedDict):
    """The answer to the deletion of a batch."""

    id: str
    type: Literal["message_batch_deleted"]
