"""Schema of OpenAI's `POST /moderations`.

https://platform.openai.com/docs/api-reference/moderations/create
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

MAX_INPUTS = 32


class Moderation(Struct):
    input: str | Annotated[list[str | dict[str, Any]], Meta(min_length=1, max_length=MAX_INPUTS)]
    model: str | None = None
