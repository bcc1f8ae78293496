"""Golden pairs of the Messages API and the Gemini API, with each publisher.

A request and the call that it becomes; a publisher's answer, whole and streamed, and what the client gets.
"""

import json

import pytest
from anthropic.types import Message
from google.genai import types as genai
from helpers.anthropic_events import accumulated, events_of
from helpers.fixtures import (
    FIXTURES,
    MODELS,
    CannedTransport,
    RecordingTransport,
    cases,
    function,
    post,
    without,
)

CURRENT = {
    "google": "gemini-3.8-flash",
    "anthropic": "claude-sonnet-4-6",
    "mistralai": "mistral-medium-3",
    "openapi": "deepseek-ai/deepseek-v4.1-flash-maas",
}
"""The model that the requests of the fixtures are sent to, of each publisher."""

HELLO = {
    "messages": {
        "max_tokens": 4000,
        "messages": [{"role": "user", "content": "Hello"}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    },
    "generate_content": {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    },
}
"""The request of each API that a recorded answer answers."""


def pairs():
    """Each request with each publisher, as parameters of a test."""
    paths = sorted(FIXTURES.glob("*/*.request.json"))
    assert paths
    combinations = [(path, publisher) for path in paths for publisher in CURRENT]
    names = [
        f"{path.parent.name}-{path.name.partition('.')[0]}-{publisher}" for path, publisher in combinations
    ]
    return pytest.mark.parametrize(("path", "publisher"), combinations, ids=names)


in_pieces = pytest.mark.parametrize("size", [None, 7], ids=["at once", "in pieces"])


def send(transport, api, model, body, *, streamed=False):
    """The client's answer to a request of one of the two APIs."""
    stream = {"stream": True} if streamed else {}
    if api == "messages":
        return post(function(transport), {"model": model, **body, **stream}, "/v1/messages")
    method = "streamGenerateContent" if streamed else "generateContent"
    return post(function(transport), body, f"/v1beta/models/{model}:{method}")


@pairs()
def test_a_request_becomes_the_call(path, publisher):
    body = json.loads(path.read_bytes())
    transport = RecordingTransport()
    answer = send(transport, path.parent.name, CURRENT[publisher], body, streamed=body.get("stream", False))
    assert transport.calls, answer.json
    (call,) = transport.calls
    expected = json.loads(path.with_name(path.name.replace("request", publisher)).read_bytes())
    assert call.path == expected["path"]
    assert call.version == expected["version"]
    assert dict(call.headers) == expected.get("headers", {})
    assert (json.loads(call.content) if call.content else call.body) == expected["body"]
    assert list(call.ignored) == expected["ignored"]


def answer_to(case, api, kind, size=None):
    """Return the client's answer to a recorded response, sent in pieces of `size` bytes."""
    content_type = {"reply.json": "application/json", "stream.sse": "text/event-stream"}[kind]
    recorded = case.path(kind).read_bytes()
    size = size or len(recorded)
    pieces = [recorded[start : start + size] for start in range(0, len(recorded), size)]
    transport = CannedTransport(pieces, content_type)
    answer = send(transport, api, MODELS[case.publisher], HELLO[api], streamed=kind == "stream.sse")
    assert answer.status_code == 200, answer.data
    return answer


def comparable(value):
    """A value without nulls and random ids."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_search = str(value.get("type")).endswith(("server_tool_use", "web_search_tool_result"))
    random = {"id", "tool_use_id"} if is_search else set()
    return {name: comparable(item) for name, item in value.items() if item is not None and name not in random}


@cases("message.json")
def test_a_reply_becomes_the_message(case):
    message = answer_to(case, "messages", "reply.json").json
    Message.model_validate(message)
    assert message["model"] == MODELS[case.publisher]
    assert without(comparable(message), "id", "model") == case.json("message.json")


@in_pieces
@cases("message.json")
def test_a_stream_becomes_the_message(case, size):
    """Without the signature of its text, which a stream of Gemini's has at its end."""
    message = accumulated(events_of(answer_to(case, "messages", "stream.sse", size).data))
    expected = case.json("message.json")
    expected["content"] = [block for block in expected["content"] if block.get("thinking") != ""]
    assert message["model"] == MODELS[case.publisher]
    assert without(comparable(message), "id", "model") == expected


def folded(chunks):
    """The response that a client of Google's makes of chunks: texts of one kind are joined."""
    parts, last = [], {}
    for chunk in chunks:
        genai.GenerateContentResponse.model_validate(chunk)
        (candidate,) = chunk["candidates"]
        last |= candidate
        for part in (candidate.get("content") or {}).get("parts", ()):
            before = parts[-1] if parts else {}
            if part.keys() == before.keys() and "text" in part and part.keys() <= {"text", "thought"}:
                before["text"] += part["text"]
            elif part != {"text": ""}:
                parts.append(dict(part))
    content = {"role": "model", "parts": parts}
    return chunks[-1] | {"candidates": [last | {"content": content}]}


@cases("content.json")
def test_a_reply_becomes_the_content(case):
    response = answer_to(case, "generate_content", "reply.json").json
    assert response["modelVersion"] == MODELS[case.publisher]
    assert without(folded([response]), "modelVersion", "responseId") == case.json("content.json")


@in_pieces
@cases("content.json")
def test_a_stream_becomes_the_content(case, size):
    chunks = answer_to(case, "generate_content", "stream.sse", size).get_json(force=True)
    assert {chunk["modelVersion"] for chunk in chunks} == {MODELS[case.publisher]}
    assert without(folded(chunks), "modelVersion", "responseId") == case.json("content.json")


OWN_API = {"anthropic": "messages", "google": "generate_content"}


def own(kind):
    """The recordings of Claude and Gemini, whose answers pass through their own API."""
    mark = cases(kind)
    own_cases = [case for case in mark.args[1] if case.publisher in OWN_API]
    return pytest.mark.parametrize("case", own_cases, ids=lambda case: f"{case.publisher}-{case.name}")


@own("reply.json")
def test_replies_pass_unchanged_but_for_the_name(case):
    reply = case.json("reply.json")
    name = {"model": MODELS["anthropic"]} if case.publisher == "anthropic" else {}
    assert answer_to(case, OWN_API[case.publisher], "reply.json").get_json(force=True) == reply | name


@in_pieces
@own("stream.sse")
def test_streams_pass_unchanged_but_for_the_name(case, size):
    answer = answer_to(case, OWN_API[case.publisher], "stream.sse", size)
    passed = events_of(answer.data) if case.publisher == "anthropic" else answer.get_json(force=True)
    lines = case.stream.decode().splitlines()
    events = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    for event in events:
        if event.get("type") == "message_start":
            event["message"]["model"] = MODELS["anthropic"]
    assert passed == events
