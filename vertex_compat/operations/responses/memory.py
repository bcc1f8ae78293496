"""Memory of a request to `/responses`: the earlier items, and where it is stored.

`store` is true by default where a store is set. A response outside a conversation is an object of its own. A
response in a conversation is part of the conversation's object, so every turn is one write. Responses are
written after the last byte has been sent. The exception is a whole response in a conversation, which is
written first: the client's next request needs it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.conversations import conversation_records
from vertex_compat.operations.conversations.conversation_records import ConversationRecord, StoredConversation
from vertex_compat.operations.stored import history, stored_items
from vertex_compat.operations.stored import store as stores
from vertex_compat.operations.stored.history import History
from vertex_compat.operations.stored.store import DAY_SECONDS, ObjectStore
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations.responses.output import answer_types as wire

ID_PREFIX: Final = "resp_"
NOT_STORED_PREFIX: Final = "unstored/"

PARAMS: Final = frozenset({"conversation", "previous_response_id", "store", "truncation"})
"""Parameters that are handled here."""

MAX_REFERENCED_RESPONSES: Final = 64

NO_STORE: Final = (
    "This deployment stores no responses: send the items themselves as 'input', or have the operator set "
    "GCS_BUCKET_NAME."
)


class ResponseTurn(msgspec.Struct):
    """One request: the earlier items, and the parts of it to store."""

    context: RequestContext
    params: JSON
    token: str
    earlier: list[JSON]
    """Items before the input."""
    history: History
    conversation: StoredConversation | None
    stored: bool

    @property
    def id(self) -> str:
        """OpenAI's id of the response."""
        name = self.token if self.stored else f"{NOT_STORED_PREFIX}{self.token}"
        if self.stored and self.conversation:
            name = f"{self.conversation.token}/{self.token}"
        return self.context.owner_ids.encode(ID_PREFIX, name)

    def request_params(self) -> JSON:
        """Return the parameters for the model: without those that are handled here."""
        handled = PARAMS if stores.open_store(self.context) else PARAMS - {"store", "truncation"}
        handled |= {"background"}
        return {name: value for name, value in self.params.items() if name not in handled}

    def response_fields(self) -> wire.StorageFields:
        """Return the fields of the response object that concern its storage."""
        fields: wire.StorageFields = {
            "id": self.id,
            "store": self.stored,
            "previous_response_id": self.params.get("previous_response_id"),
        }
        if self.conversation:
            id_ = self.context.owner_ids.encode(conversation_records.ID_PREFIX, self.conversation.token)
            fields["conversation"] = {"id": id_}
        if stores.open_store(self.context) and "truncation" in self.params:
            fields["truncation"] = self.params["truncation"]
        return fields

    def drop_oldest(self) -> bool:
        """Drop the older half of the earlier items; returns False if there are none."""
        if not self.earlier:
            return False
        newer = self.earlier[(len(self.earlier) + 1) // 2 :]
        while newer and newer[0].get("role") not in {"user", "developer", "system"}:
            newer = newer[1:]  # a turn begins with a message, not with the result of a call
        self.earlier = newer
        return True

    def save(self, response: wire.Response) -> None:
        """Store the response, if it is to be stored.

        A failure is logged: the client has its response.
        """
        store = stores.store_for_writing(self.context) if self.stored else None
        if store is None or response["status"] not in {"completed", "incomplete"}:
            return
        try:
            self._write(store, {**response})
        except errors.ApiError as error:
            stores.note_failure(f"The response {self.id}", error)
        else:
            stores.note_success()

    def stored_input(self) -> list[JSON]:
        """Return the input as it is stored."""
        return stored_items.normalize(self.params.get("input") or [], self.token)

    def _write(self, store: ObjectStore, response: JSON) -> None:
        input_ = self.stored_input()
        if self.conversation:
            entry = _ConversationEntry(self.token, response, input_)
            conversation_records.update(store, self.conversation, entry.add)
            return
        days = self.context.settings.store_days
        expires_at = int(time.time()) + days * DAY_SECONDS
        history.write(store, self.token, self.history.next_record(response, input_, expires_at))


class _ConversationEntry(msgspec.Struct, frozen=True):
    token: str
    response: JSON
    input: list[JSON]

    def add(self, record: ConversationRecord) -> None:
        """Add the response and its items to a conversation, unless an earlier attempt has."""
        if self.token in record.responses:
            return
        output = self.response["output"]
        record.items += [*self.input, *output]
        record.responses[self.token] = {
            "response": self.response | {"output": []},
            "input": [item["id"] for item in self.input],
            "output": [item["id"] for item in output],
        }


def begin(params: JSON, context: RequestContext) -> ResponseTurn:
    """Read what a request refers to; raises `BadRequest`, `NotFound`."""
    store = stores.open_store(context)
    previous_id, conversation_id = params.get("previous_response_id"), _conversation_id(params)
    if previous_id and conversation_id:
        raise errors.BadRequest(
            "'previous_response_id' and 'conversation' cannot be used together.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    for name, value in (("previous_response_id", previous_id), ("conversation", conversation_id)):
        if value and store is None:
            raise errors.BadRequest(NO_STORE, param=name, code="unsupported_parameter")
    chain, conversation = history.EMPTY, None
    earlier: list[JSON] = []
    if store and previous_id:
        chain, earlier, conversation = _previous(store, previous_id, context)
    elif store and conversation_id:
        conversation = conversation_records.read(store, conversation_id, context.owner_ids)
        earlier = list(conversation.record.items)
    token = new_token()
    stored = store is not None and params.get("store") is not False
    turn = ResponseTurn(context, params, token, earlier, chain, conversation, stored)
    if store:
        turn.params = _resolve_references(params, turn, store)
    return turn


def _conversation_id(params: JSON) -> str | None:
    value = params.get("conversation")
    if isinstance(value, dict):
        value = value.get("id")
    if value is not None and not isinstance(value, str):
        raise errors.BadRequest(
            "Invalid value for 'conversation': expected an id or an object with 'id'.",
            param="conversation",
            code="invalid_type",
        )
    return value or None


def _previous(
    store: ObjectStore, id_: str, context: RequestContext
) -> tuple[History, list[JSON], StoredConversation | None]:
    """Return the chain up to the previous response.

    In a conversation, the next one is not part of it.
    """
    name = context.owner_ids.decode(ID_PREFIX, id_) or ""
    conversation_token, _, token = name.rpartition("/")
    missing = errors.BadRequest(
        f"Previous response with id '{id_[:300]}' not found.",
        param="previous_response_id",
        code="previous_response_not_found",
    )
    if not token or name.startswith(NOT_STORED_PREFIX):
        raise missing
    if conversation_token:
        items = _items_until(store, conversation_token, token, context)
        if items is None:
            raise missing
        base = history.Base(token, "delta", 0)
        return History([history.Piece(base, items)]), items, None
    if (chain := history.load(store, token)) is None:
        raise missing
    if chain.parent and chain.parent.response["status"] in {"queued", "in_progress"}:
        raise errors.BadRequest(
            "The previous response has not ended yet, as far as is stored: retrieve it until it has.",
            param="previous_response_id",
            code="previous_response_in_progress",
        )
    return chain, chain.items(), None


def _items_until(
    store: ObjectStore, conversation_token: str, token: str, context: RequestContext
) -> list[JSON] | None:
    """Return the items of a conversation up to those of one of its responses."""
    id_ = context.owner_ids.encode(conversation_records.ID_PREFIX, conversation_token)
    record = conversation_records.read(store, id_, context.owner_ids).record
    if (entry := record.responses.get(token)) is None:
        return None
    item_ids = {*entry["input"], *entry["output"]}
    last = max((n for n, item in enumerate(record.items) if item["id"] in item_ids), default=-1)
    return record.items[: last + 1]


def _resolve_references(params: JSON, turn: ResponseTurn, store: ObjectStore) -> JSON:
    """Return the parameters with stored items in place of references to them."""
    input_ = params.get("input")
    if not isinstance(input_, list) or not any(_reference(item) for item in input_):
        return params
    history_items: dict[str, JSON] = {item["id"]: item for item in turn.earlier if "id" in item}
    ids = {id_ for item in input_ if (id_ := _reference(item))}
    items = history_items | _stored_items(ids - history_items.keys(), store)
    resolved: list[Any] = []
    for number, item in enumerate(input_):
        if (id_ := _reference(item)) is None:
            resolved.append(item)
        elif id_ not in items:
            raise errors.BadRequest(
                f"Item with id '{id_[:300]}' not found.", param=f"input[{number}]", code="item_not_found"
            )
        elif id_ not in history_items:  # an item of the history is not repeated
            resolved.append(items[id_])
    return {**params, "input": resolved}


def _stored_items(ids: Iterable[str], store: ObjectStore) -> dict[str, JSON]:
    """Return the items of the responses that `ids` belong to.

    Raises `BadRequest` for too many responses.
    """
    tokens = {token for id_ in ids if (token := stored_items.token_of(id_))}
    if len(tokens) > MAX_REFERENCED_RESPONSES:
        raise errors.BadRequest(
            f"A request may refer to items of {MAX_REFERENCED_RESPONSES} responses at most.", param="input"
        )
    records = [record for token in tokens if (record := history.read_record(store, token))]
    return {item["id"]: item for record in records for item in (*record.input, *record.response["output"])}


def _reference(item: JSON) -> str | None:
    id_ = item.get("id")
    return id_ if item.get("type") == "item_reference" and isinstance(id_, str) else None
