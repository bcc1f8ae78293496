"""Events that differ from the previous one only in their text, and similar ones that do not."""

import json

import pytest
from helpers.fixtures import call_of, cases
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import sse
from vertex_compat.operations.repeated_events import MAX_MISSES, RepeatedEvents
from vertex_compat.operations.upstream_stream import EVENT_STREAM, ChatParser
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import parts_of

EVENT = {"choices": [{"index": 0, "delta": {"content": "a"}}], "id": "x"}
TEXT_KEYS = {"content", "reasoning_content", "text", "thinking"}


def block(event):
    return b"data: " + json.dumps(event).encode() + b"\r\n\r\n"


def with_text(event, text):
    return {**event, "choices": [{"index": 0, "delta": {"content": text}}]}


def after(event):
    """Return a decoder that has seen one event."""
    repeated = RepeatedEvents()
    repeated.remember(block(event), event)
    return repeated


@given(texts=st.lists(st.text()))
def test_event_with_another_text_is_decoded(texts):
    repeated = after(with_text(EVENT, ""))
    for text in texts:
        assert repeated.decode(block(with_text(EVENT, text))) == with_text(EVENT, text)


@pytest.mark.parametrize(
    "content",
    [
        block(EVENT | {"id": "y"}),
        block(EVENT)[:-1],
        block(EVENT) + block(EVENT),
        block(EVENT).replace(b'"a"', b'"a", "b": "c"'),
        block(EVENT).replace(b'"a"', b'"a\n\ndata: b"'),
        block(EVENT).replace(b'"a"', b'"a\\"'),
        block(EVENT).replace(b'"a"', b"null"),
        block(EVENT).replace(b'"a"', b'"\xff"'),
        block(EVENT).replace(b'"a"', b""),
        b"data: [DONE]\n\n",
        b": keepalive\n\n",
        b"",
    ],
)
def test_any_other_block_is_not_decoded(content):
    assert after(EVENT).decode(content) is None


@pytest.mark.parametrize(
    "event",
    [
        {"id": "x"},
        {"text": "a", "content": "b"},
        {"text": "a", "parts": [{"text": "b"}]},
        {"text": {"content": 1}},
    ],
)
def test_event_without_exactly_one_text_is_not_repeated(event):
    assert after(event).decode(block(event)) is None


def test_events_that_never_repeat_are_no_longer_remembered():
    repeated = RepeatedEvents()
    for number in range(MAX_MISSES):
        event = EVENT | {"number": number}
        repeated.remember(block(event), event)
        assert repeated.decode(block(event)) == event
    repeated.remember(block(EVENT), EVENT)
    assert repeated.decode(block(EVENT)) is None


def events_of(stream):
    decoder = sse.Decoder()
    return [event for event in [*decoder.feed(stream), *decoder.close()] if event != b"[DONE]"]


def repetitions(value, text):
    """Return an event with its texts changed."""
    if isinstance(value, dict):
        changed = {key: repetitions(inner, text) for key, inner in value.items()}
        return changed | {key: text for key in TEXT_KEYS & value.keys() if isinstance(value[key], str)}
    return [repetitions(inner, text) for inner in value] if isinstance(value, list) else value


@cases("stream.sse")
def test_parts_are_those_of_events_decoded_one_by_one(case, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda size=32: "0" * size)
    events = []
    for event in map(json.loads, events_of(case.stream)):
        events += [event, repetitions(event, "é"), repetitions(event, '"\\\n')]
    adapter = PUBLISHERS[case.publisher].chat
    translate = adapter.stream(call_of(case))
    expected = [part for event in events for part in parts_of(translate(event))]
    parser = ChatParser(adapter, call_of(case), EVENT_STREAM, {})
    parts = []
    for event in events:
        parser.read(block(event), parts)
    assert parts == [part for part in expected if not getattr(part, "checkpoint", None)]
