"""Tool calls as OpenAI-speaking servers tell them: with wrong ids, wrong indexes, or none."""

import json

import pytest
from helpers.fixtures import events_of, folded, question, reply_to


def chunk(*calls, reason=None):
    return {"choices": [{"index": 0, "delta": {"tool_calls": [*calls]}, "finish_reason": reason}]}


def call(name=None, arguments=None, **more):
    return {"function": {"name": name, "arguments": arguments}, **more}


def streamed(publisher, *chunks):
    blocks = [f"data: {json.dumps(event)}\n\n".encode() for event in chunks]
    *read, _ = events_of(reply_to(question(publisher, stream=True), blocks, "text/event-stream"))
    return folded(read)["choices"][0]


def whole(publisher, *calls):
    choice = {"index": 0, "message": {"content": None, "tool_calls": [*calls]}, "finish_reason": "stop"}
    return reply_to(question(publisher), [json.dumps({"choices": [choice]}).encode()])["choices"][0]


def summary(choice):
    assert choice["finish_reason"] == "tool_calls"
    calls = choice["message"]["tool_calls"]
    assert len({call["id"] for call in calls} - {"", "null"}) == len(calls)
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]


TWO = [("f", '{"a":1}'), ("g", "{}")]


@pytest.mark.parametrize(
    "calls",
    [
        [call("f", '{"a":1}', id="null", index=0), call("g", "", id="null", index=0)],
        [call("f", '{"a":1}'), call("g", None)],
        [call("f", {"a": 1}, id="0"), call("g", {}, id="0")],
    ],
)
def test_whole_calls_are_separated_whatever_their_ids(calls):
    assert summary(whole("mistralai", *calls)) == TWO


@pytest.mark.parametrize(
    "chunks",
    [
        [
            chunk(
                call("f", '{"a":1}', id="null", index=0),
                call("g", "", id="null", index=0),
                reason="tool_calls",
            )
        ],
        [chunk(call("f", '{"a":1}')), chunk(call("g", "")), chunk(reason="stop")],
        [
            chunk(call("f", "", id="x", index=3)),
            chunk(call(None, '{"a":', index=3)),
            chunk(call(None, "1}", index=3)),
            chunk(call("g", "", id="y", index=4)),
            chunk(reason="tool_calls"),
        ],
        [
            chunk(call("f", "", id="x", index=0), call("g", "", id="y", index=1)),
            chunk(call(None, '{"a":1}', index=0)),
            chunk(call(None, "{}", index=1), reason="tool_calls"),
        ],
    ],
)
def test_streamed_calls_are_separated_whatever_their_ids(chunks):
    assert summary(streamed("openapi", *chunks)) == TWO
