"""The JSON of conversations that clients get; their items are the client's or the model's.

https://platform.openai.com/docs/api-reference/conversations. Types for mypy only: no module imports this one
when the function runs.
"""

from __future__ import annotations

from typing import Literal, TypedDict


class Conversation(TypedDict):
    """A conversation without its items."""

    id: str
    object: Literal["conversation"]
    created_at: int
    metadata: dict[str, str]


class ConversationDeletedResource(TypedDict):
    """The answer to the deletion of a conversation."""

    id: str
    object: Literal["conversation.deleted"]
    deleted: bool
