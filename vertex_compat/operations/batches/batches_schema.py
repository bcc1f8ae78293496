"""Schemas of OpenAI's `POST /batches`, its input lines, and Anthropic's message batches.

https://platform.openai.com/docs/api-reference/batch and
https://platform.claude.com/docs/en/api/messages/batches/create
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class Create(Struct):
    input_file_id: str
    endpoint: str
    completion_window: Literal["24h"]
    metadata: Metadata | None = None


class Line(Struct):
    custom_id: Annotated[str, Meta(min_length=1, max_length=512)]
    method: Literal["POST"]
    url: str
    body: dict[str, Any]


class MessageParams(Struct):
    """The fields of a request that decide where it goes; Claude itself checks the others."""

    model: str
    stream: bool | None = None


class BatchedMessage(Struct):
    custom_id: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-zA-Z0-9_-]+$")]
    params: dict[str, Any]


class CreateMessageBatch(Struct):
    requests: Annotated[list[BatchedMessage], Meta(min_length=1, max_length=100_000)]
