"""`POST /responses/compact`: a shorter list of items in place of a long conversation.

https://platform.openai.com/docs/api-reference/responses/compact. The user's messages stay; everything else
becomes one `compaction` item, which has the model's summary as encoded state: see `opaque_state`.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.opaque_state import encode_state
from vertex_compat.operations.responses import memory
from vertex_compat.operations.responses import request as responses_request
from vertex_compat.operations.responses.input_items import SUMMARY
from vertex_compat.operations.responses.output import response_builder
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.types import JSON, ChatAdapter, Delta, Model, UpstreamCall, Usage

if TYPE_CHECKING:
    from vertex_compat.operations.responses.output import answer_types as wire

INSTRUCTION: Final = (
    "Summarize this conversation for yourself: you will continue it with the summary and the user's messages "
    "only. Write down the goals, decisions, facts, results of tools, the state of the work and what is left "
    "to do. Answer with the summary alone."
)


def compact(context: RequestContext) -> Response:
    """Return the compacted items of a conversation."""
    params = responses_request.parse(context.body)
    params.pop("stream", None)
    turn = memory.begin(params, context)
    request = responses_request.translate(turn.request_params(), turn.earlier)
    body = {
        name: value for name, value in request.chat.items() if name not in {"response_format", "tool_choice"}
    }
    body["messages"] = [*body["messages"], {"role": "user", "content": INSTRUCTION}]
    if "tools" in body:
        body["tool_choice"] = "none"
    request = request._replace(chat=body)

    def attempt(model: Model, adapter: ChatAdapter) -> Response:
        def prepare(model: Model) -> list[UpstreamCall]:
            return [request.upstream_call(adapter, model, context)]

        if context.dry_run:
            return model_calls.describe(prepare(model)[0], model, context)
        stream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
        parts = stream.collect()
        usages = {number: part for number, part in parts if isinstance(part, Usage)}
        text = "".join([part.fields.get("content", "") for _, part in parts if isinstance(part, Delta)])
        if not text.strip():
            raise errors.UpstreamFault("The model returned no summary of the conversation.")
        return Response(_compacted_items(turn, text, response_builder.usage_object(usages)), stream.headers)

    return model_calls.with_fallback(context, params["model"], model_calls.CHAT, attempt)


def _compacted_items(
    turn: memory.ResponseTurn, summary: str, usage: wire.ResponseUsage
) -> wire.CompactedResponse:
    input_ = turn.params.get("input") or []
    items = [
        *turn.earlier,
        *([{"role": "user", "content": input_}] if isinstance(input_, str) else input_),
    ]
    messages = [
        _message(item)
        for item in items
        if item.get("type", "message") == "message" and item.get("role") == "user"
    ]
    state = encode_state({SUMMARY: summary})
    compaction = {"id": _new_id("cmp"), "type": "compaction", "encrypted_content": state}
    return {
        "id": _new_id("resp"),
        "object": "response.compaction",
        "created_at": int(time.time()),
        "output": [*messages, compaction],
        "usage": usage,
    }


def _message(item: JSON) -> JSON:
    """Return a message of the user's as an output item."""
    content = item.get("content")
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
    return {"id": _new_id("msg"), "status": "completed", **item, "type": "message", "content": parts}


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"
