"""OpenAI's chat shape, as servers on Vertex speak it: each with its own habits."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from vertex_compat.emulator.answers import (
    JSON,
    SSE_DONE,
    SSE_TYPE,
    Answer,
    Step,
    compact,
    in_turn,
    json_answer,
    sse_event,
    with_last,
)
from vertex_compat.emulator.asked import BASE62, HEX, Asked
from vertex_compat.emulator.model import Prompt, Reply, Tool, ToolCall, count_json, reply, split, texts
from vertex_compat.emulator.strict import (
    Fields,
    Flag,
    ListOf,
    MapOf,
    Nullable,
    Reader,
    Tagged,
    Text,
    TextOr,
    integer,
)

FINISH = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "calls": "tool_calls",
    "refusal": "content_filter",
}

# Tables that several servers share

FUNCTION_CALL = Fields({"name": Text(least=1), "arguments": Text()}, ("name", "arguments"))
TOOL_CALL = Fields(
    {"id": Text(least=1), "type": Text(("function",)), "index": integer(0), "function": FUNCTION_CALL},
    ("id", "function"),
)
FUNCTION = Fields(
    {
        "name": Text(pattern="[a-zA-Z0-9_.-]{1,128}"),
        "description": Text(),
        "parameters": MapOf(),
        "strict": Flag(),
    },
    ("name",),
)
TOOL = Fields({"type": Text(("function",)), "function": FUNCTION}, ("type", "function"))
TOOL_CHOICE = TextOr(
    Fields(
        {"type": Text(("function",)), "function": Fields({"name": Text()}, ("name",))}, ("type", "function")
    ),
    Text(("none", "auto", "required")),
)
JSON_SCHEMA = Fields(
    {"name": Text(least=1), "description": Text(), "schema": MapOf(), "strict": Flag()}, ("name", "schema")
)
RESPONSE_FORMAT = Fields(
    {"type": Text(("text", "json_object", "json_schema")), "json_schema": JSON_SCHEMA}, ("type",)
)
STOP = TextOr(ListOf(Text()))
TEXT_PART = Fields({"type": Text(), "text": Text()}, ("type", "text"))
IMAGE_PART = Fields(
    {
        "type": Text(),
        "image_url": TextOr(
            Fields({"url": Text(least=1), "detail": Text(("auto", "low", "high"))}, ("url",))
        ),
    },
    ("type", "image_url"),
)
AUDIO_PART = Fields(
    {"type": Text(), "input_audio": Fields({"data": Text(), "format": Text()}, ("data", "format"))},
    ("type", "input_audio"),
)


def parts(**kinds: Reader) -> TextOr:
    """Read content: a string, or a list of parts of these kinds."""
    return TextOr(ListOf(Tagged("type", {"text": TEXT_PART, **kinds}, in_path=False)))


def messages(user: Reader, tool_call: Reader = TOOL_CALL, **more: Reader) -> ListOf:
    """Read OpenAI's messages; `more` are fields that an assistant's message may have."""
    plain = parts()
    assistant: dict[str, Reader] = {
        "role": Text(),
        "content": Nullable(plain),
        "name": Text(),
        "tool_calls": ListOf(tool_call),
        **more,
    }
    tool: dict[str, Reader] = {"role": Text(), "content": plain, "tool_call_id": Text(), "name": Text()}
    return ListOf(
        Tagged(
            "role",
            {
                "system": Fields({"role": Text(), "content": plain, "name": Text()}, ("content",)),
                "user": Fields({"role": Text(), "content": user, "name": Text()}, ("content",)),
                "assistant": Fields(assistant),
                "tool": Fields(tool, ("content", "tool_call_id")),
            },
            in_path=False,
        ),
        least=1,
    )


# Habits


@dataclass(frozen=True, slots=True)
class Habits:
    """What one server does in its own way."""

    call_ids: str = "chatcmpl-tool-{hex}"  # may hold {hex}, {name}, {place}, {short}
    spare: bool = False  # no id, no time, no null; role and content in every delta; names in order
    completion_id: str = "chatcmpl-{hex}"
    opens: bool = True  # a first delta with the role and no text
    ends_alone: bool = True  # the finish reason comes in a delta without text
    whole_calls: bool = False  # a tool call comes in one delta
    repeats_calls: bool = False  # id, type and name come in every delta of a call
    usage: Literal["last", "separate", "asked"] = "asked"
    disjoint: bool = False  # completion_tokens leaves the reasoning out
    reasons: bool = False
    thinks_in_content: bool = False  # thoughts are chunks of the content
    thinks_in_tags: bool = False  # thoughts are in the content, between tags
    null_logprobs: bool = False
    done: bool = True
    more_usage: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer in the making: what was asked, and by whose habits it is given."""

    asked: Asked
    habits: Habits
    prompt: Prompt
    replies: list[Reply]
    model: str
    created: int


def answer(asked: Asked, body: JSON, habits: Habits, model: str) -> Answer:
    """Answer a checked body."""
    prompt = read_prompt(asked, body, habits)
    replies = [reply(prompt, number) for number in range(body.get("n") or 1)]
    turn = Turn(asked, habits, prompt, replies, model, int(time.time()))
    if not body.get("stream"):
        return json_answer(whole(turn))
    asked_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    headers = {"Content-Type": SSE_TYPE, "Cache-Control": "no-cache"}
    return Answer(200, _events(turn, asked_usage), headers, streamed=True)


def whole(turn: Turn) -> JSON:
    """Give the answer as one object."""
    choices = [_choice(turn, number, one) for number, one in enumerate(turn.replies)]
    return _stamp(turn, "chat.completion") | {"choices": choices, "usage": usage(turn)}


def _stamp(turn: Turn, kind: str) -> JSON:
    named = {"object": kind, "model": turn.model}
    if turn.habits.spare:
        return named
    made = turn.habits.completion_id.format(hex=turn.asked.made_up("completion", HEX, 32))
    return {"id": made, "object": kind, "created": turn.created, "model": turn.model}


def _choice(turn: Turn, number: int, one: Reply) -> JSON:
    habits = turn.habits
    message: JSON = {"role": "assistant", "content": one.text if one.pieces or not one.calls else None}
    if habits.thinks_in_content and one.thoughts:
        message["content"] = [_thinking(one.thought), {"type": "text", "text": one.text}]
    elif habits.thinks_in_tags and one.thoughts:
        message["content"] = f"<think>\n{one.thought}\n</think>\n\n{one.text}"
    elif one.thoughts:
        message["reasoning_content"] = one.thought
    if one.calls:
        message["tool_calls"] = [_call(turn, number, place, call) for place, call in enumerate(one.calls)]
    choice = {"index": number, "message": message, "finish_reason": FINISH[one.ending]}
    return choice | ({"logprobs": None} if habits.null_logprobs else {})


def _thinking(text: str) -> JSON:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _call(turn: Turn, number: int, place: int, call: ToolCall) -> JSON:
    label = f"call {number} {place}"
    made = turn.habits.call_ids.format(
        hex=turn.asked.made_up(label, HEX, 32),
        short=turn.asked.made_up(label, BASE62, 9),
        name=call.name,
        place=place,
    )
    function = {"name": call.name, "arguments": compact(call.arguments)}
    return {"id": made, "type": "function", "function": function}


def usage(turn: Turn) -> JSON:
    """Count, with the reasoning inside or beside the completion."""
    spoken = sum(one.tokens for one in turn.replies)
    thought = sum(one.thought_tokens for one in turn.replies)
    counted: JSON = {
        "prompt_tokens": turn.prompt.tokens,
        "completion_tokens": spoken if turn.habits.disjoint else spoken + thought,
        "total_tokens": turn.prompt.tokens + spoken + thought,
    }
    if thought:
        counted["completion_tokens_details"] = {"reasoning_tokens": thought}
    counted |= dict(turn.habits.more_usage)
    return dict(sorted(counted.items())) if turn.habits.spare else counted


def _events(turn: Turn, asked_usage: bool) -> Iterator[Step]:
    for chunk in _chunks(turn, asked_usage):
        yield sse_event(dict(sorted(chunk.items())) if turn.habits.spare else chunk)
    if turn.habits.done:
        yield SSE_DONE


def _chunks(turn: Turn, asked_usage: bool) -> Iterator[JSON]:
    stamp = _stamp(turn, "chat.completion.chunk")
    choices = in_turn(_choice_deltas(turn, number, one) for number, one in enumerate(turn.replies))
    for choice, last in with_last(choices):
        counts = {"usage": usage(turn)} if last and turn.habits.usage == "last" else {}
        yield stamp | {"choices": [choice]} | counts
    if turn.habits.usage == "separate" or (turn.habits.usage == "asked" and asked_usage):
        yield stamp | {"choices": [], "usage": usage(turn)}


def _choice_deltas(turn: Turn, number: int, one: Reply) -> Iterator[JSON]:
    """Give one choice in pieces; the last one says why it ended."""
    ending: list[JSON] = [{"content": ""}] if turn.habits.ends_alone else []
    for delta, last in with_last(itertools.chain(_deltas(turn, number, one), ending)):
        if turn.habits.spare:
            whole_delta = {"content": "", "role": "assistant"} | delta
            finish = {"finish_reason": FINISH[one.ending]} if last else {}
            yield {"delta": whole_delta} | finish | {"index": number}
        else:
            logprobs = {"logprobs": None} if turn.habits.null_logprobs else {}
            finish_reason = FINISH[one.ending] if last else None
            yield {"index": number, "delta": delta, "finish_reason": finish_reason} | logprobs


def _deltas(turn: Turn, number: int, one: Reply) -> Iterator[JSON]:
    habits = turn.habits
    if habits.opens:
        yield {"role": "assistant", "content": ""}
    if habits.thinks_in_tags and one.thoughts:
        tagged = ["<think>", "\n", *one.thoughts, "\n</", "think>", "\n\n"]
        yield from ({"content": piece} for piece in tagged)
    for thought in () if habits.thinks_in_tags else one.thoughts:
        yield (
            {"content": [_thinking(thought)]} if habits.thinks_in_content else {"reasoning_content": thought}
        )
    yield from ({"content": piece} for piece in one.pieces)
    calls = [_call(turn, number, place, call) for place, call in enumerate(one.calls)]
    if habits.whole_calls and calls:
        yield {"content": "", "tool_calls": [{"index": place} | call for place, call in enumerate(calls)]}
        return
    for place, call in enumerate(calls):
        yield from _call_deltas(habits, place, call)


def _call_deltas(habits: Habits, place: int, call: JSON) -> Iterator[JSON]:
    """Stream one tool call: its name first, then its arguments."""
    function = call["function"]
    opening = call | {"index": place, "function": {"name": function["name"], "arguments": ""}}
    yield {"tool_calls": [opening]}
    for piece in split(function["arguments"]):
        again = {"id": call["id"], "type": "function"} if habits.repeats_calls else {}
        name = {"name": function["name"]} if habits.repeats_calls else {}
        yield {"tool_calls": [{"index": place} | again | {"function": name | {"arguments": piece}}]}


# From OpenAI's messages to a prompt


def read_prompt(asked: Asked, body: JSON, habits: Habits) -> Prompt:
    """Boil a chat request down to what the pretend model looks at."""
    sent = body["messages"]
    tools, forced = _offered(body)
    stop = body.get("stop") or ()
    shape = body.get("response_format") or {}
    results: list[str] = []
    for message in reversed(sent):
        if message["role"] != "tool":
            break
        results.insert(0, flat(message["content"]))
    return Prompt(
        text=next((flat(one["content"]) for one in reversed(sent) if one["role"] == "user"), ""),
        tokens=count_json([sent, body.get("tools") or []]) + 1,
        results=tuple(results),
        tools=tools,
        forced=forced,
        parallel=body.get("parallel_tool_calls", True) is not False,
        limit=body.get("max_tokens") or body.get("max_completion_tokens"),
        stops=(stop,) if isinstance(stop, str) else tuple(stop),
        as_json=shape.get("type") in {"json_object", "json_schema"},
        schema=(shape.get("json_schema") or {}).get("schema"),
        thinks=habits.reasons,
        continues=flat(sent[-1]["content"]) if sent[-1].get("prefix") else "",
        fault=asked.fault,
    )


def flat(content: Any) -> str:
    """Give the text of a message's content."""
    if isinstance(content, list):
        return texts(part if isinstance(part, str) else part.get("text", "") for part in content)
    return content or ""


def _offered(body: JSON) -> tuple[tuple[Tool, ...], bool]:
    choice = body.get("tool_choice") or "auto"
    named = choice["function"]["name"] if isinstance(choice, dict) else None
    tools = tuple(
        Tool(one["function"]["name"], one["function"].get("parameters"))
        for one in body.get("tools") or []
        if choice != "none" and (named is None or one["function"]["name"] == named)
    )
    return tools, choice in {"any", "required"} if isinstance(choice, str) else True
