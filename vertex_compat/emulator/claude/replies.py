"""Claude's answers: whole, streamed, or counted; and its errors."""

import hashlib
from collections.abc import Iterator
from typing import Any

from vertex_compat.emulator.answers import JSON, SSE_TYPE, Answer, Dialect, compact, json_answer
from vertex_compat.emulator.asked import BASE62, Asked, signature
from vertex_compat.emulator.claude import models, rules
from vertex_compat.emulator.model import Prompt, Reply, Tool, ToolCall, count_json, reply, split, texts

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "calls": "tool_use",
    "refusal": "refusal",
}
PADDINGS = 16


def envelope(status: int, message: str) -> JSON:
    """Build Claude's own error."""
    kind = ERROR_TYPES.get(status, "api_error")
    text = "Overloaded" if kind == "overloaded_error" else message
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_vrtx_011CEmulated"}


def event(value: Any) -> bytes:
    """Frame one event: its name is its type, and spaces stand before the last brace."""
    text = compact(value)
    padding = b" " * (hashlib.sha256(text.encode()).digest()[0] % PADDINGS)
    name = str(value["type"]).encode()
    return b"event: " + name + b"\ndata: " + text[:-1].encode() + padding + b"}\n\n"


GARBAGE = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'


def dialect(asked: Asked) -> Dialect:  # noqa: ARG001 - every call speaks the same one
    """Say how errors look."""
    return Dialect(envelope, event, GARBAGE)


def answer(asked: Asked) -> Answer:
    """Answer a call."""
    if asked.model == "count-tokens":
        return json_answer({"input_tokens": _input_tokens(rules.read_count(asked))})
    body = rules.read(asked)
    given = reply(_prompt(asked, body))
    message = _message(asked, body, given)
    if not body.get("stream"):
        return json_answer(message, headers={"request-id": message["id"].replace("msg", "req")})
    headers = {"Content-Type": f"{SSE_TYPE}; charset=utf-8", "Cache-Control": "no-cache"}
    return Answer(200, map(event, _events(message, given)), headers, streamed=True)


def _message(asked: Asked, body: JSON, given: Reply) -> JSON:
    usage = _usage(body, given)
    if asked.fault.name == "blocked":
        given = Reply((), (), (), "refusal")
    refusal = {"type": "refusal", "category": None, "explanation": "The emulator was told to refuse."}
    return {
        "id": "msg_vrtx_01" + asked.made_up("message", BASE62, 22),
        "type": "message",
        "role": "assistant",
        "model": asked.model.partition("@default")[0].replace("@", "-"),
        "content": list(_blocks(asked, body, given)),
        "stop_reason": STOP_REASONS[given.ending],
        "stop_sequence": given.stop,
        "stop_details": refusal if given.ending == "refusal" else None,
        "usage": usage,
    }


def _blocks(asked: Asked, body: JSON, given: Reply) -> Iterator[JSON]:
    if given.thoughts:
        shown = given.thought if models.shows_thinking(asked.model, body) else ""
        yield {"type": "thinking", "thinking": shown, "signature": signature(f"thinking:{shown}")}
        if "redacted" in _last_text(body):
            yield {"type": "redacted_thinking", "data": signature("redacted")}
    if given.pieces:
        yield {"type": "text", "text": given.text, "citations": None}
    for place, call in enumerate(given.calls):
        yield _tool_use(asked, place, call)


def _tool_use(asked: Asked, place: int, call: ToolCall) -> JSON:
    made = "toolu_vrtx_01" + asked.made_up(f"tool {place}", BASE62, 22)
    return {"type": "tool_use", "id": made, "name": call.name, "input": call.arguments}


def _events(message: JSON, given: Reply) -> Iterator[JSON]:
    """Stream a message: the same content, in pieces."""
    usage = message["usage"]
    start = message | {"content": [], "stop_reason": None, "stop_sequence": None}
    del start["stop_details"]
    yield {"type": "message_start", "message": start | {"usage": usage | {"output_tokens": 1}}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block, given)
    delta = {
        name: message[name]
        for name in ("stop_reason", "stop_sequence", "stop_details")
        if message[name] or name != "stop_details"
    }
    yield {
        "type": "message_delta",
        "delta": delta,
        "usage": {name: usage[name] for name in FINAL_USAGE if name in usage},
    }
    yield {"type": "message_stop"}


FINAL_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
)


def _block_events(index: int, block: JSON, given: Reply) -> Iterator[JSON]:
    def delta(**what: Any) -> JSON:
        return {"type": "content_block_delta", "index": index, "delta": what}

    empty = EMPTIED.get(block["type"], {})
    opening = {name: value for name, value in block.items() if name != "citations"} | empty
    yield {"type": "content_block_start", "index": index, "content_block": opening}
    match block["type"]:
        case "thinking":
            if block["thinking"]:
                yield from (delta(type="thinking_delta", thinking=piece) for piece in given.thoughts)
            yield delta(type="signature_delta", signature=block["signature"])
        case "text":
            yield from (delta(type="text_delta", text=piece) for piece in given.pieces)
        case "tool_use":
            yield delta(type="input_json_delta", partial_json="")
            pieces = split(compact(block["input"])) if block["input"] else ()
            yield from (delta(type="input_json_delta", partial_json=piece) for piece in pieces)
    yield {"type": "content_block_stop", "index": index}


EMPTIED: dict[str, JSON] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}


def _usage(body: JSON, given: Reply) -> JSON:
    """Count. What a cache breakpoint covers is not input but the creation of a cache."""
    sent = _input_tokens(body)
    cached = sum(count_json(block) for block in rules.cached(body))
    details = {"output_tokens_details": {"thinking_tokens": given.thought_tokens}} if given.thoughts else {}
    return {
        "input_tokens": max(sent - cached, 1),
        "cache_creation_input_tokens": cached,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": cached, "ephemeral_1h_input_tokens": 0},
        "output_tokens": given.tokens + given.thought_tokens,
        "service_tier": "standard",
    } | details


def _input_tokens(body: JSON) -> int:
    return count_json([body.get(name, []) for name in ("system", "messages", "tools")]) + 1


def _prompt(asked: Asked, body: JSON) -> Prompt:
    last = body["messages"][-1]
    results = [block for block in rules.blocks(last) if block["type"] == "tool_result"]
    tools, forced = _offered(body)
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    choice = body.get("tool_choice", {})
    return Prompt(
        text=_last_text(body),
        tokens=_input_tokens(body),
        results=tuple(_result(block) for block in results),
        tools=tools,
        forced=forced,
        parallel=not choice.get("disable_parallel_tool_use"),
        preface=not forced,
        limit=body["max_tokens"],
        stops=tuple(body.get("stop_sequences", ())),
        as_json=schema is not None,
        schema=schema,
        thinks=models.thinks(asked.model, body),
        continues=" " if last["role"] == "assistant" else "",
        fault=asked.fault,
    )


def _last_text(body: JSON) -> str:
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            text = texts(block.get("text", "") for block in rules.blocks(message))
            if text:
                return text
    return ""


def _result(block: JSON) -> str:
    content = block.get("content", "")
    return content if isinstance(content, str) else texts(one.get("text", "") for one in content)


def _offered(body: JSON) -> tuple[tuple[Tool, ...], bool]:
    """Give the tools that may be called, and whether one must."""
    choice = body.get("tool_choice", {"type": "auto"})
    tools = tuple(
        Tool(tool["name"], tool["input_schema"])
        for tool in body.get("tools", [])
        if "input_schema" in tool
        and choice["type"] != "none"
        and choice.get("name", tool["name"]) == tool["name"]
    )
    return tools, choice["type"] in {"any", "tool"}
