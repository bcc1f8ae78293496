"""Stored responses: `GET` and `DELETE /responses/{id}`, `…/input_items`, `…/cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vertex_compat import errors
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.conversations import conversation_records
from vertex_compat.operations.conversations.conversation_records import ConversationRecord
from vertex_compat.operations.request import paging
from vertex_compat.operations.responses import background
from vertex_compat.operations.responses.memory import ID_PREFIX, NO_STORE, NOT_STORED_PREFIX
from vertex_compat.operations.stored import history, replay
from vertex_compat.operations.stored import store as stores
from vertex_compat.operations.stored.store import ObjectStore
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations.responses.output import answer_types as wire


class _Location(NamedTuple):
    """Location of a stored response: an object of its own, or in a conversation."""

    store: ObjectStore
    conversation: str
    token: str


def retrieve(context: RequestContext) -> Response:
    """Return a stored response, or its events with `stream=true`."""
    location = _locate(context)
    response = _in_conversation(location, context)[1] if location.conversation else None
    if response is None and (record := history.read_record(location.store, location.token)):
        response = background.current(location.store, location.token, record, context).response
    if response is None:
        raise _not_found(context)
    if context.query().get("stream") == "true":
        after = context.query().get("starting_after", "")
        return Response(EventStream(replay.events(response, int(after) if after.isdecimal() else -1)))
    return Response(response)


def delete(context: RequestContext) -> Response:
    """Delete a stored response. Items that later responses contain stay with them."""
    location = _locate(context)
    if location.conversation:
        conversation, response = _in_conversation(location, context)
        if response is None:
            raise _not_found(context)

        def remove(record: ConversationRecord) -> None:
            record.responses.pop(location.token, None)

        conversation_records.update(location.store, conversation, remove)
    elif not stores.delete(location.store, history.FOLDER + location.token):
        raise _not_found(context)
    deletion: wire.ResponseDeleted = {
        "id": context.path_args["id"],
        "object": "response",
        "deleted": True,
    }
    return Response(deletion)


def input_items(context: RequestContext) -> Response:
    """List the input items of a response, latest first by default: earlier ones and its own."""
    location = _locate(context)
    size = paging.limit(context.query(), 20, 100)
    if location.conversation:
        conversation, response = _in_conversation(location, context)
        if response is None:
            raise _not_found(context)
        output = set(conversation.record.responses[location.token]["output"])
        items = [item for item in conversation.record.items if item["id"] not in output]
    else:
        chain = history.load(location.store, location.token)
        if chain is None or chain.parent is None:
            raise _not_found(context)
        items = chain.items()[: -len(chain.parent.response["output"]) or None]
    if paging.order(context.query()) == "desc":
        items.reverse()
    return Response(paging.page(paging.after(items, context.query()), size))


def cancel(context: RequestContext) -> Response:
    """Cancel a response that is made in the background."""
    location = _locate(context)
    record = None if location.conversation else history.read_record(location.store, location.token)
    if record is None:
        raise _not_found(context)
    return background.cancel(location.store, location.token, record, context)


def _locate(context: RequestContext) -> _Location:
    store = stores.open_store(context)
    if store is None:
        raise errors.NotFound(NO_STORE, param="response_id", code="response_not_found")
    name = context.owner_ids.decode(ID_PREFIX, context.path_args["id"]) or ""
    conversation, _, token = name.rpartition("/")
    if not token or name.startswith(NOT_STORED_PREFIX):
        raise _not_found(context)
    return _Location(store, conversation, token)


def _in_conversation(
    location: _Location, context: RequestContext
) -> tuple[conversation_records.StoredConversation, JSON | None]:
    """Return a conversation, and a response in it with its output; None if it is not there."""
    id_ = context.owner_ids.encode(conversation_records.ID_PREFIX, location.conversation)
    try:
        conversation = conversation_records.read(location.store, id_, context.owner_ids)
    except errors.NotFound:
        raise _not_found(context) from None
    entry = conversation.record.responses.get(location.token)
    if entry is None:
        return conversation, None
    output = set(entry["output"])
    items = [item for item in conversation.record.items if item["id"] in output]
    return conversation, {**entry["response"], "output": items}


def _not_found(context: RequestContext) -> errors.NotFound:
    return errors.NotFound(
        f"Response with id '{context.path_args['id'][:300]}' not found.",
        param="response_id",
        code="response_not_found",
    )
