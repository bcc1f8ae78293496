"""The JSON that clients of Responses get: the response, its items, and their events.

https://platform.openai.com/docs/api-reference/responses. Types for mypy only: no module imports this one when
the function runs.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

from vertex_compat.types import JSON

Status: TypeAlias = Literal["completed", "failed", "in_progress", "incomplete"]

ItemStatus: TypeAlias = Literal["completed", "in_progress", "incomplete"]
"""Status of an item that no tool of the server makes: the response fails, not the item."""


class InputTokensDetails(TypedDict):
    """The cached part of the input."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(TypedDict):
    """The part of the output that is reasoning."""

    reasoning_tokens: int


class ResponseUsage(TypedDict):
    """Token counts."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseOutputText(TypedDict):
    """A text of a message."""

    type: Literal["output_text"]
    text: str
    annotations: list[JSON]
    logprobs: list[JSON]


class ResponseOutputRefusal(TypedDict):
    """A refusal in a message."""

    type: Literal["refusal"]
    refusal: str


ContentPart: TypeAlias = ResponseOutputText | ResponseOutputRefusal


class Summary(TypedDict):
    """A text of the model's reasoning."""

    type: Literal["summary_text"]
    text: str


class ResponseOutputMessage(TypedDict):
    """A message of the model."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[ContentPart]
    status: ItemStatus


class ResponseReasoningItem(TypedDict):
    """Reasoning; the encrypted content is the state that the model needs back."""

    id: str
    type: Literal["reasoning"]
    summary: list[Summary]
    encrypted_content: str | None
    status: ItemStatus


class CallName(TypedDict):
    """The id of a call, and the tool that is called."""

    call_id: str
    name: str
    namespace: NotRequired[str]


class ResponseFunctionToolCall(CallName):
    """A call of a function."""

    id: str
    type: Literal["function_call"]
    arguments: str
    status: ItemStatus


class ResponseCustomToolCall(CallName):
    """A call of a custom tool."""

    id: str
    type: Literal["custom_tool_call"]
    input: str
    status: ItemStatus


class ActionSearchSource(TypedDict):
    """A page that a search has found."""

    type: Literal["url"]
    url: str


class ActionSearch(TypedDict):
    """The queries of a search."""

    type: Literal["search"]
    query: str
    queries: list[str]
    sources: list[ActionSearchSource]


class ResponseFunctionWebSearch(TypedDict):
    """A Google search."""

    id: str
    type: Literal["web_search_call"]
    action: ActionSearch
    status: Status


class ImageGenerationCall(TypedDict):
    """An image; `extra_content` is its signature."""

    id: str
    type: Literal["image_generation_call"]
    result: str | None
    output_format: NotRequired[str]
    status: Literal["completed", "failed", "in_progress"]
    extra_content: NotRequired[JSON]


class OutputLogs(TypedDict):
    """A text that code has written."""

    type: Literal["logs"]
    logs: str


class OutputImage(TypedDict):
    """An image that code has drawn."""

    type: Literal["image"]
    url: str


class ResponseCodeInterpreterToolCall(TypedDict):
    """Code that the publisher ran."""

    id: str
    type: Literal["code_interpreter_call"]
    code: str
    container_id: str
    outputs: list[OutputLogs | OutputImage] | None
    status: Status


class FileSearchResult(TypedDict):
    """A passage of a file."""

    file_id: str
    filename: str
    score: float
    text: str
    attributes: JSON


class ResponseFileSearchToolCall(TypedDict):
    """A search in vector stores."""

    id: str
    type: Literal["file_search_call"]
    status: Status
    queries: list[str]
    results: list[FileSearchResult] | None


ServerItem: TypeAlias = ResponseFunctionWebSearch | ImageGenerationCall | ResponseFileSearchToolCall

OutputItem: TypeAlias = (
    ResponseOutputMessage
    | ResponseReasoningItem
    | ResponseFunctionToolCall
    | ResponseCustomToolCall
    | ResponseCodeInterpreterToolCall
    | ServerItem
    | JSON
)
"""An item of a response; JSON is a call of a tool that the client runs: see `tools.client_call`."""


class Conversation(TypedDict):
    """The conversation that a response is part of."""

    id: str


class LaterFields(TypedDict, total=False):
    """The fields that a response does not have at its start."""

    completed_at: int | None
    conversation: Conversation


class EchoedParams(LaterFields):
    """Parameters of the request that a response repeats."""

    instructions: str | None
    max_output_tokens: int | None
    metadata: JSON | None
    parallel_tool_calls: bool
    prompt_cache_key: str | None
    reasoning: JSON | None
    safety_identifier: str | None
    service_tier: str | None
    temperature: float | None
    text: JSON
    tool_choice: str | JSON
    tools: list[JSON]
    top_logprobs: int | None
    top_p: float | None
    truncation: str | None
    user: str | None


class IncompleteDetails(TypedDict):
    """The reason for which a response is not complete."""

    reason: str


class ResponseError(TypedDict):
    """The error of a failed response."""

    code: str
    message: str


class StorageFields(TypedDict):
    """The fields of a response that concern its storage."""

    id: str
    store: bool
    previous_response_id: str | None
    conversation: NotRequired[Conversation]
    truncation: NotRequired[str | None]


class Response(EchoedParams):
    """The response, which changes while it is made."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Status
    background: bool
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    model: str
    output: list[OutputItem]
    previous_response_id: str | None
    store: bool
    usage: ResponseUsage | None


class EventFields(TypedDict, total=False):
    """The fields of events, of which each type has some: see `openai.types.responses`."""

    annotation: JSON
    annotation_index: int
    arguments: str
    code: str | None
    content_index: int
    delta: str
    input: str
    item: OutputItem
    item_id: str
    logprobs: list[JSON]
    message: str
    name: str
    output_format: str
    output_index: int
    param: str | None
    partial_image_b64: str
    partial_image_index: int
    part: ContentPart | Summary
    refusal: str
    response: Response
    summary_index: int
    text: str


class Event(EventFields):
    """An event of a stream. Encode it immediately: the items in it are still being built."""

    type: str
    sequence_number: int


class ResponseDeleted(TypedDict):
    """The answer to the deletion of a stored response."""

    id: str
    object: Literal["response"]
    deleted: bool


class CompactedResponse(TypedDict):
    """The answer to a request to compact a conversation; the last item is the summary."""

    id: str
    object: Literal["response.compaction"]
    created_at: int
    output: list[JSON]
    usage: ResponseUsage
