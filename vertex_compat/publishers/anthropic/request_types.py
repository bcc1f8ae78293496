"""The JSON that is sent to Claude: the Messages API's request, blocks, tools and options.

https://platform.claude.com/docs/en/api/messages. Types for mypy only: no module imports this one when the
function runs. What a client wrote in Anthropic's own form is sent as it is and stays `JSON`.
"""

from __future__ import annotations

from typing import Literal, NotRequired, Required, TypeAlias, TypedDict

from vertex_compat.types import JSON


class TextBlock(TypedDict):
    """A text, which must not be blank."""

    type: Literal["text"]
    text: str
    cache_control: NotRequired[JSON]


class Base64Source(TypedDict):
    """A file in base64."""

    type: Literal["base64"]
    media_type: str | None
    data: str


class PlainTextSource(TypedDict):
    """A text file."""

    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class URLSource(TypedDict):
    """A file at an https:// URL."""

    type: Literal["url"]
    url: str | None


FileSource: TypeAlias = Base64Source | URLSource


class ImageBlock(TypedDict):
    """An image."""

    type: Literal["image"]
    source: FileSource
    cache_control: NotRequired[JSON]


class DocumentBlock(TypedDict):
    """A PDF or a text file; `citations`, `context` and `title` are the client's."""

    type: Literal["document"]
    source: FileSource | PlainTextSource
    title: NotRequired[str]
    context: NotRequired[str]
    citations: NotRequired[JSON]
    cache_control: NotRequired[JSON]


class ToolUseBlock(TypedDict):
    """A call of the model. `toolset_name` names the toolset of a member tool."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: JSON
    toolset_name: NotRequired[str]
    cache_control: NotRequired[JSON]


class ToolResultBlock(TypedDict):
    """The result of a call."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: NotRequired[list[Block]]
    is_error: NotRequired[bool]
    toolset_name: NotRequired[str]
    cache_control: NotRequired[JSON]


Block: TypeAlias = TextBlock | ImageBlock | DocumentBlock | ToolUseBlock | ToolResultBlock | JSON
"""A block of a message; JSON is one that Claude wrote or the client sent, and that is sent unchanged."""


Role: TypeAlias = Literal["user", "assistant"]


class Message(TypedDict):
    """A message; roles alternate, the user's is the first."""

    role: Role
    content: list[Block]


class Tool(TypedDict, total=False):
    """A function of the client."""

    name: Required[str]
    description: str
    input_schema: Required[JSON]
    strict: bool
    allowed_callers: JSON
    cache_control: JSON
    defer_loading: bool
    eager_input_streaming: bool
    input_examples: list[JSON]


class ToolChoice(TypedDict, total=False):
    """The tools that the model may or must call; only the type `tool` has a `name`."""

    type: Required[Literal["any", "auto", "none", "tool"]]
    name: str
    disable_parallel_tool_use: bool


class ThinkingConfig(TypedDict, total=False):
    """Amount of thinking, and the form in which it is shown."""

    type: Required[Literal["adaptive", "between_tools", "disabled", "enabled"]]
    budget_tokens: int
    display: str
    block_binding: JSON


class OutputFormat(TypedDict):
    """The JSON Schema of the answer."""

    type: Literal["json_schema"]
    schema: JSON


class OutputConfig(TypedDict, total=False):
    """The effort, and the form of the answer."""

    effort: str
    format: OutputFormat
    task_budget: JSON


class Metadata(TypedDict):
    """The client's user."""

    user_id: str


class RequestOptions(TypedDict, total=False):
    """The fields that not every request has."""

    anthropic_beta: list[str]
    system: list[TextBlock]
    tools: list[Tool | JSON]
    tool_choice: ToolChoice
    thinking: ThinkingConfig
    output_config: OutputConfig
    stop_sequences: list[str]
    metadata: Metadata
    stream: bool
    temperature: float
    top_k: int
    top_p: float
    cache_control: JSON
    compaction: JSON
    container: JSON
    context_management: JSON
    fallbacks: JSON
    inference_geo: str
    mcp_servers: list[JSON]
    speed: str


class MessagesRequest(RequestOptions):
    """The body of `rawPredict` and `streamRawPredict`.

    `anthropic_version` is Vertex AI's own field.
    """

    anthropic_version: str
    max_tokens: int
    messages: list[Message]
