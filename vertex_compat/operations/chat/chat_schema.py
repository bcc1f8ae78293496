"""The request of OpenAI's `POST /chat/completions`: types and ranges, for `body.validate`.

https://platform.openai.com/docs/api-reference/chat/create, with the additions of Google's and LiteLLM's
dialects. Keys that are not listed are not validated; they go on to the publisher.

The annotations are values, not strings: msgspec would compile each string at the first request.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Positive = Annotated[int, Meta(ge=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Strings = list[str]

MAX_MESSAGES = 10_000
Many = Meta(max_length=2_000)
"""Limit of parts of a message, of tools and of calls: no model takes more."""


class ImageURL(Struct):
    url: str
    detail: str | None = None
    format: str | None = None


class InputAudio(Struct):
    data: str
    format: str | None = None


class File(Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None
    format: str | None = None
    detail: str | None = None
    video_metadata: dict[str, Any] | None = None


class AudioInput(Struct):
    audio_input: str
    format: str | None = None


class Text(Struct, tag_field="type", tag="text"):
    text: str


class InputText(Struct, tag_field="type", tag="input_text"):
    text: str


class Image(Struct, tag_field="type", tag="image_url"):
    image_url: ImageURL | str


class Video(Struct, tag_field="type", tag="video_url"):
    video_url: ImageURL | str


class Audio(Struct, tag_field="type", tag="input_audio"):
    input_audio: InputAudio


class LiteLLMAudio(Struct, tag_field="type", tag="audio_input"):
    audio_input: AudioInput


class FilePart(Struct, tag_field="type", tag="file"):
    file: File


class Refusal(Struct, tag_field="type", tag="refusal"):
    refusal: str


class Thinking(Struct, tag_field="type", tag="thinking"):
    thinking: str
    signature: str | None = None


class RedactedThinking(Struct, tag_field="type", tag="redacted_thinking"):
    data: str


class Document(Struct, tag_field="type", tag="document"):
    """Anthropic's document; read, and refused where it is wrong, by `publishers.chat_messages`."""


class SearchResult(Struct, tag_field="type", tag="search_result"):
    """Anthropic's search result."""


class ServerToolUse(Struct, tag_field="type", tag="server_tool_use"):
    """A call of a tool on Anthropic's servers."""


class WebSearchToolResult(Struct, tag_field="type", tag="web_search_tool_result"):
    """A result of Anthropic's web search."""


class WebFetchToolResult(Struct, tag_field="type", tag="web_fetch_tool_result"):
    """A result of Anthropic's web fetch tool."""


class CodeExecutionToolResult(Struct, tag_field="type", tag="code_execution_tool_result"):
    """A result of Anthropic's code execution tool."""


class BashToolResult(Struct, tag_field="type", tag="bash_code_execution_tool_result"):
    """A result of the shell in Anthropic's code execution tool."""


class TextEditorToolResult(Struct, tag_field="type", tag="text_editor_code_execution_tool_result"):
    """A result of the editor in Anthropic's code execution tool."""


class ToolSearchToolResult(Struct, tag_field="type", tag="tool_search_tool_result"):
    """A result of Anthropic's tool search."""


ServerToolPart = (
    ServerToolUse
    | WebSearchToolResult
    | WebFetchToolResult
    | CodeExecutionToolResult
    | BashToolResult
    | TextEditorToolResult
    | ToolSearchToolResult
)

UserPart = Text | InputText | Image | Video | Audio | LiteLLMAudio | FilePart | Document | SearchResult
AssistantPart = Text | Refusal | Image | Thinking | RedactedThinking | ServerToolPart
ToolPart = UserPart


class Function(Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class ToolCall(Struct):
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    custom: dict[str, Any] | None = None


class Developer(Struct, tag_field="role", tag="developer"):
    content: str | Annotated[list[Text], Many]
    name: str | None = None


class System(Struct, tag_field="role", tag="system"):
    content: str | Annotated[list[Text], Many]
    name: str | None = None


class User(Struct, tag_field="role", tag="user"):
    content: str | Annotated[list[UserPart], Many]
    name: str | None = None


class Assistant(Struct, tag_field="role", tag="assistant"):
    content: str | Annotated[list[AssistantPart], Many] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: Annotated[list[ToolCall], Many] | None = None
    function_call: Function | None = None
    reasoning_content: str | None = None
    thinking_blocks: list[dict[str, Any]] | None = None


class Tool(Struct, tag_field="role", tag="tool"):
    tool_call_id: str | None = None
    content: str | Annotated[list[ToolPart], Many] | None = None


class FunctionResult(Struct, tag_field="role", tag="function"):
    name: str
    content: str | None = None


Message = Developer | System | User | Assistant | Tool | FunctionResult


class StreamOptions(Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class FunctionDefinition(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Struct):
    type: str
    json_schema: dict[str, Any] | None = None
    response_schema: dict[str, Any] | None = None
    enforce_validation: bool | None = None


class Voice(Struct):
    id: str


class SpokenAnswer(Struct):
    voice: str | Voice | None = None
    format: str | None = None


class ImageOptions(Struct, kw_only=True):
    """The form of images: also of `/images/generations`."""

    background: Literal["transparent", "opaque", "auto"] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = None
    size: Annotated[str, Meta(pattern=r"^(auto|[1-9]\d{1,4}x[1-9]\d{1,4})$")] | None = None


class SearchFilters(Struct):
    allowed_domains: Strings | None = None
    blocked_domains: Strings | None = None


class Location(Struct):
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class UserLocation(Struct):
    approximate: Location | None = None
    type: Literal["approximate"] | None = None


SearchContextSize = Literal["low", "medium", "high"]


class WebSearchOptions(Struct):
    filters: SearchFilters | None = None
    search_context_size: SearchContextSize | None = None
    user_location: UserLocation | None = None


class Chat(Struct):
    model: str
    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]
    audio: SpokenAnswer | None = None
    enforce_validation: bool | None = None
    extra_body: dict[str, Any] | None = None
    frequency_penalty: Penalty | None = None
    function_call: str | dict[str, Any] | None = None
    functions: Annotated[list[FunctionDefinition], Many] | None = None
    google: dict[str, Any] | None = None
    image_generation: ImageOptions | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    max_completion_tokens: Positive | None = None
    max_tokens: Positive | None = None
    metadata: dict[str, str] | None = None
    modalities: Strings | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    parallel_tool_calls: bool | None = None
    presence_penalty: Penalty | None = None
    reasoning_effort: Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    response_format: ResponseFormat | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: str | None = None
    stop: str | Strings | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    thinking: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    tools: Annotated[list[dict[str, Any]], Many] | None = None
    top_k: float | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None
    verbosity: str | None = None
    web_search_options: WebSearchOptions | None = None
