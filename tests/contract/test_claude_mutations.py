"""Recorded answers of Claude with one value changed: an answer or a clear error, and no text is lost."""

import json

import pytest
from helpers.fixtures import CannedTransport, cases, events_of, function, post
from helpers.mutations import mutations
from openai.types.chat import ChatCompletion, ChatCompletionChunk

EXPECTED = {200, 502}
"""Never 500: a response without a usable answer is a 502."""


def anthropic(kind):
    mark = cases(kind)
    chosen = [case for case in mark.args[1] if case.publisher == "anthropic"]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)


def texts(message):
    """The texts that a client has to get."""
    content = message.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    return [
        block["text"]
        for block in blocks
        if isinstance(block.get("text"), str)
        and block.get("type") not in ("thinking", "redacted_thinking", "tool_use")
    ]


def first_of_each_kind(events):
    """The first event of each type, of delta and of block, with its number."""
    seen = set()
    for number, event in enumerate(events):
        inner = event.get("delta", event.get("content_block", {}))
        kind = event["type"], inner.get("type")
        if kind not in seen:
            seen.add(kind)
            yield number, event


def dumped(value):
    return json.dumps(value).encode()


@anthropic("reply.json")
def test_changed_value_of_a_whole_answer_loses_no_text(case):
    question = case.question()
    in_json = "response_format" in question
    transport = CannedTransport([], "application/json")
    app = function(transport)
    for path, mutated in mutations(case.json("reply.json")):
        transport.blocks = [dumped(mutated)]
        answer = post(app, question)
        where = f"{path}: {answer.status_code} {answer.get_data()[:300]}"
        assert answer.status_code in EXPECTED, where
        if answer.status_code != 200:
            assert answer.json["error"]["message"], where
            continue
        ChatCompletion.model_validate(answer.json, strict=True)
        message = answer.json["choices"][0]["message"]
        # Beside an answer in JSON, texts are told as reasoning.
        said = (message["content"] or "") + (message.get("reasoning_content") or "" if in_json else "")
        assert all(text in said for text in texts(mutated)), where


@anthropic("stream.sse")
def test_changed_value_of_a_stream_loses_no_text(case):
    question = case.question(stream=True, stream_options={"include_usage": True})
    lines = [line for line in case.stream.decode().splitlines() if line.startswith("data:")]
    events = [json.loads(line[5:]) for line in lines]
    transport = CannedTransport([], "text/event-stream")
    app = function(transport)
    for number, event in first_of_each_kind(events):
        for path, mutated in mutations(event):
            changed = [*events[:number], mutated, *events[number + 1 :]]
            transport.blocks = [b"".join([b"event: x\ndata: " + dumped(one) + b"\n\n" for one in changed])]
            answer = post(app, question)
            where = f"event {number} {path}: {answer.status_code} {answer.get_data()[:300]}"
            assert answer.status_code in EXPECTED, where
            if answer.status_code != 200:
                continue
            chunks = [chunk for chunk in events_of(answer.get_data()) if chunk != "[DONE]"]
            failed = [chunk for chunk in chunks if "error" in chunk]
            assert not any("unexpected" in chunk["error"]["message"] for chunk in failed), where
            for chunk in chunks:
                if chunk not in failed:
                    ChatCompletionChunk.model_validate(chunk, strict=True)
            written = "".join(
                (piece["delta"].get("content") or "") + (piece["delta"].get("reasoning_content") or "")
                for chunk in chunks
                if chunk not in failed
                for piece in chunk["choices"]
            )
            deltas = [one.get("delta") for one in changed if isinstance(one.get("delta"), dict)]
            for delta in deltas:
                if isinstance(delta.get("text"), str) and not failed:
                    assert delta["text"] in written, where
