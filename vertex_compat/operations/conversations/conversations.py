"""`/conversations` and their items.

https://platform.openai.com/docs/api-reference/conversations
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.conversations import conversation_records, conversations_schema
from vertex_compat.operations.conversations.conversation_records import ConversationRecord, StoredConversation
from vertex_compat.operations.request import body, paging
from vertex_compat.operations.responses import tools
from vertex_compat.operations.responses.input_items import ItemReader
from vertex_compat.operations.stored import store as stores
from vertex_compat.operations.stored import stored_items
from vertex_compat.operations.stored.store import ObjectStore
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations.conversations import answer_types as wire


def create(context: RequestContext) -> Response:
    """Create a conversation, with or without items."""
    params = body.drop_nulls(body.decode(context.body or b"{}", conversations_schema.CreateConversation))
    token = new_token()
    record = ConversationRecord(
        created_at=int(time.time()),
        metadata=params.get("metadata", {}),
        items=_new_items(params.get("items", [])),
    )
    conversation_records.write(_store(context), StoredConversation(token, record, 0))
    return Response(_conversation_object(token, record, context))


def retrieve(context: RequestContext) -> Response:
    """Return a conversation without its items."""
    conversation = _read(context)
    return Response(_conversation_object(conversation.token, conversation.record, context))


def update(context: RequestContext) -> Response:
    """Replace the metadata of a conversation."""
    params = body.drop_nulls(body.decode(context.body, conversations_schema.UpdateConversation))

    def change(record: ConversationRecord) -> None:
        record.metadata = params.get("metadata", {})

    conversation = _read(context)
    record = conversation_records.update(_store(context), conversation, change)
    return Response(_conversation_object(conversation.token, record, context))


def delete(context: RequestContext) -> Response:
    """Delete a conversation with its items and responses."""
    conversation = _read(context)
    stores.delete(_store(context), conversation_records.FOLDER + conversation.token)
    id_ = context.path_args["conversation"]
    deletion: wire.ConversationDeletedResource = {
        "id": id_,
        "object": "conversation.deleted",
        "deleted": True,
    }
    return Response(deletion)


def create_items(context: RequestContext) -> Response:
    """Add items to a conversation; returns them with their ids."""
    params = body.decode(context.body, conversations_schema.CreateItems)
    items = _new_items(params["items"])

    def change(record: ConversationRecord) -> None:
        item_ids = {item["id"] for item in record.items}
        record.items += [item for item in items if item["id"] not in item_ids]

    conversation_records.update(_store(context), _read(context), change)
    return Response(paging.page(items, max(len(items), 1)))


def list_items(context: RequestContext) -> Response:
    """List the items of a conversation, latest first by default."""
    size = paging.limit(context.query(), 20, 100)
    items = _read(context).record.items
    if paging.order(context.query()) == "desc":
        items = items[::-1]
    return Response(paging.page(paging.after(items, context.query()), size))


def retrieve_item(context: RequestContext) -> Response:
    """Return one item of a conversation."""
    if (item := _read(context).record.item(context.path_args["item"])) is None:
        raise _no_such_item(context)
    return Response(item)


def delete_item(context: RequestContext) -> Response:
    """Delete one item; returns the conversation."""
    conversation, id_ = _read(context), context.path_args["item"]
    if conversation.record.item(id_) is None:
        raise _no_such_item(context)

    def change(record: ConversationRecord) -> None:
        record.items = [item for item in record.items if item["id"] != id_]

    record = conversation_records.update(_store(context), conversation, change)
    return Response(_conversation_object(conversation.token, record, context))


def _store(context: RequestContext) -> ObjectStore:
    store = stores.open_store(context)
    if store is None:
        raise errors.BadRequest(
            "This deployment stores no conversations: have the operator set GCS_BUCKET_NAME.",
            code="store_not_set",
        )
    return store


def _read(context: RequestContext) -> StoredConversation:
    return conversation_records.read(_store(context), context.path_args["conversation"], context.owner_ids)


def _new_items(items: list[JSON]) -> list[JSON]:
    """Return items with ids of their own; raises `BadRequest` for one that no model can read."""
    reader = ItemReader(tools.read({}))
    for number, item in enumerate(items):
        reader.read(item, f"items[{number}]")
    return stored_items.normalize([{**item, "id": None} for item in items], new_token())


def _conversation_object(
    token: str, record: ConversationRecord, context: RequestContext
) -> wire.Conversation:
    return {
        "id": context.owner_ids.encode(conversation_records.ID_PREFIX, token),
        "object": "conversation",
        "created_at": record.created_at,
        "metadata": record.metadata,
    }


def _no_such_item(context: RequestContext) -> errors.NotFound:
    return errors.NotFound(f"Item with id '{context.path_args['item'][:300]}' not found.", param="item_id")
