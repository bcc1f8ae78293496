"""Answers in OpenAI's form with one value changed: an answer or a clear error, and no text is lost."""

import json

import pytest
from helpers.fixtures import CannedTransport, cases, events_of, function, post
from helpers.mutations import REPLACEMENTS, mutations
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

PUBLISHERS = ("mistralai", "ai21", "openapi", "endpoints")
EXPECTED = {200, 502}
"""Never 500: a response without a usable answer is a 502."""

EVENT = TypeAdapter(ResponseStreamEvent)


def of_publishers(kind):
    mark = cases(kind)
    chosen = [case for case in mark.args[1] if case.publisher in PUBLISHERS]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: f"{case.publisher}-{case.name}")


def dumped(value):
    return json.dumps(value).encode()


def texts(answer):
    """The texts that a client has to get."""
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        delta = choice.get("delta", choice.get("message")) if isinstance(choice, dict) else None
        content = delta.get("content") if isinstance(delta, dict) else None
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(text, str) and text:
                yield text


class Replay(CannedTransport):
    """A transport whose answer can be replaced, so that one function answers many requests."""

    def __init__(self):
        super().__init__([], "application/json")

    def answer_with(self, blocks, content_type):
        self.answers.clear()
        self.blocks, self.content_type = blocks, content_type


def request(case, path, **more):
    model = case.question()["model"]
    if path == "/v1/responses":
        return {"model": model, "input": "Hello"} | more
    if path == "/v1/completions":
        return {"model": model, "prompt": "Hello"} | more
    return case.question(**more)


def written(path, answer):
    """All text of a whole answer, which has OpenAI's type."""
    if path == "/v1/responses":
        return Response.model_validate(answer, strict=True).output_text
    if path == "/v1/completions":
        return "".join(choice.text for choice in Completion.model_validate(answer, strict=True).choices)
    chat = ChatCompletion.model_validate(answer, strict=True)
    return "".join(choice.message.content or "" for choice in chat.choices)


PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/completions")


@of_publishers("reply.json")
@pytest.mark.parametrize("path", PATHS)
def test_changed_value_of_a_whole_answer_loses_no_text(case, path):
    body = request(case, path)
    replacements = REPLACEMENTS if path == PATHS[0] else (None, 5.5, ["q"])
    transport = Replay()
    app = function(transport)
    for place, mutated in mutations(case.json("reply.json"), replacements):
        transport.answer_with([dumped(mutated)], "application/json")
        answer = post(app, body, path)
        where = f"{place}: {answer.status_code} {answer.get_data()[:300]}"
        assert answer.status_code in EXPECTED, where
        if answer.status_code != 200:
            assert place[0] == "choices", where
            assert answer.json["error"]["message"], where
            continue
        said = written(path, answer.json)
        assert all(text in said for text in texts(mutated)), where


def first_of_each_kind(events):
    """The first event of each set of fields, with its number."""
    seen = set()
    for number, event in enumerate(events):
        choices = event.get("choices") or [{}]
        kind = (*event, *choices[0], *choices[0].get("delta", {}), bool(choices[0].get("finish_reason")))
        if kind not in seen:
            seen.add(kind)
            yield number, event


def streamed(path, stream):
    """All text of a streamed answer whose events have OpenAI's types, and whether it ends in an error."""
    if path == "/v1/responses":
        lines = [line for line in stream.decode().splitlines() if line.startswith("data: ")]
        events = [json.loads(line[6:]) for line in lines]
        for event in events:
            EVENT.validate_python(event)
        text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        assert events[-1]["type"] in {"response.completed", "response.incomplete", "response.failed"}
        return text, events[-1]["type"] == "response.failed"
    chunks = events_of(stream)
    failed = "error" in chunks[-1]
    assert failed or chunks[-1] == "[DONE]"
    text = ""
    for chunk in chunks[:-1]:
        if path == "/v1/completions":
            text += "".join(one.text for one in Completion.model_validate(with_reasons(chunk)).choices)
        else:
            parsed = ChatCompletionChunk.model_validate(chunk, strict=True)
            text += "".join(one.delta.content or "" for one in parsed.choices)
    return text, failed


def with_reasons(chunk):
    """A chunk of a completion as OpenAI's type has it: that of whole completions, with a finish reason."""
    choices = [{**choice, "finish_reason": choice["finish_reason"] or "stop"} for choice in chunk["choices"]]
    return {**chunk, "choices": choices}


@of_publishers("stream.sse")
@pytest.mark.parametrize("path", PATHS)
def test_changed_value_of_a_stream_loses_no_text(case, path):
    options = {} if path == "/v1/responses" else {"stream_options": {"include_usage": True}}
    body = request(case, path, stream=True, **options)
    lines = [line[5:].strip() for line in case.stream.decode().splitlines() if line.startswith("data:")]
    events = [json.loads(line) for line in lines if line != "[DONE]"]
    replacements = (None, "NEW_VALUE", 5.5, 2**70, ["q"]) if path == PATHS[0] else (None, 5.5)
    transport = Replay()
    app = function(transport)
    for number, event in first_of_each_kind(events):
        for place, mutated in mutations(event, replacements):
            changed = [*events[:number], mutated, *events[number + 1 :]]
            transport.answer_with([b"data: " + dumped(one) + b"\n\n" for one in changed], "text/event-stream")
            answer = post(app, body, path)
            content = answer.get_data()
            where = f"event {number} {place}: {answer.status_code} {content[-300:]}"
            assert answer.status_code in EXPECTED, where
            assert b"unexpected" not in content, where
            if answer.status_code != 200:
                assert place[0] == "choices", where
            else:
                said, _ = streamed(path, content)
                assert all(text in said for text in texts(mutated)), where
