"""Answers of servers of OpenAI's form whose fields are missing, null or of another type."""

import json

import pytest
from helpers.fixtures import (
    CannedTransport,
    events_of,
    folded,
    function,
    post,
    question,
    reply_to,
    upstream_call,
)

from vertex_compat.publishers import PUBLISHERS


def whole(choice, publisher="openapi", **more):
    return reply_to(question(publisher), [json.dumps({"choices": [choice], **more}).encode()])


def streamed(*events, publisher="openapi"):
    blocks = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    params = question(publisher, stream=True, stream_options={"include_usage": True})
    *read, _ = events_of(reply_to(params, blocks, "text/event-stream"))
    return folded(read)


def message(content):
    return {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}


def chunk(delta, reason=None, **more):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


def content(answer):
    return answer["choices"][0]["message"]["content"]


def test_message_beside_an_empty_delta_is_the_answer():
    choice = message("Paris") | {"delta": {"role": "assistant", "content": ""}}
    assert content(whole(choice)) == "Paris"
    assert content(streamed({"choices": [choice]})) == "Paris"


def test_message_that_repeats_the_deltas_is_not_added():
    first = chunk({"content": "Pa"})
    second = chunk({"content": "ris"})
    last = {"choices": [message("Paris") | {"delta": {"content": ""}}]}
    assert content(streamed(first, second, last)) == "Paris"


@pytest.mark.parametrize("publisher", ["mistralai", "openapi"])
@pytest.mark.parametrize("part", [{"text": "Paris"}, {"type": "new", "text": "Paris"}, "Paris"])
def test_text_of_a_part_of_unknown_type_is_kept(publisher, part):
    assert content(whole(message([part]), publisher)) == "Paris"
    assert content(streamed(chunk({"content": [part]}), chunk({}, "stop"), publisher=publisher)) == "Paris"


def test_reference_counts_text_of_unknown_parts():
    parts = [{"type": "new", "text": "Paris"}, {"type": "reference", "reference_ids": [1]}]
    answer = whole(message(parts), "mistralai")
    assert answer["choices"][0]["message"]["references"] == [{"reference_ids": [1], "index": 5}]


def test_legacy_function_call_is_a_tool_call():
    call = {"name": "f", "arguments": "{}"}
    answer = whole({"index": 0, "finish_reason": "function_call", "message": {"function_call": call}})
    (tool_call,) = answer["choices"][0]["message"]["tool_calls"]
    assert tool_call["function"] == call
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"prompt_tokens": 5.0, "completion_tokens": "7", "total_tokens": 12}, (5, 7, 0, 0)),
        ({"prompt_tokens": None, "completion_tokens": ["q"]}, (0, 0, 0, 0)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}, (5, 0, 5, 0)),
        ({"completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 9}}, (0, 11, 0, 9)),
        ({"prompt_tokens": 1e300}, (0, 0, 0, 0)),
    ],
)
def test_counts_are_integers_that_fit_together(counts, expected):
    usage = whole(message("Paris"), usage=counts)["usage"]
    prompt, completion, cached, reasoning = expected
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (prompt, completion)
    assert usage["total_tokens"] == prompt + completion
    assert usage["prompt_tokens_details"]["cached_tokens"] == cached
    assert usage["completion_tokens_details"]["reasoning_tokens"] == reasoning


def test_null_count_does_not_erase_an_earlier_one():
    usage = {"prompt_tokens": 5, "completion_tokens": 7}
    first = chunk({"content": "Paris"}, usage=usage)
    last = chunk({}, "stop", usage={"prompt_tokens": None, "completion_tokens": 8})
    counted = streamed(first, last)["usage"]
    assert (counted["prompt_tokens"], counted["completion_tokens"]) == (5, 8)


def test_answer_that_the_server_failed_to_complete_is_an_error():
    choice = {"index": 0, "message": {"content": "Par"}, "finish_reason": "error"}
    transport = CannedTransport([json.dumps({"choices": [choice]}).encode()], "application/json")
    answer = post(function(transport), question("mistralai"))
    assert answer.status_code == 502
    assert answer.json["error"]["message"] == "The model ended its answer with an error."


def test_stream_that_the_server_failed_to_complete_is_an_error():
    chunks = [chunk({"content": "Par"}), chunk({"content": "is"}, "error")]
    blocks = [f"data: {json.dumps(item)}\n\n".encode() for item in chunks]
    transport = CannedTransport(blocks, "text/event-stream")
    events = events_of(post(function(transport), question("mistralai", stream=True)).get_data())
    texts = [piece["delta"].get("content") for event in events[:-1] for piece in event["choices"]]
    assert "".join(filter(None, texts)) == "Paris"
    assert events[-1]["error"]["message"] == "The model ended its answer with an error."


@pytest.mark.parametrize("name", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(("value", "sequence"), [("END", "END"), (151645, None), (None, None)])
def test_stop_sequence_of_vllm_and_sglang(name, value, sequence):
    body = {"choices": [message("Paris") | {name: value}]}
    (delta,) = PUBLISHERS["openapi"].chat.response(body, upstream_call(question("openapi")))
    assert (delta.finish_reason, delta.stop_sequence) == ("stop", sequence)
