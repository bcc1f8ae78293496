"""Recorded responses of Gemini with one value changed: an answer or a clear error, and no text is lost."""

import json

import pytest
from helpers.fixtures import CannedTransport, cases, events_of, function, post
from helpers.mutations import mutations
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

EXPECTED = {200, 400, 502}
"""Never 500: a refusal of the model's filters is a 400, a response without a usable answer a 502."""


def google(kind):
    mark = cases(kind)
    chosen = [case for case in mark.args[1] if case.publisher == "google"]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)


def texts(body):
    """The texts that a client has to get, by candidate."""
    found = {}
    candidates = body.get("candidates")
    for position, candidate in enumerate(candidates if isinstance(candidates, list) else []):
        content = candidate.get("content") if isinstance(candidate, dict) else None
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else []:
            if is_text(part):
                found.setdefault(position, []).append(part["text"])
    return found


def is_text(part):
    if not isinstance(part, dict) or not isinstance(part.get("text"), str):
        return False
    return part.get("thought") is not True and not part.get("functionCall")


def dumped(body):
    return json.dumps(body).encode()


@google("reply.json")
def test_changed_value_of_a_whole_response_loses_no_text(case):
    question = case.question()
    for path, mutated in mutations(case.json("reply.json")):
        transport = CannedTransport([dumped(mutated)], "application/json")
        answer = post(function(transport), question)
        where = f"{path}: {answer.status_code} {answer.get_data()[:300]}"
        assert answer.status_code in EXPECTED, where
        if answer.status_code != 200:
            assert answer.json["error"]["message"], where
            continue
        ChatCompletion.model_validate(answer.json, strict=True)
        contents = [choice["message"]["content"] or "" for choice in answer.json["choices"]]
        for expected in texts(mutated).values():
            assert any("".join(expected) in content for content in contents), where


@google("stream.sse")
def test_changed_value_of_a_stream_loses_no_text(case):
    question = case.question(stream=True, stream_options={"include_usage": True})
    events = [json.loads(event[6:]) for event in case.stream.decode().split("\r\n\r\n") if event[6:]]
    for number, event in enumerate(events):
        for path, mutated in mutations(event):
            changed = [*events[:number], mutated, *events[number + 1 :]]
            stream = b"".join([b"data: " + dumped(one) + b"\r\n\r\n" for one in changed])
            answer = post(function(CannedTransport([stream], "text/event-stream")), question)
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
                piece["delta"].get("content") or ""
                for chunk in chunks
                if chunk not in failed
                for piece in chunk["choices"]
            )
            for expected in texts(mutated).values():
                assert all(text in written for text in expected), where


@google("reply.json")
def test_changed_value_in_responses_loses_no_text(case):
    request = {"model": "gemini-3.8-flash", "input": "Hello"}
    for path, mutated in mutations(case.json("reply.json"), (None, 2, ["q"])):
        transport = CannedTransport([dumped(mutated)], "application/json")
        answer = post(function(transport), request, "/v1/responses")
        where = f"{path}: {answer.status_code} {answer.get_data()[:300]}"
        assert answer.status_code in EXPECTED, where
        if answer.status_code != 200:
            assert answer.json["error"]["message"], where
            continue
        response = Response.model_validate(answer.json, strict=True)
        for expected in list(texts(mutated).values())[:1]:
            assert "".join(expected) in response.output_text, where
