"""Events that differ from the previous one only in their text, and similar ones that do not."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from helpers.fixtures import Case, call_of, cases
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import sse
from vertex_compat.operations.chat.chat import ChatChunkEncoder
from vertex_compat.operations.generate_content.generate_content import ChunkEncoder
from vertex_compat.operations.generate_content.output_contents import ContentChunks
from vertex_compat.operations.generate_content.relay import ArrayFrames, GeminiRelayParser
from vertex_compat.operations.messages.output_blocks import Display, MessageEncoder, MessageEvents
from vertex_compat.operations.messages.relay import ClaudeRelayParser
from vertex_compat.operations.repeated_events import MAX_MISSES, RelayedEvents, RepeatedEvents
from vertex_compat.operations.responses.output.response_builder import ResponseBuilder
from vertex_compat.operations.responses.responses import _EventEncoder
from vertex_compat.operations.upstream_stream import EVENT_STREAM, ChatParser, TextEncoder
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
    repeated.remember_event(block(event), event)
    return repeated


@given(texts=st.lists(st.text()))
def test_event_with_another_text_is_decoded(texts):
    repeated = after(with_text(EVENT, ""))
    for text in texts:
        assert repeated.decode(block(with_text(EVENT, text))) == with_text(EVENT, text)


CLAUDE = b'event: content_block_delta\ndata: {"index":0,"delta":{"type":"text_delta","text":"a"} }\n\n'


def after_claude():
    repeated = RepeatedEvents()
    repeated.remember_event(CLAUDE, {"index": 0, "delta": {"type": "text_delta", "text": "a"}})
    return repeated


@given(text=st.text(), padding=st.integers(0, 200))
def test_event_with_other_padding_is_decoded(text, padding):
    repeated = after_claude()
    content = CLAUDE.replace(b'"a"} }', json.dumps(text).encode() + b"}" + b" " * padding + b"}")
    assert repeated.decode_text(content) == text


@pytest.mark.parametrize(
    "content",
    [
        CLAUDE.replace(b"} }", b"}  ]"),
        CLAUDE.replace(b"} }", b"}  }}"),
        CLAUDE.replace(b"} }", b"  }"),
        CLAUDE.replace(b"\n\n", b"\n \n"),
        CLAUDE.replace(b"\n\n", b" \n"),
        CLAUDE.replace(b"} }", b'},"b":1  }'),
        CLAUDE.replace(b":0", b":1").replace(b"} }", b"}" + b" " * 100 + b"}"),
        CLAUDE.replace(b'"a"', b'"a\\"').replace(b"} }", b"}  }"),
        CLAUDE + b" ",
    ],
)
def test_event_with_more_than_other_padding_is_not_decoded(content):
    assert after_claude().decode_text(content) is None


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
        repeated.remember_event(block(event), event)
        assert repeated.decode(block(event)) == event
    repeated.remember_event(block(EVENT), EVENT)
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


def repeated_events(case):
    """Return the events of a stream, each followed by two that differ from it in their texts."""
    events = []
    for event in map(json.loads, events_of(case.stream)):
        events += [event, repetitions(event, "é"), repetitions(event, '"\\\n')]
    return events


def parts_one_by_one(case):
    """Return the parts of these events, each translated as a whole."""
    translate = PUBLISHERS[case.publisher].chat.stream(call_of(case))
    parts = [part for event in repeated_events(case) for part in parts_of(translate(event))]
    marks = ("checkpoint", "continuation")  # for the parser, not for the client
    return [part for part in parts if not any(getattr(part, mark, None) for mark in marks)]


@cases("stream.sse")
def test_parts_are_those_of_events_decoded_one_by_one(case, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda size=32: "0" * size)
    parser = ChatParser(PUBLISHERS[case.publisher].chat, call_of(case), EVENT_STREAM, {})
    parts = []
    for event in repeated_events(case):
        parser.read(block(event), parts)
    assert parts == parts_one_by_one(case)


ENCODERS: dict[str, Callable[[], Any]] = {
    "chat": lambda: ChatChunkEncoder("m", "id", include_usage=True),
    "responses": lambda: _EventEncoder(ResponseBuilder({"model": "m"})),
    "messages": lambda: MessageEncoder(MessageEvents("m", Display(thinking=True, search=True, code=True))),
    "gemini": lambda: ChunkEncoder(ContentChunks("m", thoughts=True), ArrayFrames()),
}


@pytest.mark.parametrize("api", ENCODERS)
@cases("stream.sse")
def test_texts_are_encoded_as_whole_parts_are(case, api, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda size=32: "0" * size)
    monkeypatch.setattr("secrets.token_urlsafe", lambda size=32: "0" * size)
    monkeypatch.setattr("time.time", lambda: 1.0)
    whole, short = ENCODERS[api](), ENCODERS[api]()
    assert isinstance(short, TextEncoder)
    expected = [whole.encode(0, part) for part in parts_one_by_one(case)]
    parser = ChatParser(PUBLISHERS[case.publisher].chat, call_of(case), EVENT_STREAM, {})
    events = []
    for event in map(block, repeated_events(case)):
        if text := parser.read_text(event):
            events.append(short.encode_text(parser.text_choice, text))
        else:
            parts = []
            parser.read(event, parts)
            events += [short.encode(0, part) for part in parts]
    assert b"".join(events) == b"".join(expected)


@pytest.mark.parametrize("publisher", ["anthropic", "google", "mistralai", "openapi"])
def test_text_of_a_recorded_stream_is_read_alone(publisher):
    case = Case(publisher, "recorded")
    parser = ChatParser(PUBLISHERS[publisher].chat, call_of(case), EVENT_STREAM, {})
    alone = []
    for event in map(block, repeated_events(case)):
        if text := parser.read_text(event):
            alone.append(text)
        else:
            parser.read(event, [])
    assert '"\\\n' in alone


RELAYS: dict[str, Callable[[Any], Any]] = {
    "anthropic": lambda usages: ClaudeRelayParser("m", EVENT_STREAM, usages),
    "google": lambda usages: GeminiRelayParser(EVENT_STREAM, usages),
}


def relayed(publisher, blocks):
    """Return the parts of a stream that is passed on, and its token counts."""
    usages = {}
    parser = RELAYS[publisher](usages)
    parts = []
    for content in blocks:
        parser.read(content, parts)
    return parts, list(usages.values())


@pytest.mark.parametrize("publisher", RELAYS)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_relayed_events_are_as_if_they_came_together(publisher, line_end):
    events = repeated_events(Case(publisher, "recorded"))
    blocks = [block(event).replace(b"\r\n", line_end) for event in events]
    parts, counts = relayed(publisher, blocks)
    assert (parts, counts) == relayed(publisher, [b"".join(blocks)])
    assert len(parts) == len(events)


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_relayed_event_that_repeats_is_returned_as_it_came(line_end):
    first, second, other = (
        b"event: a" + line_end + block(event).replace(b"\r\n", line_end)
        for event in (EVENT, with_text(EVENT, "\u00e9\n"), EVENT | {"id": "y"})
    )
    relayed_events = RelayedEvents()
    relayed_events.remember_data(first, json.dumps(EVENT).encode())
    assert relayed_events.repeated_data(second) == json.dumps(with_text(EVENT, "\u00e9\n")).encode()
    assert relayed_events.repeated_data(other) is None


def test_relayed_event_in_several_lines_is_passed_on():
    content = b'data: {\ndata: "content":"a"}\n\n'
    parts, _ = relayed("anthropic", [b"\n", content, content, content])
    assert [json.loads(part.data) for part in parts] == 3 * [{"content": "a"}]
