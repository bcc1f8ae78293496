"""The request of OpenAI's `POST /responses`: types and ranges, for `body.validate`.

https://platform.openai.com/docs/api-reference/responses/create. Input items are validated in
`input_items`, which translates them.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from vertex_compat.operations.chat.chat_schema import (
    MAX_MESSAGES,
    Location,
    Many,
    Positive,
    SearchContextSize,
    SearchFilters,
    Strings,
)


class Reasoning(Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class TextOptions(Struct):
    format: dict[str, Any] | None = None
    verbosity: str | None = None


class WebSearch(Struct):
    filters: SearchFilters | None = None
    search_context_size: SearchContextSize | None = None
    user_location: Location | None = None


class CreateResponse(Struct):
    model: str
    input: str | Annotated[list[dict[str, Any]], Meta(max_length=MAX_MESSAGES)] | None = None
    background: bool | None = None
    conversation: str | dict[str, Any] | None = None
    include: Strings | None = None
    instructions: str | None = None
    max_output_tokens: Positive | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    reasoning: Reasoning | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    text: TextOptions | None = None
    tool_choice: str | dict[str, Any] | None = None
    tools: Annotated[list[dict[str, Any]], Many] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    truncation: str | None = None
    user: str | None = None
