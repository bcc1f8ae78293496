"""OpenAI's chat format, as servers on Vertex produce it, each with its own deviations."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from vertex_compat.emulator.protocol.body_readers import (
    Boolean,
    Discriminated,
    ListOf,
    MapOf,
    Nullable,
    Object,
    Reader,
    String,
    StringOr,
    integer,
)
from vertex_compat.emulator.protocol.model_request import BASE62, HEX, ModelRequest
from vertex_compat.emulator.protocol.responses import (
    JSON,
    SSE_DONE,
    SSE_TYPE,
    Response,
    Step,
    compact_json,
    interleave,
    json_response,
    mark_last,
    sse_event,
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

FINISH = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "calls": "tool_calls",
    "refusal": "content_filter",
}

# Tables that several servers share

FUNCTION_CALL = Object({"name": String(min_length=1), "arguments": String()}, ("name", "arguments"))
TOOL_CALL = Object(
    {
        "id": String(min_length=1),
        "type": String(("function",)),
        "index": integer(0),
        "function": FUNCTION_CALL,
    },
    ("id", "function"),
)
FUNCTION = Object(
    {
        "name": String(pattern="[a-zA-Z0-9_.-]{1,128}"),
        "description": String(),
        "parameters": MapOf(),
        "strict": Boolean(),
    },
    ("name",),
)
TOOL = Object({"type": String(("function",)), "function": FUNCTION}, ("type", "function"))
TOOL_CHOICE = StringOr(
    Object(
        {"type": String(("function",)), "function": Object({"name": String()}, ("name",))},
        ("type", "function"),
    ),
    String(("none", "auto", "required")),
)
JSON_SCHEMA = Object(
    {"name": String(min_length=1), "description": String(), "schema": MapOf(), "strict": Boolean()},
    ("name", "schema"),
)
RESPONSE_FORMAT = Object(
    {"type": String(("text", "json_object", "json_schema")), "json_schema": JSON_SCHEMA}, ("type",)
)
STOP = StringOr(ListOf(String()))
TEXT_PART = Object({"type": String(), "text": String()}, ("type", "text"))
IMAGE_PART = Object(
    {
        "type": String(),
        "image_url": StringOr(
            Object({"url": String(min_length=1), "detail": String(("auto", "low", "high"))}, ("url",))
        ),
    },
    ("type", "image_url"),
)
AUDIO_PART = Object(
    {"type": String(), "input_audio": Object({"data": String(), "format": String()}, ("data", "format"))},
    ("type", "input_audio"),
)


def parts(**kinds: Reader) -> StringOr:
    """Return a reader of content: a string, or a list of parts of these kinds."""
    return StringOr(ListOf(Discriminated("type", {"text": TEXT_PART, **kinds}, in_path=False)))


def messages(user: Reader, tool_call: Reader = TOOL_CALL, **more: Reader) -> ListOf:
    """Return a reader of messages; `more` are further fields of assistant messages."""
    plain = parts()
    assistant: dict[str, Reader] = {
        "role": String(),
        "content": Nullable(plain),
        "name": String(),
        "tool_calls": ListOf(tool_call),
        **more,
    }
    tool: dict[str, Reader] = {"role": String(), "content": plain, "tool_call_id": String(), "name": String()}
    return ListOf(
        Discriminated(
            "role",
            {
                "system": Object({"role": String(), "content": plain, "name": String()}, ("content",)),
                "user": Object({"role": String(), "content": user, "name": String()}, ("content",)),
                "assistant": Object(assistant),
                "tool": Object(tool, ("content", "tool_call_id")),
            },
            in_path=False,
        ),
        min_length=1,
    )


# Server behavior


@dataclass(frozen=True, slots=True)
class ServerBehavior:
    """Deviations of one server from OpenAI's format."""

    call_ids: str = "chatcmpl-tool-{hex}"  # may hold {hex}, {name}, {index}, {short}
    minimal: bool = False  # no id, created or null; role and content in every delta; sorted keys
    completion_id: str = "chatcmpl-{hex}"
    opening_delta: bool = True  # a first delta with the role and empty content
    separate_finish: bool = True  # the finish reason comes in a delta without text
    unsplit_calls: bool = False  # a tool call comes in one delta
    repeats_call_header: bool = False  # id, type and name come in every delta of a call
    usage: Literal["last", "separate", "requested"] = "requested"
    reasoning_excluded: bool = False  # completion_tokens excludes reasoning
    reasoning: bool = False
    reasoning_in_content: bool = False  # reasoning is content parts
    reasoning_in_tags: bool = False  # reasoning is in the content, between <think> tags
    null_logprobs: bool = False
    names_stop: bool = False  # choices have `stop_reason`, the stop sequence that was met
    sends_done: bool = True
    extra_usage: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A request, the replies to it, and the server's behavior."""

    request: ModelRequest
    behavior: ServerBehavior
    prompt: Prompt
    replies: list[Reply]
    model: str
    created: int


def answer(request: ModelRequest, body: JSON, behavior: ServerBehavior, model: str) -> Response:
    """Answer a request whose body has been checked."""
    prompt = read_prompt(request, body, behavior)
    replies = [generate(prompt, number) for number in range(body.get("n") or 1)]
    turn = Turn(request, behavior, prompt, replies, model, int(time.time()))
    if not body.get("stream"):
        return json_response(whole(turn))
    include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    headers = {"Content-Type": SSE_TYPE, "Cache-Control": "no-cache"}
    return Response(200, _events(turn, include_usage), headers, streamed=True)


def whole(turn: Turn) -> JSON:
    """Return the whole chat completion."""
    choices = [_choice(turn, number, reply) for number, reply in enumerate(turn.replies)]
    return _stamp(turn, "chat.completion") | {"choices": choices, "usage": usage(turn)}


def _stamp(turn: Turn, kind: str) -> JSON:
    minimal_stamp = {"object": kind, "model": turn.model}
    if turn.behavior.minimal:
        return minimal_stamp
    id_ = turn.behavior.completion_id.format(hex=turn.request.generated_id("completion", HEX, 32))
    return {"id": id_, "object": kind, "created": turn.created, "model": turn.model}


def _choice(turn: Turn, number: int, reply: Reply) -> JSON:
    behavior = turn.behavior
    message: JSON = {"role": "assistant", "content": reply.text if reply.pieces or not reply.calls else None}
    if behavior.reasoning_in_content and reply.thoughts:
        message["content"] = [_thinking(reply.thought), {"type": "text", "text": reply.text}]
    elif behavior.reasoning_in_tags and reply.thoughts:
        message["content"] = f"<think>\n{reply.thought}\n</think>\n\n{reply.text}"
    elif reply.thoughts:
        message["reasoning_content"] = reply.thought
    if reply.calls:
        message["tool_calls"] = [_call(turn, number, index, call) for index, call in enumerate(reply.calls)]
    choice = {"index": number, "message": message, "finish_reason": FINISH[reply.ending]}
    return choice | _own_fields(behavior, reply.stop)


def _own_fields(behavior: ServerBehavior, stop: str | None) -> JSON:
    """Return the fields that choices of this server have and those of others have not."""
    logprobs = {"logprobs": None} if behavior.null_logprobs else {}
    return logprobs | ({"stop_reason": stop} if behavior.names_stop else {})


def _thinking(text: str) -> JSON:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _call(turn: Turn, number: int, index: int, call: ToolCall) -> JSON:
    label = f"call {number} {index}"
    generated = turn.behavior.call_ids.format(
        hex=turn.request.generated_id(label, HEX, 32),
        short=turn.request.generated_id(label, BASE62, 9),
        name=call.name,
        index=index,
    )
    function = {"name": call.name, "arguments": compact_json(call.arguments)}
    return {"id": generated, "type": "function", "function": function}


def usage(turn: Turn) -> JSON:
    """Return the usage; the server's behavior decides whether completion includes reasoning."""
    output_tokens = sum(reply.tokens for reply in turn.replies)
    thought_tokens = sum(reply.thought_tokens for reply in turn.replies)
    counts: JSON = {
        "prompt_tokens": turn.prompt.tokens,
        "completion_tokens": output_tokens + (0 if turn.behavior.reasoning_excluded else thought_tokens),
        "total_tokens": turn.prompt.tokens + output_tokens + thought_tokens,
    }
    if thought_tokens:
        counts["completion_tokens_details"] = {"reasoning_tokens": thought_tokens}
    counts |= dict(turn.behavior.extra_usage)
    return dict(sorted(counts.items())) if turn.behavior.minimal else counts


def _events(turn: Turn, include_usage: bool) -> Iterator[Step]:
    for chunk in _chunks(turn, include_usage):
        yield sse_event(dict(sorted(chunk.items())) if turn.behavior.minimal else chunk)
    if turn.behavior.sends_done:
        yield SSE_DONE


def _chunks(turn: Turn, include_usage: bool) -> Iterator[JSON]:
    stamp = _stamp(turn, "chat.completion.chunk")
    choices = interleave(_choice_deltas(turn, number, reply) for number, reply in enumerate(turn.replies))
    for choice, last in mark_last(choices):
        counts = {"usage": usage(turn)} if last and turn.behavior.usage == "last" else {}
        yield stamp | {"choices": [choice]} | counts
    if turn.behavior.usage == "separate" or (turn.behavior.usage == "requested" and include_usage):
        yield stamp | {"choices": [], "usage": usage(turn)}


def _choice_deltas(turn: Turn, number: int, reply: Reply) -> Iterator[JSON]:
    """Yield one choice in pieces; the last has the finish reason."""
    ending: list[JSON] = [{"content": ""}] if turn.behavior.separate_finish else []
    for delta, last in mark_last(itertools.chain(_deltas(turn, number, reply), ending)):
        if turn.behavior.minimal:
            whole_delta = {"content": "", "role": "assistant"} | delta
            finish = {"finish_reason": FINISH[reply.ending]} if last else {}
            yield {"delta": whole_delta} | finish | {"index": number}
        else:
            finish_reason = FINISH[reply.ending] if last else None
            more = _own_fields(turn.behavior, reply.stop if last else None)
            yield {"index": number, "delta": delta, "finish_reason": finish_reason} | more


def _deltas(turn: Turn, number: int, reply: Reply) -> Iterator[JSON]:
    behavior = turn.behavior
    if behavior.opening_delta:
        yield {"role": "assistant", "content": ""}
    if behavior.reasoning_in_tags and reply.thoughts:
        tagged = ["<think>", "\n", *reply.thoughts, "\n</", "think>", "\n\n"]
        yield from ({"content": piece} for piece in tagged)
    for thought in () if behavior.reasoning_in_tags else reply.thoughts:
        yield (
            {"content": [_thinking(thought)]}
            if behavior.reasoning_in_content
            else {"reasoning_content": thought}
        )
    yield from ({"content": piece} for piece in reply.pieces)
    calls = [_call(turn, number, index, call) for index, call in enumerate(reply.calls)]
    if behavior.unsplit_calls and calls:
        yield {"content": "", "tool_calls": [{"index": index} | call for index, call in enumerate(calls)]}
        return
    for index, call in enumerate(calls):
        yield from _call_deltas(behavior, index, call)


def _call_deltas(behavior: ServerBehavior, index: int, call: JSON) -> Iterator[JSON]:
    """Yield the deltas of one tool call: its name, then its arguments."""
    function = call["function"]
    opening = call | {"index": index, "function": {"name": function["name"], "arguments": ""}}
    yield {"tool_calls": [opening]}
    for piece in tokenize(function["arguments"]):
        again = {"id": call["id"], "type": "function"} if behavior.repeats_call_header else {}
        name = {"name": function["name"]} if behavior.repeats_call_header else {}
        yield {"tool_calls": [{"index": index} | again | {"function": name | {"arguments": piece}}]}


# From OpenAI's messages to a prompt


def read_prompt(request: ModelRequest, body: JSON, behavior: ServerBehavior) -> Prompt:
    """Reduce a chat request to what the text model looks at."""
    messages = body["messages"]
    tools, forced = _callable_tools(body)
    stop = body.get("stop") or ()
    shape = body.get("response_format") or {}
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, flat(message["content"]))
    return Prompt(
        text=_last_user_text(messages),
        tokens=count_json_tokens([messages, body.get("tools") or []]) + 1,
        results=tuple(results),
        tools=tools,
        forced=forced,
        parallel=body.get("parallel_tool_calls", True) is not False,
        limit=body.get("max_tokens") or body.get("max_completion_tokens"),
        stops=(stop,) if isinstance(stop, str) else tuple(stop),
        as_json=shape.get("type") in {"json_object", "json_schema"},
        schema=(shape.get("json_schema") or {}).get("schema"),
        thinks=behavior.reasoning,
        continues=flat(messages[-1]["content"]) if messages[-1].get("prefix") else "",
        fault=request.fault,
    )


def _last_user_text(messages: list[JSON]) -> str:
    return next((flat(message["content"]) for message in reversed(messages) if message["role"] == "user"), "")


def flat(content: Any) -> str:
    """Return the text of a message's content."""
    if isinstance(content, list):
        return texts(part if isinstance(part, str) else part.get("text", "") for part in content)
    return content or ""


def _callable_tools(body: JSON) -> tuple[tuple[Tool, ...], bool]:
    choice = body.get("tool_choice") or "auto"
    chosen_name = choice["function"]["name"] if isinstance(choice, dict) else None
    tools = tuple(
        Tool(tool["function"]["name"], tool["function"].get("parameters"))
        for tool in body.get("tools") or []
        if choice != "none" and (chosen_name is None or tool["function"]["name"] == chosen_name)
    )
    return tools, choice in {"any", "required"} if isinstance(choice, str) else True
