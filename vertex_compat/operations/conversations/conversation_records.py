"""A stored conversation: one object with all its items, and the responses that added them.

Writes are conditional: after a conflict, the conversation is read again and the items are added to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.ids import IdSigner
from vertex_compat.operations.stored.store import ObjectStore, get_written
from vertex_compat.types import JSON

FOLDER: Final = "conversations/"
ID_PREFIX: Final = "conv_"

MAX_ATTEMPTS: Final = 8
"""Writes that are tried while other requests change the same conversation."""

MAX_BYTES: Final = 64 * 1024 * 1024


class ConversationRecord(msgspec.Struct, omit_defaults=True):
    """The stored record. `responses` has response objects without their output, by token."""

    created_at: int
    metadata: dict[str, str] = {}
    items: list[JSON] = []
    responses: dict[str, JSON] = {}

    def item(self, id_: str) -> JSON | None:
        """Return the item with an id."""
        return next((item for item in self.items if item["id"] == id_), None)


class StoredConversation(NamedTuple):
    """A conversation as it was read.

    A response that was added has its items after those before it.
    """

    token: str
    record: ConversationRecord
    generation: int


_decode = msgspec.json.Decoder(ConversationRecord).decode


def token_of(id_: str, signer: IdSigner) -> str:
    """Return the token of a conversation's id; raises `NotFound`."""
    if (token := signer.decode(ID_PREFIX, id_)) is None:
        raise no_such_conversation(id_)
    return token


def read(store: ObjectStore, id_: str, signer: IdSigner) -> StoredConversation:
    """Return a conversation; raises `NotFound` if it is not the caller's."""
    token = token_of(id_, signer)
    if (stored := get_written(store, FOLDER + token, token)) is None:
        raise no_such_conversation(id_)
    return StoredConversation(token, _decode(stored.content), stored.generation)


def write(store: ObjectStore, conversation: StoredConversation) -> None:
    """Write a conversation over the version that was read; raises `Conflict`, `BadRequest`."""
    content = msgspec.json.encode(conversation.record)
    if len(content) > MAX_BYTES:
        raise errors.BadRequest(
            f"The conversation has more than {MAX_BYTES} bytes: continue in a new one.",
            param="conversation",
            code="conversation_too_large",
        )
    store.put(FOLDER + conversation.token, content, None, conversation.generation)


def update(
    store: ObjectStore,
    conversation: StoredConversation,
    change: Callable[[ConversationRecord], None],
) -> ConversationRecord:
    """Change a conversation; try again if another request has changed it at the same time."""
    for _ in range(MAX_ATTEMPTS):
        change(conversation.record)
        try:
            write(store, conversation)
        except errors.Conflict:
            if (stored := store.get(FOLDER + conversation.token)) is None:
                raise errors.NotFound("The conversation was deleted.", param="conversation") from None
            conversation = StoredConversation(conversation.token, _decode(stored.content), stored.generation)
        else:
            return conversation.record
    raise errors.Conflict(
        "Too many requests change this conversation at the same time. Send the request again.",
        param="conversation",
    )


def no_such_conversation(id_: str) -> errors.NotFound:
    """Return the 404 for a conversation."""
    return errors.NotFound(f"Conversation with id '{id_[:300]}' not found.", param="conversation_id")
