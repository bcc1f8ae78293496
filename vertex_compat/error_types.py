"""The JSON of errors in the form of each client API.

Types for mypy only: no module imports this one when the function runs.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from vertex_compat.types import JSON


class OpenAIErrorObject(TypedDict):
    """OpenAI's error; `raw_response` is an answer that does not match the client's JSON Schema."""

    message: str
    type: str
    param: str | None
    code: str | None
    raw_response: NotRequired[str]


class OpenAIErrorBody(TypedDict):
    """The body of OpenAI's error."""

    error: OpenAIErrorObject


class AnthropicErrorObject(TypedDict):
    """Anthropic's error; `details` name a feature without which its SDKs go on."""

    type: str
    message: str
    details: NotRequired[JSON]


class AnthropicErrorBody(TypedDict):
    """The body of Anthropic's error."""

    type: Literal["error"]
    error: AnthropicErrorObject
    request_id: str | None


class GoogleStatus(TypedDict):
    """Google's error: google.rpc.Status with the name of its code."""

    code: int
    message: str
    status: str
    details: NotRequired[list[JSON]]


class GoogleErrorBody(TypedDict):
    """The body of Google's error."""

    error: GoogleStatus
