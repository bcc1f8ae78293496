"""Schemas of `/conversations`: https://platform.openai.com/docs/api-reference/conversations."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from vertex_compat.operations.batches.batches_schema import Metadata

MAX_ITEMS = 20
"""Items that one request adds."""

Items = Annotated[list[dict[str, Any]], Meta(max_length=MAX_ITEMS)]


class CreateConversation(Struct):
    items: Items | None = None
    metadata: Metadata | None = None


class UpdateConversation(Struct):
    metadata: Metadata | None = None


class CreateItems(Struct):
    items: Items
