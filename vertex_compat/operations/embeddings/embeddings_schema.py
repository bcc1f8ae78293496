"""Schema of OpenAI's `POST /embeddings`, with the fields of Google's and LiteLLM's dialects.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1)]
Tokens = Annotated[list[int], Meta(min_length=1)]


class Embeddings(Struct):
    model: str
    input: Text | Annotated[list[Text | int | Tokens], Meta(min_length=1, max_length=2048)]
    auto_truncate: bool | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    input_type: str | None = None
    instance_key: Text | None = None
    task_type: str | None = None
    title: str | None = None
    user: str | None = None
