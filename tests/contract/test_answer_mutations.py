"""Recorded answers with one value changed, over all client APIs: no text is lost.

Every change is met in chat and, in turn, in one of the other APIs. Where Vertex AI speaks the client's API,
the answer is passed on with its change. A change that several recordings of a publisher have a place for is
made in one of them, with `--exhaustive` in each.
"""

import functools
import json
from itertools import cycle

from helpers import client_apis
from helpers.client_apis import CHAT, COMPLETIONS, GEMINI, MESSAGES, RESPONSES
from helpers.fixtures import MODELS, CannedTransport, all_cases, cases, function, post
from helpers.mutations import Division, first_of_each_shape, mutations

EXPECTED = {200, 502}
"""Never 500: a response without a usable answer is a 502."""

IN_TURN = [(CHAT, other) for other in (RESPONSES, MESSAGES, GEMINI, COMPLETIONS)]
"""The APIs for one change after the other: each change of a value meets another API beside chat."""

SAME_API = {("anthropic", MESSAGES), ("google", GEMINI)}


def dumped(value):
    return json.dumps(value).encode()


def recorded(case, kind):
    """The objects of a recording, in their order."""
    if kind == "reply.json":
        return [case.json(kind)]
    lines = [line[5:].strip() for line in case.stream.decode().splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@functools.cache
def division(publisher, kind):
    recordings = [case for case in all_cases(kind) if case.publisher == publisher]
    return Division(
        {
            (case.name, number): value
            for case in recordings
            for number, value in first_of_each_shape(recorded(case, kind))
        }
    )


def changes(case, kind, exhaustive):
    """Yield the number of an object of a recording, the path of a change, and the result."""
    for number, value in first_of_each_shape(recorded(case, kind)):
        choice = (
            {}
            if exhaustive
            else {"accepts": division(case.publisher, kind).filter_for((case.name, number), value)}
        )
        for path, mutated in mutations(value, **choice):
            yield number, path, mutated


@cases("reply.json")
def test_changed_whole_answer_loses_no_text(case, exhaustive):
    transport = CannedTransport([], "application/json")
    app = function(transport)
    for (_, path, mutated), in_turn in zip(
        changes(case, "reply.json", exhaustive), cycle(IN_TURN), strict=False
    ):
        transport.blocks = [dumped(mutated)]
        for api in in_turn:
            status, content = ask(app, api, case)
            detail = f"{type(api).__name__} {path}: {status} {content[-300:]}"
            texts = client_apis.texts(case.publisher, mutated)
            if (case.publisher, api) in SAME_API:
                assert json.loads(content) == renamed(api, mutated, case), detail
            elif is_answer(api, status, content, texts, detail):
                text = api.text(content)
                assert all(expected in text for expected in texts), detail
        transport.answers.clear()


@cases("stream.sse")
def test_changed_stream_loses_no_text(case, exhaustive):
    events = recorded(case, "stream.sse")
    transport = CannedTransport([], "text/event-stream")
    app = function(transport)
    for (number, path, mutated), in_turn in zip(
        changes(case, "stream.sse", exhaustive), cycle(IN_TURN), strict=False
    ):
        changed = [*events[:number], mutated, *events[number + 1 :]]
        transport.blocks = [b"data: " + dumped(changed_event) + b"\r\n\r\n" for changed_event in changed]
        for api in in_turn:
            status, content = ask(app, api, case, stream=True)
            detail = f"{type(api).__name__} event {number} {path}: {status} {content[-300:]}"
            texts = [text for event in changed for text in client_apis.texts(case.publisher, event)]
            if (case.publisher, api) in SAME_API:
                assert passed_on(api, content, changed, case), detail
            elif is_answer(api, status, content, texts, detail) and not by_the_model(api, path):
                text, error = api.streamed(content)
                assert "unexpected" not in (error or ""), detail
                assert error or all(expected in text for expected in texts), detail
        transport.answers.clear()


def ask(app, api, case, *, stream=False):
    """Status and content of an answer."""
    path, body = api.request(MODELS[case.publisher], stream=stream)
    if api is CHAT:
        body |= case.question()
    with post(app, body, path) as answer:
        return answer.status_code, answer.get_data()


def is_answer(api, status, content, texts, detail):
    """Return whether there is an answer; without one there is an error and no text."""
    assert status in EXPECTED, detail
    if status == 200:
        return True
    error = api.error(json.loads(content))
    assert error, detail
    assert not texts or "JSON Schema" in error, detail
    return False


def by_the_model(api, path):
    """Return whether arguments were changed within; Anthropic's SDK raises for them in a stream."""
    return api is MESSAGES and path[-1] == "arguments"


def renamed(api, message, case):
    """A message with the client's name of the model."""
    return message | {"model": MODELS[case.publisher]} if api is MESSAGES else message


def renamed_event(api, event, case):
    """An event; the first one of a message has its model."""
    if event.get("type") != "message_start" or not isinstance(message := event.get("message"), dict):
        return event
    return event | {"message": renamed(api, message, case)} if "model" in message else event


def passed_on(api, content, changed, case):
    """Return whether all events came unchanged; a stream without an end has an error after them."""
    events = [json.loads(line[6:]) for line in content.decode().splitlines() if line.startswith("data: ")]
    expected = [renamed_event(api, event, case) for event in changed]
    return events == expected or (events[:-1] == expected and api.error(events[-1]))
