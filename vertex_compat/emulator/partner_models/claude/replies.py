"""Claude's responses: whole, streamed, token counts, and errors."""

import hashlib
from collections.abc import Iterator
from typing import Any

from vertex_compat.emulator.partner_models.claude import models, rules
from vertex_compat.emulator.protocol.model_request import BASE62, ModelRequest, signature
from vertex_compat.emulator.protocol.responses import (
    JSON,
    SSE_TYPE,
    ErrorFormat,
    Response,
    compact_json,
    json_response,
)
from vertex_compat.emulator.text_model.replies import (
    Prompt,
    Reply,
    Tool,
    ToolCall,
    count_json_tokens,
    generate,
    texts,
    tokenize,
)

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
    """Return the body of an error."""
    kind = ERROR_TYPES.get(status, "api_error")
    text = "Overloaded" if kind == "overloaded_error" else message
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_vrtx_011CEmulated"}


def event(value: Any) -> bytes:
    """Return one SSE event; its name is its type, and spaces precede the last brace."""
    text = compact_json(value)
    padding = b" " * (hashlib.sha256(text.encode()).digest()[0] % PADDINGS)
    name = str(value["type"]).encode()
    return b"event: " + name + b"\ndata: " + text[:-1].encode() + padding + b"}\n\n"


GARBAGE = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'


def error_format(request: ModelRequest) -> ErrorFormat:  # noqa: ARG001 - the same for every request
    """Return the error format."""
    return ErrorFormat(envelope, event, GARBAGE)


def answer(request: ModelRequest) -> Response:
    """Answer a request."""
    if request.model == "count-tokens":
        return json_response({"input_tokens": _input_tokens(rules.read_count(request))})
    body = rules.read(request)
    generated = generate(_prompt(request, body))
    message = _message(request, body, generated)
    if not body.get("stream"):
        return json_response(message, headers={"request-id": message["id"].replace("msg", "req")})
    headers = {"Content-Type": f"{SSE_TYPE}; charset=utf-8", "Cache-Control": "no-cache"}
    return Response(200, map(event, _events(message, generated)), headers, streamed=True)


def _message(request: ModelRequest, body: JSON, generated: Reply) -> JSON:
    usage = _usage(body, generated)
    if request.fault.name == "blocked":
        generated = Reply((), (), (), "refusal")
    refusal = {"type": "refusal", "category": None, "explanation": "The emulator was asked to refuse."}
    return {
        "id": "msg_vrtx_01" + request.generated_id("message", BASE62, 22),
        "type": "message",
        "role": "assistant",
        "model": request.model.partition("@default")[0].replace("@", "-"),
        "content": list(_blocks(request, body, generated)),
        "stop_reason": "pause_turn" if _pauses_left(request, body) else STOP_REASONS[generated.ending],
        "stop_sequence": generated.stop,
        "stop_details": refusal if generated.ending == "refusal" else None,
        "usage": usage,
    }


def _blocks(request: ModelRequest, body: JSON, generated: Reply) -> Iterator[JSON]:
    if generated.thoughts:
        thought = generated.thought if models.shows_thinking(request.model, body) else ""
        yield {"type": "thinking", "thinking": thought, "signature": signature(f"thinking:{thought}")}
        if "redacted" in _last_text(body):
            yield {"type": "redacted_thinking", "data": signature("redacted")}
    if pauses := _pauses_left(request, body):
        yield from _search_blocks(pauses)
        return
    if generated.pieces:
        yield {"type": "text", "text": generated.text, "citations": None}
    for index, call in enumerate(generated.calls):
        yield _tool_use(request, index, call)


def _pauses_left(request: ModelRequest, body: JSON) -> int:
    """Return how often a turn with web search still pauses, by the fault `paused-N`."""
    searches = any(str(tool.get("type")).startswith("web_search") for tool in body.get("tools", []))
    if request.fault.name != "paused" or not searches:
        return 0
    last = body["messages"][-1]
    done = sum(block["type"] == "server_tool_use" for block in rules.blocks(last))
    return max(request.fault.count - (done if last["role"] == "assistant" else 0), 0)


def _search_blocks(number: int) -> Iterator[JSON]:
    """Yield a text, a web search and its result."""
    id_ = f"srvtoolu_{number:02}"
    result = {
        "type": "web_search_result",
        "title": "T",
        "url": "https://example.com",
        "encrypted_content": "eA",
    }
    yield {"type": "text", "text": f"Search {number}. ", "citations": None}
    yield {"type": "server_tool_use", "id": id_, "name": "web_search", "input": {"query": f"query {number}"}}
    yield {"type": "web_search_tool_result", "tool_use_id": id_, "content": [result]}


def _tool_use(request: ModelRequest, index: int, call: ToolCall) -> JSON:
    id_ = "toolu_vrtx_01" + request.generated_id(f"tool {index}", BASE62, 22)
    return {"type": "tool_use", "id": id_, "name": call.name, "input": call.arguments}


def _events(message: JSON, generated: Reply) -> Iterator[JSON]:
    """Yield the events of a streamed message."""
    usage = message["usage"]
    start = message | {"content": [], "stop_reason": None, "stop_sequence": None}
    del start["stop_details"]
    yield {"type": "message_start", "message": start | {"usage": usage | {"output_tokens": 1}}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block, generated)
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


def _block_events(index: int, block: JSON, generated: Reply) -> Iterator[JSON]:
    def delta(**fields: Any) -> JSON:
        return {"type": "content_block_delta", "index": index, "delta": fields}

    empty = EMPTY_BLOCKS.get(block["type"], {})
    opening = {name: value for name, value in block.items() if name != "citations"} | empty
    yield {"type": "content_block_start", "index": index, "content_block": opening}
    match block["type"]:
        case "thinking":
            if block["thinking"]:
                yield from (delta(type="thinking_delta", thinking=piece) for piece in generated.thoughts)
            yield delta(type="signature_delta", signature=block["signature"])
        case "text" if block["text"] == generated.text:
            yield from (delta(type="text_delta", text=piece) for piece in generated.pieces)
        case "text":
            yield from (delta(type="text_delta", text=piece) for piece in tokenize(block["text"]))
        case "tool_use" | "server_tool_use":
            yield delta(type="input_json_delta", partial_json="")
            pieces = tokenize(compact_json(block["input"])) if block["input"] else ()
            yield from (delta(type="input_json_delta", partial_json=piece) for piece in pieces)
    yield {"type": "content_block_stop", "index": index}


EMPTY_BLOCKS: dict[str, JSON] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
    "server_tool_use": {"input": {}},
}


def _usage(body: JSON, generated: Reply) -> JSON:
    """Return the usage; tokens before a cache breakpoint count as cache creation, not input."""
    input_tokens = _input_tokens(body)
    cached = sum(count_json_tokens(block) for block in rules.cached_blocks(body))
    details = (
        {"output_tokens_details": {"thinking_tokens": generated.thought_tokens}} if generated.thoughts else {}
    )
    return {
        "input_tokens": max(input_tokens - cached, 1),
        "cache_creation_input_tokens": cached,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": cached, "ephemeral_1h_input_tokens": 0},
        "output_tokens": generated.tokens + generated.thought_tokens,
        "service_tier": "standard",
    } | details


def _input_tokens(body: JSON) -> int:
    return count_json_tokens([body.get(name, []) for name in ("system", "messages", "tools")]) + 1


def _prompt(request: ModelRequest, body: JSON) -> Prompt:
    last = body["messages"][-1]
    results = [block for block in rules.blocks(last) if block["type"] == "tool_result"]
    tools, forced = _callable_tools(body)
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
        as_json=schema is not None or "JSON object" in _system_text(body),
        schema=schema,
        thinks=models.thinks(request.model, body),
        continues=" " if last["role"] == "assistant" else "",
        fault=request.fault,
    )


def _system_text(body: JSON) -> str:
    system = body.get("system", "")
    return system if isinstance(system, str) else texts(block["text"] for block in system)


def _last_text(body: JSON) -> str:
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            text = texts(block.get("text", "") for block in rules.blocks(message))
            if text:
                return text
    return ""


def _result(block: JSON) -> str:
    content = block.get("content", "")
    return content if isinstance(content, str) else texts(part.get("text", "") for part in content)


def _callable_tools(body: JSON) -> tuple[tuple[Tool, ...], bool]:
    """Return the tools that may be called, and whether one must be."""
    choice = body.get("tool_choice", {"type": "auto"})
    tools = tuple(
        Tool(tool["name"], tool["input_schema"])
        for tool in body.get("tools", [])
        if "input_schema" in tool
        and choice["type"] != "none"
        and choice.get("name", tool["name"]) == tool["name"]
    )
    return tools, choice["type"] in {"any", "tool"}
