"""The JSON that is sent to servers of OpenAI's chat API: messages and tools."""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

from vertex_compat.types import JSON


class FunctionCall(TypedDict):
    """Name and arguments of a call; the arguments are JSON in a string."""

    name: str
    arguments: str


class ToolCall(TypedDict):
    """A call in an assistant's message."""

    id: str
    type: Literal["function"]
    function: FunctionCall


Content: TypeAlias = str | list[JSON]
"""A text, or parts in OpenAI's or a publisher's own form."""


class Message(TypedDict):
    """A message of any role.

    `prefix` is Mistral's: the model continues the message. `tool_call_id` is a `tool` message's.
    """

    role: str
    content: NotRequired[Content]
    tool_calls: NotRequired[list[ToolCall]]
    tool_call_id: NotRequired[str]
    reasoning_content: NotRequired[str]
    prefix: NotRequired[bool]


class FunctionDefinition(TypedDict):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: str
    description: NotRequired[str]
    parameters: NotRequired[JSON]
    strict: NotRequired[bool]


class Tool(TypedDict):
    """A tool: these servers have functions only."""

    type: Literal["function"]
    function: FunctionDefinition


class JSONSchemaFormat(TypedDict):
    """The `json_schema` of a `response_format`."""

    name: str
    schema: NotRequired[JSON]
    description: NotRequired[str]
    strict: NotRequired[bool]


class ResponseFormat(TypedDict):
    """The form of the answer."""

    type: str
    json_schema: NotRequired[JSONSchemaFormat]


class ToolChoiceFunction(TypedDict):
    """The name of a function."""

    name: str


class ToolChoice(TypedDict):
    """A choice of one function."""

    type: Literal["function"]
    function: ToolChoiceFunction


class ChatFields(TypedDict, total=False):
    """The fields of a request that all servers share but for model and messages."""

    max_tokens: int
    stop: list[str]
    stream: bool
    response_format: ResponseFormat
    tools: list[Tool]
    tool_choice: str | ToolChoice
    parallel_tool_calls: bool
