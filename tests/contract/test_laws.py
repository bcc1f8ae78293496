"""Rules for every stream of every publisher, in whatever pieces it arrives.

The streams are found by their names, so a new one is under these laws as soon as its file is there.
"""

from collections import Counter

import pydantic
import pytest
from helpers.client_apis import MESSAGE_EXTENSIONS
from helpers.fixtures import cases, chunks_of, counted, events_of, folded, reply_to, without
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from vertex_compat import errors

CHUNK = pydantic.TypeAdapter(ChatCompletionChunk)
COMPLETION = pydantic.TypeAdapter(ChatCompletion)

EXTENSIONS = MESSAGE_EXTENSIONS | {
    "annotations",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "image_tokens",
    "usage",
}
"""Fields beyond OpenAI's types that its clients know, and the key that is null in all chunks but the last."""

each_stream = cases("stream.sse")


def chunks(case, *, include_usage=True):
    *read, done = events_of(chunks_of(case, [case.stream], include_usage=include_usage))
    assert done == "[DONE]"
    return read


def pieces(case):
    """Return the deltas of each choice, in order."""
    return [piece for chunk in chunks(case) for piece in chunk["choices"]]


@each_stream
def test_the_stream_ends_with_done_and_says_it_once(case):
    events = events_of(chunks_of(case, [case.stream]))
    assert events[-1] == "[DONE]"
    assert events.count("[DONE]") == 1


@each_stream
def test_the_role_comes_first_and_once_a_choice(case):
    seen = set()
    for piece in pieces(case):
        assert (piece["delta"].get("role") == "assistant") == (piece["index"] not in seen)
        assert piece["delta"].get("role") in {"assistant", None}
        seen.add(piece["index"])
    assert seen == set(range(len(seen)))


@each_stream
def test_each_choice_has_one_last_finish_reason(case):
    finished = []
    for piece in pieces(case):
        assert piece["index"] not in finished
        if piece["finish_reason"] is not None:
            assert piece["delta"] == {}
            finished.append(piece["index"])
    assert sorted(finished) == sorted({piece["index"] for piece in pieces(case)})
    assert finished


@each_stream
def test_id_time_and_model_are_the_same_in_all_chunks(case):
    read = chunks(case)
    stamps = {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in read}
    assert len(stamps) == 1
    identity, kind, created, model = stamps.pop()
    assert identity.startswith("chatcmpl-")
    assert kind == "chat.completion.chunk"
    assert created > 1_700_000_000
    assert model == case.question()["model"]


@each_stream
def test_two_answers_have_different_ids(case):
    assert chunks(case)[0]["id"] != chunks(case)[0]["id"]


@each_stream
def test_the_usage_comes_last_and_alone_when_it_is_asked_for(case):
    *others, last = chunks(case)
    assert last["choices"] == []
    assert (
        last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]
    )
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in others)


@each_stream
def test_there_is_no_usage_when_it_is_not_asked_for(case):
    read = chunks(case, include_usage=False)
    assert all("usage" not in chunk and chunk["choices"] for chunk in read)
    without_usage = [without(chunk, "usage", "id", "created") for chunk in chunks(case)[:-1]]
    assert [without(chunk, "id", "created") for chunk in read] == without_usage


@each_stream
def test_tool_calls_are_counted_from_0_and_say_their_name_once(case):
    named = Counter()
    for piece in pieces(case):
        for call in piece["delta"].get("tool_calls", []):
            key = (piece["index"], call["index"])
            if key not in named:
                assert call["index"] == sum(choice == piece["index"] for choice, _ in named)
                assert call["id"]
                assert call["type"] == "function"
            named[key] += "name" in call["function"]
    assert all(count == 1 for count in named.values())


@each_stream
def test_the_chunks_add_up_to_the_answer(case):
    expected = case.json("answer.json")
    assert counted(folded(chunks(case))) == expected


@each_stream
def test_a_stream_and_a_whole_answer_tell_the_same(case):
    params = case.question()
    whole = reply_to(params, [case.path("reply.json").read_bytes()])
    assert counted(without(whole, "id", "created")) == counted(folded(chunks(case)))


@each_stream
def test_openai_s_types_know_every_field_of_every_chunk(case):
    for chunk in chunks(case):
        assert not unknown(CHUNK.validate_python(chunk, strict=True)) - EXTENSIONS


@each_stream
def test_openai_s_types_know_every_field_of_the_whole_answer(case):
    whole = reply_to(case.question(), [case.path("reply.json").read_bytes()])
    assert not unknown(COMPLETION.validate_python(whole, strict=True)) - EXTENSIONS


def unknown(model):
    """The names of all fields, at any depth, that the model's class does not have."""
    fields = set(model.model_extra or ())
    for value in dict(model).values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, pydantic.BaseModel):
                fields |= unknown(item)
    return fields


@each_stream
def test_a_stream_may_be_cut_at_any_byte(case):
    read = deltas_of(case, [case.stream])
    for place in range(1, len(case.stream)):
        assert deltas_of(case, [case.stream[:place], case.stream[place:]]) == read
    assert deltas_of(case, [bytes([byte]) for byte in case.stream]) == read


@each_stream
@given(data=st.data())
def test_a_stream_may_be_cut_anywhere_often(case, data):
    stream = case.stream
    places = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1))))
    blocks = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert deltas_of(case, blocks) == deltas_of(case, [stream])


def deltas_of(case, blocks):
    """The events of OpenAI's stream but for what differs from one answer to the next."""
    *read, done = events_of(chunks_of(case, blocks))
    return [without(chunk, "id", "created") for chunk in read] + [done]


@each_stream
def test_unfinished_stream_is_error(case):
    """The end of a stream is an error before the finish reason, and not after it."""
    stream = case.stream.replace(b"\r\n", b"\n")
    events = stream.removesuffix(b"\n\n").split(b"\n\n")
    outcomes = []
    for number in range(len(events)):
        try:
            chunks_of(case, [event + b"\n\n" for event in events[:number]])
        except errors.UpstreamFault as fault:
            outcomes.append(fault.status)
        else:
            outcomes.append(200)
    assert outcomes[0] == 502
    assert outcomes == sorted(outcomes, reverse=True)


@each_stream
def test_through_the_whole_operation_the_stream_is_the_same(case):
    params = case.question(stream=True, stream_options={"include_usage": True})
    blocks = [case.stream[place : place + 7] for place in range(0, len(case.stream), 7)]
    answer_data = reply_to(params, blocks, "text/event-stream")
    *read, done = events_of(answer_data)
    for chunk in read:
        (chunk["usage"] or {}).pop("cost_usd", None)  # of the request, not of the stream
    assert [without(chunk, "id", "created") for chunk in read] + [done] == deltas_of(case, [case.stream])


@pytest.mark.parametrize("include_usage", [True, False])
@each_stream
def test_a_container_that_cannot_stream_is_read_all_the_same(case, include_usage):
    params = case.question(stream=True, stream_options={"include_usage": include_usage})
    answer_data = reply_to(params, [case.path("reply.json").read_bytes()], "application/json")
    *read, done = events_of(answer_data)
    assert done == "[DONE]"
    answer = folded(read)
    expected = case.json("answer.json")
    assert (answer["usage"] is not None) == include_usage
    assert counted(answer | {"usage": answer["usage"] or expected["usage"]}) == expected
