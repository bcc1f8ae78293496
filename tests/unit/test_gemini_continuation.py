"""Answers of Gemini 4 that are longer than one call, whole and streamed.

https://ai.google.dev/gemini-api/docs/generate-content/long-decode
"""

import pytest
from helpers.fixtures import CannedResponse, ScriptedTransport, events_of, function, post

from vertex_compat import errors
from vertex_compat.publishers.google.chat import response

FIRST = {"promptTokenCount": 10, "candidatesTokenCount": 100, "thoughtsTokenCount": 5, "totalTokenCount": 115}
SECOND = {"promptTokenCount": 110, "candidatesTokenCount": 40, "totalTokenCount": 150}


def chunk(content, finish_reason=None, token=None, usage=None, **fields):
    candidate = {"content": {"role": "model", "parts": [{"text": content}]}} | fields
    candidate |= {"finishReason": finish_reason} if finish_reason else {}
    candidate |= {"continuationToken": token} if token else {}
    return {"candidates": [candidate], "responseId": "r"} | ({"usageMetadata": usage} if usage else {})


def ask(transport, **params):
    body = {"model": "gemini-4-argon", "messages": [{"role": "user", "content": "Prove it"}]} | params
    answer = post(function(transport), body)
    assert answer.status_code == 200, answer.json
    read = events_of(answer.get_data()) if params.get("stream") else answer.json
    answer.close()
    assert all(response.closed for response in transport.answers)
    return read


def test_whole_answer_goes_on_in_another_call():
    transport = ScriptedTransport(
        chunk("One, ", "CONTINUATION", "dG9rZW4=", FIRST), chunk("two.", "STOP", usage=SECOND)
    )
    answer = ask(transport, max_tokens=20_000)
    (choice,) = answer["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("One, two.", "stop")
    first, second = transport.calls
    assert second.body == first.body | {"continuationToken": "dG9rZW4="}
    assert second.path == first.path
    assert answer["usage"]["prompt_tokens"] == 120
    assert answer["usage"]["completion_tokens"] == 145
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5


def test_streamed_answer_goes_on_in_another_call():
    transport = ScriptedTransport(
        [chunk("One, "), chunk("two, ", "CONTINUATION", "dG9rZW4=", FIRST)],
        [chunk("three"), chunk(".", "STOP", usage=SECOND)],
    )
    *chunks, usage, done = ask(transport, stream=True, stream_options={"include_usage": True})
    assert done == "[DONE]"
    assert usage["usage"]["total_tokens"] == 265
    deltas = [choice["delta"] for event in chunks for choice in event["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "One, two, three."
    assert [delta["role"] for delta in deltas if "role" in delta] == ["assistant"]
    reasons = [choice["finish_reason"] for event in chunks for choice in event["choices"]]
    assert [reason for reason in reasons if reason] == ["stop"]
    assert len(transport.calls) == 2


def test_call_after_the_continuation_is_counted_on():
    def call(name):
        part = {"functionCall": {"name": name, "args": {}}}
        return {"candidates": [{"content": {"parts": [part]}}], "responseId": "r"}

    transport = ScriptedTransport(
        [call("f"), chunk("", "CONTINUATION", "dG9rZW4=", FIRST)],
        [call("g"), chunk("", "STOP", usage=SECOND)],
    )
    chunks = ask(transport, stream=True)[:-1]
    calls = [
        call
        for item in chunks
        for choice in item["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]
    assert [(item["index"], item["function"]["name"]) for item in calls] == [(0, "f"), (1, "g")]
    assert calls[0]["id"] != calls[1]["id"]


@pytest.mark.parametrize("token", [None, ""])
def test_continuation_without_a_token_is_a_cut_answer(token):
    transport = ScriptedTransport(chunk("One, ", "CONTINUATION", token, FIRST))
    (choice,) = ask(transport)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("One, ", "length")


def test_repeated_token_ends_the_answer():
    same = chunk("One, ", "CONTINUATION", "dG9rZW4=", FIRST)
    transport = ScriptedTransport(same, same)
    (choice,) = ask(transport)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("One, One, ", "length")


def test_continuations_are_bounded():
    hops = [chunk("x", "CONTINUATION", f"{number:08}", FIRST) for number in range(40)]
    transport = ScriptedTransport(*hops)
    (choice,) = ask(transport)["choices"]
    assert choice["finish_reason"] == "length"
    assert len(transport.calls) == response.MAX_CONTINUATIONS + 1


def test_whole_answer_may_be_streamed_to_the_function():
    transport = ScriptedTransport(
        [chunk("One, "), chunk("two.", "STOP", usage=SECOND)],
    )
    answer = ask(transport)
    assert answer["choices"][0]["message"]["content"] == "One, two."


def test_cut_stream_of_a_whole_answer_is_an_error():
    answer = post(
        function(ScriptedTransport([chunk("One, ")])),
        {"model": "gemini-4-argon", "messages": [{"role": "user", "content": "Hi"}]},
    )
    assert answer.status_code == 502


# Streams that break off

OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
CHECKPOINT = chunk("two, ", token="dG9rZW4=", usage=FIRST)
REMAINDER = [chunk("three"), chunk(".", "STOP", usage=SECOND)]


def content_of(chunks):
    deltas = [choice["delta"] for event in chunks for choice in event.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize("ending", [[], [OVERLOADED], [{"usageMetadata": FIRST}]])
def test_broken_stream_goes_on_from_its_checkpoint(ending):
    transport = ScriptedTransport([chunk("One, "), CHECKPOINT, *ending], REMAINDER)
    *chunks, usage, done = ask(transport, stream=True, stream_options={"include_usage": True})
    assert (content_of(chunks), done) == ("One, two, three.", "[DONE]")
    first, second = transport.calls
    assert second.body == first.body | {"continuationToken": "dG9rZW4="}
    assert usage["usage"]["total_tokens"] == 265
    reasons = [choice["finish_reason"] for event in chunks for choice in event["choices"]]
    assert [reason for reason in reasons if reason] == ["stop"]


class BrokenOff(CannedResponse):
    """An answer whose connection breaks after its blocks."""

    complete = False

    def read_available(self):
        if not self._blocks:
            raise errors.UpstreamFault("The connection broke.", retryable=True)
        return super().read_available()


class BreakingTransport(ScriptedTransport):
    """A transport whose first connection breaks."""

    def open(self, call, model, client, **more):
        answer = super().open(call, model, client, **more)
        if len(self.calls) == 1:
            answer.__class__ = BrokenOff
        return answer


def test_broken_connection_goes_on_from_the_checkpoint():
    transport = BreakingTransport([chunk("One, "), CHECKPOINT], REMAINDER)
    assert content_of(ask(transport, stream=True)[:-1]) == "One, two, three."


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk("One, ")],
        [CHECKPOINT, chunk("and more")],
        [CHECKPOINT, {"promptFeedback": {"blockReason": "SAFETY"}}],
    ],
)
@pytest.mark.parametrize("ending", [[], [OVERLOADED]])
def test_stream_that_breaks_off_elsewhere_is_an_error(chunks, ending):
    transport = ScriptedTransport([*chunks, *ending], REMAINDER)
    body = {"model": "gemini-4-argon", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    answer = post(function(transport), body)
    events = events_of(answer.get_data())
    assert "error" in events[-1]
    assert len(transport.calls) == 1


def test_checkpoint_of_a_finished_stream_is_not_used():
    transport = ScriptedTransport([CHECKPOINT, chunk("three.", "STOP", usage=SECOND), OVERLOADED])
    assert content_of(ask(transport, stream=True)[:-1]) == "two, three."


def test_whole_answer_goes_on_from_a_checkpoint():
    transport = ScriptedTransport([chunk("One, "), CHECKPOINT], REMAINDER)
    answer = ask(transport, max_tokens=100_000)
    assert answer["choices"][0]["message"]["content"] == "One, two, three."
