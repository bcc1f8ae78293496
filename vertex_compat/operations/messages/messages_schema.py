"""The request of Anthropic's `POST /v1/messages`: types and ranges, for `body.validate`.

https://platform.claude.com/docs/en/api/messages/create. It is for models of other publishers: a
request to Claude goes to Vertex AI as it came.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

MAX_MESSAGES = 10_000
Many = Meta(max_length=2_000)


class Base64Source(Struct, tag_field="type", tag="base64"):
    media_type: str
    data: str


class URLSource(Struct, tag_field="type", tag="url"):
    url: str


class TextSource(Struct, tag_field="type", tag="text"):
    data: str


class ContentSource(Struct, tag_field="type", tag="content"):
    content: str | Annotated[list[Text | Image], Many]


class FileSource(Struct, tag_field="type", tag="file"):
    file_id: str


class Text(Struct, tag_field="type", tag="text"):
    text: str


class Image(Struct, tag_field="type", tag="image"):
    source: Base64Source | URLSource | FileSource


class Citations(Struct):
    enabled: bool | None = None


class Document(Struct, tag_field="type", tag="document"):
    source: Base64Source | URLSource | TextSource | ContentSource | FileSource
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None


class SearchResult(Struct, tag_field="type", tag="search_result"):
    source: str
    title: str
    content: Annotated[list[Text], Many]
    citations: Citations | None = None


class ToolReference(Struct, tag_field="type", tag="tool_reference"):
    tool_name: str


class ToolUse(Struct, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]


class ToolResult(Struct, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: str | Annotated[list[Text | Image | Document | SearchResult | ToolReference], Many] | None = None
    is_error: bool | None = None


class Thinking(Struct, tag_field="type", tag="thinking"):
    thinking: str
    signature: str | None = None


class RedactedThinking(Struct, tag_field="type", tag="redacted_thinking"):
    data: str


class ServerToolUse(Struct, tag_field="type", tag="server_tool_use"):
    name: str | None = None
    input: dict[str, Any] | None = None


class WebSearchToolResult(Struct, tag_field="type", tag="web_search_tool_result"):
    pass


class WebFetchToolResult(Struct, tag_field="type", tag="web_fetch_tool_result"):
    pass


class CodeResult(Struct):
    """Of code or of a shell: `return_code` and outputs, or an `error_code`."""

    stdout: str | None = None
    stderr: str | None = None
    return_code: int | None = None
    error_code: str | None = None


class CodeExecutionToolResult(Struct, tag_field="type", tag="code_execution_tool_result"):
    content: CodeResult | None = None


class BashCodeExecutionToolResult(Struct, tag_field="type", tag="bash_code_execution_tool_result"):
    content: CodeResult | None = None


class TextEditorCodeExecutionToolResult(
    Struct, tag_field="type", tag="text_editor_code_execution_tool_result"
):
    content: dict[str, Any] | None = None


class ToolSearchToolResult(Struct, tag_field="type", tag="tool_search_tool_result"):
    pass


class McpToolUse(Struct, tag_field="type", tag="mcp_tool_use"):
    pass


class McpToolResult(Struct, tag_field="type", tag="mcp_tool_result"):
    pass


class Compaction(Struct, tag_field="type", tag="compaction"):
    content: str | None = None


ServerBlock = (
    ServerToolUse
    | WebSearchToolResult
    | WebFetchToolResult
    | CodeExecutionToolResult
    | BashCodeExecutionToolResult
    | TextEditorCodeExecutionToolResult
    | ToolSearchToolResult
    | McpToolUse
    | McpToolResult
    | Compaction
)
"""Blocks of tools that ran on Anthropic's servers."""

Block = (
    Text | Image | Document | SearchResult | ToolUse | ToolResult | Thinking | RedactedThinking | ServerBlock
)


class Message(Struct):
    role: Literal["user", "assistant", "system"]
    content: str | Annotated[list[Block], Many]


class Tool(Struct):
    name: Annotated[str, Meta(min_length=1)] | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    type: str | None = None


class ToolChoice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinks(Struct):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = None
    display: str | None = None


class Metadata(Struct):
    user_id: str | None = None


class OutputFormat(Struct):
    type: str
    schema: dict[str, Any] | None = None


class OutputConfig(Struct):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class CountTokens(Struct):
    model: str
    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    metadata: Metadata | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    system: str | Annotated[list[Text], Many] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    thinking: Thinks | None = None
    tool_choice: ToolChoice | None = None
    tools: Annotated[list[Tool], Many] | None = None
    top_k: int | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


class CreateMessage(CountTokens, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=1)]
