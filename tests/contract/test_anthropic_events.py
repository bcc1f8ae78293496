"""Anthropic's documented event order holds for every recorded stream of every publisher.

https://platform.claude.com/docs/en/build-with-claude/streaming. The judges are the types and the
accumulator of Anthropic's own SDK.
"""

import json
import re
from typing import Any

import pytest
from anthropic.types import Message
from helpers.anthropic_events import accumulated, events_of
from helpers.fixtures import call_of, cases
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import errors, sse
from vertex_compat.operations.messages.input_blocks import chat_request
from vertex_compat.operations.messages.output_blocks import (
    PING,
    Display,
    MessageEncoder,
    MessageEvents,
    whole_message,
)
from vertex_compat.operations.opaque_state import decode_id, decode_state, encode_id
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import CodeExecution, Delta, Usage, parts_of

EVERYTHING = Display(thinking=True, search=True, code=True)
DELTA_OF_BLOCK = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
    "web_search_tool_result": set(),
    "code_execution_tool_result": set(),
}


def parts_of_case(case):
    translate = PUBLISHERS[case.publisher].chat.stream(call_of(case))
    decoder = sse.Decoder()
    for event in [*decoder.feed(case.stream), *decoder.close()]:
        if event != b"[DONE]":
            yield from parts_of(translate(json.loads(event)))


def encoded(parts, display=EVERYTHING):
    """The bytes that a client gets for the parts of one choice."""
    encoder = MessageEncoder(MessageEvents("m", display, streaming=True))
    return b"".join([*(encoder.encode(0, part) for part in parts), encoder.finish()])


def whole(parts, display=EVERYTHING):
    events = MessageEvents("m", display)
    started = [event for part in parts for event in events.part(part)]
    return whole_message([*started, *events.end()])


def one_choice(case):
    parts = list(parts_of_case(case))
    if any(isinstance(part, Delta) and part.choice for part in parts):
        pytest.skip("Anthropic's API has one choice")
    return parts


def check_order(events):
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("message_start") == kinds.count("message_delta") == kinds.count("message_stop") == 1
    opened, count = None, 0
    for event in events[1:-2]:
        match event["type"]:
            case "content_block_start":
                assert opened is None
                assert event["index"] == count
                opened, count = event["content_block"]["type"], count + 1
            case "content_block_delta":
                assert event["index"] == count - 1
                assert event["delta"]["type"] in DELTA_OF_BLOCK[opened]
            case "content_block_stop":
                assert event["index"] == count - 1
                opened = None
            case other:
                pytest.fail(f"unexpected {other}")
    assert opened is None


@cases("stream.sse")
def test_every_stream_has_the_documented_order(case):
    check_order(events_of(encoded(one_choice(case))))


@cases("stream.sse")
def test_stream_and_whole_message_are_the_same(case):
    """But for the state that a stream learns too late: the whole message begins with it."""
    parts = one_choice(case)
    streamed, message = accumulated(events_of(encoded(parts))), whole(parts)
    Message.model_validate(message)

    def comparable(answer):
        blocks = [{k: v for k, v in block.items() if v is not None} for block in answer["content"]]
        blocks = [block for block in blocks if block.get("thinking") != ""]
        for block in blocks:
            block.pop("id", None) if block["type"].startswith("server") else None
            block.pop("tool_use_id", None)
        return blocks, answer["stop_reason"], {k: v for k, v in answer["usage"].items() if v is not None}

    assert comparable(streamed) == comparable(message)


@cases("stream.sse")
def test_messages_have_the_texts_and_calls_of_chat(case):
    parts = one_choice(case)
    message = whole(parts, Display(thinking=True, search=True))
    deltas = [part.fields for part in parts if isinstance(part, Delta)]
    texts = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    assert texts.startswith("".join(fields.get("content") or "" for fields in deltas)[:40])
    names = [
        call["function"]["name"]
        for fields in deltas
        for call in fields.get("tool_calls", ())
        if "name" in call["function"]
    ]
    assert [block["name"] for block in message["content"] if block["type"] == "tool_use"] == names


def tool(index, **fields):
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    call: Any = {"index": index, **fields, "function": function}
    return Delta(0, {"tool_calls": [call]})


def test_interleaved_calls_become_blocks_one_after_the_other():
    parts = [
        tool(0, id="call_a", type="function", name="look", arguments='{"at":'),
        tool(1, id="call_b", type="function", name="look", arguments='{"at"'),
        Delta(0, {"content": "meanwhile"}),
        tool(0, arguments="1}"),
        tool(1, arguments=":2}"),
        Delta(0, {}, "tool_calls"),
    ]
    events = events_of(encoded(parts))
    check_order(events)
    content = accumulated(events)["content"]
    assert [block.get("input") for block in content if block["type"] == "tool_use"] == [{"at": 1}, {"at": 2}]
    assert [block["text"] for block in content if block["type"] == "text"] == ["meanwhile"]


def test_complete_calls_are_streamed_at_once():
    events = MessageEvents("m", EVERYTHING)
    list(events.part(tool(0, id="a", type="function", name="f", arguments="{}")))
    second = list(events.part(tool(1, id="b", type="function", name="f", arguments="{}")))
    assert [event["type"] for event in second] == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["\n", '{"a":', "1}"], {"a": 1}),
        (["no", " JSON"], {"arguments": "no JSON"}),
        (['"{}"'], {"arguments": "{}"}),
        (["[1]"], {"arguments": [1]}),
        ([" "], {}),
    ],
)
def test_arguments_are_an_object_for_the_sdk(texts, expected):
    first = tool(0, id="call_a", type="function", name="f", arguments="")
    parts = [first, *(tool(0, arguments=text) for text in texts), Delta(0, {}, "tool_calls")]
    assert accumulated(events_of(encoded(parts)))["content"][0]["input"] == expected
    assert whole(parts)["content"][0]["input"] == expected


def test_a_signature_of_a_call_travels_in_the_thinking_before_it():
    signed = {"google": {"thought_signature": "c2ln"}}
    parts = [
        Delta(0, {"reasoning_content": "Hm."}),
        tool(0, id="call_a", type="function", name="f", arguments="{}", extra_content=signed),
        Delta(0, {}, "tool_calls"),
    ]
    thinking, call = whole(parts)["content"]
    assert (thinking["type"], call["type"]) == ("thinking", "tool_use")
    assert decode_state(thinking["signature"]) == {"call_extra_content": {"extra_content": signed}}


def test_each_call_gets_its_own_signature_back():
    def signed(text):
        return {"google": {"thought_signature": text}}

    parts = [
        tool(0, id="call_a", type="function", name="f", arguments="{}", extra_content=signed("YQ==")),
        Delta(0, {"reasoning_content": "Hm."}),
        tool(1, id="call_b", type="function", name="f", arguments="{}", extra_content=signed("Yg==")),
        Delta(0, {"reasoning_content": "Hm."}),
        tool(2, id="call_c", type="function", name="f", arguments="{}"),
        Delta(0, {"extra_content": signed("ZA==")}, "tool_calls"),
    ]
    answer = {"role": "assistant", "content": whole(parts)["content"]}
    request = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Go"}, answer]}
    _, returned = chat_request(request).body["messages"]
    assert returned["extra_content"] == signed("ZA==")
    extras = [call.get("extra_content") for call in returned["tool_calls"]]
    assert extras == [None, signed("Yg=="), None]  # the id of the first has its signature


@given(st.text() | st.sampled_from(["functions.now:0", "call_1", "vc1_", "vc1_eA", "ü"]))
def test_ids_have_anthropic_s_form_and_come_back(id_):
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", encode_id(id_))
    assert decode_id(encode_id(id_)) == id_


def test_no_thinking_is_shown_to_a_client_that_did_not_ask():
    parts = [Delta(0, {"reasoning_content": "Hm."}), Delta(0, {"content": "Yes."}, "stop")]
    assert [block["type"] for block in whole(parts, Display())["content"]] == ["text"]
    omitted = whole(parts, Display(thinking=True, thoughts=False))["content"]
    assert (omitted[0]["thinking"], bool(omitted[0]["signature"])) == ("", True)


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
    ],
)
def test_finish_reasons_have_anthropic_s_names(finish, reason):
    assert whole([Delta(0, {"content": "x"}, finish)])["stop_reason"] == reason


@pytest.mark.parametrize(
    ("sequence", "finish", "reason"),
    [("END", "stop", "stop_sequence"), ("<eot>", "stop", "end_turn"), ("END", "tool_calls", "tool_use")],
)
def test_only_the_client_s_stop_sequences_are_named(sequence, finish, reason):
    events = MessageEvents("m", EVERYTHING, ["END"])
    started = list(events.part(Delta(0, {"content": "x"}, finish, stop_sequence=sequence)))
    message = whole_message([*started, *events.end()])
    named = sequence if reason == "stop_sequence" else None
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, named)


def test_cached_tokens_are_counted_apart():
    usage = Usage(10, 5, {"cached_tokens": 4, "cache_write_tokens": 1}, {"reasoning_tokens": 2})
    counts = whole([Delta(0, {"content": "x"}, "stop"), usage])["usage"]
    assert counts == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 1,
        "cache_read_input_tokens": 4,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 2},
    }


def test_a_stream_without_an_end_is_an_error():
    encoder = MessageEncoder(MessageEvents("m", EVERYTHING))
    encoder.encode(0, Delta(0, {"content": "Half"}))
    with pytest.raises(errors.UpstreamFault):
        encoder.finish()


def test_the_keepalive_is_a_ping():
    assert events_of(PING) == [{"type": "ping"}]


def code_delta(**fields):
    (content,) = [value for value in fields.values() if isinstance(value, str)]
    return Delta(0, {"content": f"[{content}]"}, code_execution=CodeExecution(**fields))


RUNS = {
    "code and output": [code_delta(code="a"), code_delta(output="b")],
    "code alone": [code_delta(code="a"), code_delta(code="b"), code_delta(output="c")],
    "output alone": [code_delta(output="a"), code_delta(output="b", failed=True)],
}


@pytest.mark.parametrize("display", [EVERYTHING, Display()])
@pytest.mark.parametrize("run", RUNS)
def test_code_is_blocks_or_text(run, display):
    parts = [Delta(0, {"content": "Look:"}), *RUNS[run], Delta(0, {"content": "Done"}), Delta(0, {}, "stop")]
    events = events_of(encoded(parts, display))
    check_order(events)
    message = accumulated(events)
    Message.model_validate(message)
    assert [block["type"] for block in message["content"]] == [
        block["type"] for block in whole(parts, display)["content"]
    ]
    texts = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    if display is EVERYTHING:
        assert texts == "Look:Done"
        results = [block for block in message["content"] if block["type"] == "code_execution_tool_result"]
        calls = [block["id"] for block in message["content"] if block["type"] == "server_tool_use"]
        assert {block["tool_use_id"] for block in results} <= set(calls)
        assert len(calls) == len(set(calls))
    else:
        assert texts == "".join(part.fields.get("content", "") for part in parts)
